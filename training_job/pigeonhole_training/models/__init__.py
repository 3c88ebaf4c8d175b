"""The networks, each with the recipe that trains it: presets by name."""

from __future__ import annotations

from pigeonhole_training.errors import BadRequest
from pigeonhole_training.models import cnn, default, dense, resnet50, wide
from pigeonhole_training.models.preset import Preset

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        default.PRESET,
        default.LARGE_PRESET,
        dense.DENSE_128,
        dense.DENSE_256_128_32,
        cnn.PRESET,
        wide.PRESET,
        resnet50.PRESET,
        resnet50.RANDOM,
    )
}


def preset_of(name: str) -> Preset:
    """The preset of this name. Raises BadRequest, which lists those there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise BadRequest(f"there is no preset {name!r}; there are {', '.join(PRESETS)}") from None
