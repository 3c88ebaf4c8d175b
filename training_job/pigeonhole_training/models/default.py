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
from dataclasses import dataclass, replace
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
LARGE = Size(48, residual_everywhere=True)


def build_sized(shape: Shape, classes: int, size: Size) -> keras.Model:
    """Input float32 `(N, H, W, C)`, 0-255; output `(N, classes)` probabilities.

    For 28x28 grey images `SMALL` has 99,000 weights and 3.0 million multiplications an image,
    `LARGE` 1.04 million and 35 million.
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


# Passes over the rows. Few rows need more of them and smaller batches, so that there are some
# 1,000 steps to learn in; measured with 500, 4,000 and 60,000 rows of Fashion-MNIST. With 60,000,
# eight passes are worth half a point more than five.
EPOCHS = 5
MAX_EPOCHS = 60
ROWS_SEEN_AT_LEAST = 40_000
LARGEST_BATCH = 256
RATE_OF_LARGEST = 0.4
LARGE_EPOCHS = 48  # of default-large
LARGE_RATE = 0.75  # its rate, as a share of that of default


def recipe(situation: Situation, asked: Asked) -> Recipe:
    """Gradient descent with momentum over one rise and fall of the rate.

    The rate goes with the batch, as its noise does (Goyal et al. 2017, arXiv:1706.02677). Images
    are left as they are: mirroring helps only after some twenty epochs, and takes a 2 for a 5.
    """
    rows = max(situation.rows, 1)
    epochs = min(MAX_EPOCHS, max(EPOCHS, round(ROWS_SEEN_AT_LEAST / rows)))
    batch_size = asked.batch_size or _batch_size(rows)
    rate = RATE_OF_LARGEST * batch_size / LARGEST_BATCH
    return Recipe(
        preset="default",
        phases=(Phase(asked.epochs or epochs, asked.learning_rate or min(rate, 1.0)),),
        batch_size=batch_size,
        seed=asked.seed,
        optimizer="sgd",
        momentum=0.9,
        # Keras takes it from the weights at the learning rate, outside the momentum; 5e-3 is what
        # 5e-4 is as a penalty in the loss with a momentum of 0.9.
        weight_decay=5e-3,
        schedule="one-cycle",
        warmup=0.2,
        label_smoothing=0.1,
        # While the rate is high the loss goes up and down; it is the end that counts.
        patience=0,
    )


def recipe_large(situation: Situation, asked: Asked) -> Recipe:
    """As `recipe`, with epochs enough for images that are mirrored and partly erased to pay.

    Mirrored alone, it knew 99.9 % of its training images after 40 epochs. Shifting them was worse:
    within these epochs the network did not come to fit them.
    """
    small = recipe(situation, replace(asked, epochs=None, learning_rate=None))
    (phase,) = small.phases
    epochs = asked.epochs or max(LARGE_EPOCHS, phase.epochs)
    rate = asked.learning_rate or LARGE_RATE * phase.learning_rate
    return replace(
        small,
        preset="default-large",
        phases=(Phase(epochs, rate),),
        augment=("flip", "erase:0.5"),
    )


def _batch_size(rows: int) -> int:
    """A power of two with which an epoch has some 150 steps."""
    size = LARGEST_BATCH
    while size > 32 and rows < 156 * size:
        size //= 2
    return size


PRESET = Preset("default", build_network, recipe)
LARGE_PRESET = Preset("default-large", build_large, recipe_large)
