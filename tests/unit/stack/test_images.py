from __future__ import annotations

import pytest

from cli.stack.images import training_image_parameters


@pytest.mark.parametrize(
    ("region", "account"),
    [
        ("us-east-1", "763104351884"),
        ("eu-central-1", "763104351884"),
        ("eu-south-1", "692866216735"),
        ("ap-east-1", "871362719292"),
    ],
)
def test_account_follows_the_region(region: str, account: str) -> None:
    assert training_image_parameters(region) == {"TrainingImageAccount": account}
