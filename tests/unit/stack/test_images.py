from __future__ import annotations

import pytest

from cli.stack.images import training_image_parameters


@pytest.mark.parametrize(
    ("region", "instance", "account", "processor"),
    [
        ("us-east-1", "ml.m5.xlarge", "763104351884", "cpu"),
        ("eu-central-1", "ml.g4dn.xlarge", "763104351884", "gpu"),
        ("eu-south-1", "ml.p3.2xlarge", "692866216735", "gpu"),
        ("ap-east-1", "ml.c5.large", "871362719292", "cpu"),
    ],
)
def test_account_follows_the_region_and_tag_the_instance(
    region: str, instance: str, account: str, processor: str
) -> None:
    parameters = training_image_parameters(region, instance)
    assert parameters["TrainingImageAccount"] == account
    assert parameters["TrainingImageTag"].startswith(f"2.21.0-{processor}-")
