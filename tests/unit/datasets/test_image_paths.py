"""What an image's path says, as the training job takes it too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.datasets.preflight.folders import is_image, spot_of

PATHS = json.loads((Path(__file__).parents[2] / "image_paths.json").read_text())


@pytest.mark.parametrize("vector", PATHS["places"], ids=lambda vector: vector["path"])
def test_a_path_says_role_and_class(vector: dict[str, str | None]) -> None:
    spot = spot_of(str(vector["path"]))
    found = (None, None) if spot is None else (spot.role, spot.label)
    assert found == (vector["role"], vector["label"])


def test_images_are_known_by_name_and_leftovers_passed_over() -> None:
    assert all(map(is_image, PATHS["images"]))
    assert not any(map(is_image, PATHS["no_images"]))
