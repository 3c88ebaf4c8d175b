"""Dense layers on all pixels: no idea of space, but a first result within seconds.

`dense-256-128-32` is the network of a student's project on Fashion-MNIST: three hidden layers,
plain gradient descent at a rate of 0.02 for 30 epochs, 88.71 % on the test images. `dense-128` is
the one hidden layer with Adam that tutorials begin with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers

from pigeonhole_training.data.version import Shape
from pigeonhole_training.models.blocks import probabilities
from pigeonhole_training.models.preset import Preset
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation


def build_network(
    hidden: tuple[int, ...],
) -> Callable[[Shape, int, Path | None], keras.Model]:
    """The builder of a network with these hidden layers."""

    def build(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
        """Input float32 `(N, H, W, C)`, 0-255; output `(N, classes)` probabilities."""
        image = keras.Input((shape.height, shape.width, shape.channels), name="image")
        x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
        for units in hidden:
            x = layers.Dense(units, activation="relu")(x)
        return keras.Model(image, probabilities(x, classes), name="pigeonhole")

    return build


def recipe_256_128_32(situation: Situation, asked: Asked) -> Recipe:
    """Plain gradient descent at one rate, as its source has it; 32 is Keras' own batch size."""
    return Recipe(
        preset="dense-256-128-32",
        phases=(Phase(asked.epochs or 30, asked.learning_rate or 0.02),),
        batch_size=asked.batch_size or 32,
        seed=asked.seed,
        optimizer="sgd",
        schedule="constant",
        warmup=0.0,
        patience=0,
    )


def recipe_128(situation: Situation, asked: Asked) -> Recipe:
    """Adam at Keras' own rate, falling to zero."""
    return Recipe(
        preset="dense-128",
        phases=(Phase(asked.epochs or 10, asked.learning_rate or 1e-3),),
        batch_size=asked.batch_size or 32,
        seed=asked.seed,
        optimizer="adam",
        schedule="cosine",
        patience=0,
    )


DENSE_256_128_32 = Preset("dense-256-128-32", build_network((256, 128, 32)), recipe_256_128_32)
DENSE_128 = Preset("dense-128", build_network((128,)), recipe_128)
