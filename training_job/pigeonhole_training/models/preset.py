"""What a preset is: a network and the recipe that trains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pigeonhole_training.data.version import Shape
from pigeonhole_training.recipe import Asked, Recipe, Situation

if TYPE_CHECKING:
    import keras

# (shape, classes, folder with pretrained weights or None) -> network. Input float32 (N, H, W, C),
# values 0-255, named "image"; output (N, classes) probabilities, named "probabilities".
Build: TypeAlias = "Callable[[Shape, int, Path | None], keras.Model]"


@dataclass(frozen=True)
class Preset:
    """`photo_side`: to which square side image folders of any size are brought, unless the
    dataset says another."""

    name: str
    build: Build
    recipe: Callable[[Situation, Asked], Recipe]
    photo_side: int = 64
