"""`wide-28-10`: a wide residual network, for one GPU and the last point of accuracy.

Zagoruyko and Komodakis 2016 (arXiv:1605.07146): residual blocks whose batch normalisation and ReLU
come before their convolutions, 28 layers deep and ten times as wide as He's. With flips, shifts
and random erasing (arXiv:1708.04896) it is where the best published results on Fashion-MNIST come
from: 96.3 %, after 300 epochs of steps in the learning rate. Here one rise and fall of the rate, a
moving average of the weights and smoothed labels are to get there in a third of the epochs.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from pigeonhole_training.data.version import Shape
from pigeonhole_training.models.blocks import BATCH_NORM, probabilities
from pigeonhole_training.models.preset import Preset
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation

FIRST_FILTERS = 16
STAGES = (1, 2, 4)  # filters, as multiples of 16 times the width
# Of a run's steps, over which the weights are averaged. In one small run 3 to 6 % were up to 0.3
# points better than the last weights alone, 12 % 0.4 worse: earlier weights know less.
AVERAGED = 0.04
LARGEST_MAP = 40  # images of longer sides are made smaller by the first convolution


def build_wide(shape: Shape, classes: int, depth: int = 28, width: int = 10) -> keras.Model:
    """Input float32 `(N, H, W, C)`, 0-255; output `(N, classes)` probabilities.

    `depth` is 4 more than a multiple of 6. WRN-28-10 has 36.5 million weights and for 28x28 images
    4 billion multiplications an image.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or not blocks:
        raise ValueError(f"depth must be 10, 16, 22, 28, …, not {depth}")
    image = keras.Input((shape.height, shape.width, shape.channels), name="image")
    x = layers.Rescaling(1 / 255)(image)
    stride = tuple(-(-side // LARGEST_MAP) for side in (shape.height, shape.width))
    kernel = tuple(2 * step + 1 for step in stride)
    x = layers.Conv2D(FIRST_FILTERS, kernel, stride, padding="same", use_bias=False)(x)
    for stage, multiple in enumerate(STAGES):
        for block in range(blocks):
            halved = stage > 0 and block == 0
            x = _block(x, FIRST_FILTERS * multiple * width, 2 if halved else 1)
    x = layers.GlobalAveragePooling2D()(_activated(x))
    return keras.Model(image, probabilities(x, classes), name="pigeonhole")


def _block(x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
    before = _activated(x)
    if x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, stride, padding="same", use_bias=False)(before)
    y = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(before)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(_activated(y))
    return layers.Add()([x, y])


def _activated(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(**BATCH_NORM)(x))


def build_network(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """WRN-28-10, as `build_wide`."""
    return build_wide(shape, classes)


def recipe(situation: Situation, asked: Asked) -> Recipe:
    """For a GPU: large batches, and augmentation as strong as a network of this size needs."""
    epochs, batch_size = asked.epochs or 100, asked.batch_size or 256
    averaged = AVERAGED * epochs * situation.rows / batch_size
    return Recipe(
        preset="wide-28-10",
        phases=(Phase(epochs, asked.learning_rate or 0.2),),
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
        ema=1 - 1 / max(1.0, averaged),
        augment=("flip", "crop:2", "erase:0.5"),
        patience=0,
    )


PRESET = Preset("wide-28-10", build_network, recipe)
