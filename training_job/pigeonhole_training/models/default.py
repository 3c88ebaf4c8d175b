"""Our own networks: `default`, for the best accuracy a second, and `default-large`, for an hour.

On a few CPU cores a small convolutional network spends its time where images are large. So the
first layer halves the sides at once (a 4x4 convolution with stride 2: sixteen pixels in, sixteen
channels out, nothing is lost), the widths double where the sides halve, and the depth lies where
it is cheap: in residual blocks (He et al. 2015, arXiv:1512.03385) on small maps. There is no dense
layer to speak of and no dropout; batch normalisation allows a high learning rate that rises and
falls once ("super-convergence", Smith and Topin 2017, arXiv:1708.07120), which is what makes few
epochs enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import keras
from keras import layers

from pigeonhole_training.data.version import Shape
from pigeonhole_training.models.blocks import convolution, probabilities
from pigeonhole_training.models.preset import Preset
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation

MAX_WIDENING = 8  # filters at most, as a multiple of the first layer's
LAST_SIDE = 4  # no side is longer at the end: 28 -> 14 -> 7 -> 4
STRIDED_FROM = 16  # sides that the first layer halves
STRIDED_TWICE_FROM = 128  # sides that it divides by four


@dataclass(frozen=True)
class Size:
    """`first_filters` doubles with every halving of the sides; `residual_everywhere`: a residual
    block after each of them, not only after the last."""

    first_filters: int
    residual_everywhere: bool


SMALL = Size(16, residual_everywhere=False)
LARGE = Size(32, residual_everywhere=True)


def build_sized(shape: Shape, classes: int, size: Size) -> keras.Model:
    """Input float32 `(N, H, W, C)`, 0-255; output `(N, classes)` probabilities.

    For 28x28 grey images `SMALL` has 99,000 weights and 3.0 million multiplications an image,
    `LARGE` 465,000 and 15.7 million.
    """
    image = keras.Input((shape.height, shape.width, shape.channels), name="image")
    filters = size.first_filters
    x = layers.Rescaling(1 / 255)(image)
    stride = _first_stride(shape.height), _first_stride(shape.width)
    x = convolution(x, filters, (_first_kernel(stride[0]), _first_kernel(stride[1])), stride)
    sides = [math.ceil(shape.height / stride[0]), math.ceil(shape.width / stride[1])]
    while max(sides) > LAST_SIDE:
        filters = min(2 * filters, MAX_WIDENING * size.first_filters)
        pool = tuple(2 if side > LAST_SIDE else 1 for side in sides)
        sides = [math.ceil(side / by) for side, by in zip(sides, pool, strict=True)]
        x = layers.MaxPooling2D(pool, padding="same")(convolution(x, filters))
        if size.residual_everywhere or max(sides) <= LAST_SIDE:
            x = _residual(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, probabilities(x, classes), name="pigeonhole")


def _first_stride(side: int) -> int:
    return 4 if side >= STRIDED_TWICE_FROM else 2 if side >= STRIDED_FROM else 1


def _first_kernel(stride: int) -> int:
    return max(3, 2 * stride)


def _residual(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    return layers.Add()([x, convolution(convolution(x, filters), filters)])


def build_network(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """The network of `default`, as `build_sized`."""
    return build_sized(shape, classes, SMALL)


def build_large(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """The network of `default-large`, as `build_sized`."""
    return build_sized(shape, classes, LARGE)


# Passes over the rows: few rows need more of them, so that there are steps enough to learn in.
MIN_EPOCHS = 7
MAX_EPOCHS = 60
ROWS_SEEN_AT_LEAST = 25_000


def recipe(situation: Situation, asked: Asked) -> Recipe:
    """Adam over one cosine; few rows get more epochs and smaller batches."""
    rows = max(situation.rows, 1)
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, round(ROWS_SEEN_AT_LEAST / rows)))
    return Recipe(
        preset="default",
        phases=(Phase(asked.epochs or epochs, asked.learning_rate or 2e-3),),
        # Small batches learn more from few rows; large ones are faster.
        batch_size=asked.batch_size or (32 if rows < 10_000 else 64),
        seed=asked.seed,
    )


PRESET = Preset("default", build_network, recipe)
