"""The default network: a small convolutional classifier for images of any size."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from pigeonhole_training.data.version import Shape
from pigeonhole_training.models.preset import Preset
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation

FIRST_FILTERS = 16
MAX_FILTERS = 128
LAST_SIDE = 8  # pooled until no side is longer: 28 -> 14 -> 7

# Measured with Fashion-MNIST on 2 cores: 7 passes over 4,000 or 60,000 rows are where more stop
# paying. Fewer rows than 3,500 get more passes, so that the number of steps stays about the same.
MIN_EPOCHS = 7
MAX_EPOCHS = 60
ROWS_SEEN_AT_LEAST = 25_000


def build_network(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """Input float32 `(N, H, W, C)` with values 0-255, output `(N, classes)` probabilities.

    Rescaling is a layer, so that whoever calls the model hands it pixels as they are. For 28x28 it
    has 64,000 weights; each stage halves the sides and doubles the filters.
    """
    image = keras.Input((shape.height, shape.width, shape.channels), name="image")
    filters, height, width = FIRST_FILTERS, shape.height, shape.width
    x = layers.Rescaling(1 / 255)(image)
    x = _convolution(x, filters)
    if max(height, width) <= LAST_SIDE:
        x = _convolution(x, 2 * filters)
    while max(height, width) > LAST_SIDE:
        pool = (2 if height > LAST_SIDE else 1, 2 if width > LAST_SIDE else 1)
        x = layers.MaxPooling2D(pool, padding="same")(x)
        height, width = -(-height // pool[0]), -(-width // pool[1])
        filters = min(2 * filters, MAX_FILTERS)
        x = _convolution(x, filters)
        if max(height, width) > LAST_SIDE:
            x = _convolution(x, filters)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.4)(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="pigeonhole")


def _convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    # Keras' momentum of 0.99 needs some hundred steps to settle, more than small data has.
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)


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
