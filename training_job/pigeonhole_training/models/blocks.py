"""What the convolutional networks have in common."""

from __future__ import annotations

from typing import TypeAlias

import keras
from keras import layers

Stride: TypeAlias = int | tuple[int, int]

# Keras' momentum of 0.99 needs some hundred steps to settle, more than few rows or a short
# training have; its epsilon of 1e-3 is not small beside what dark images come to.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def convolution(
    x: keras.KerasTensor, filters: int, kernel: int | tuple[int, int] = 3, stride: Stride = 1
) -> keras.KerasTensor:
    """Convolution, batch normalisation, ReLU; the sides stay or are divided, rounded up."""
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(**BATCH_NORM)(x)
    return layers.ReLU()(x)


def probabilities(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """`(N, features)` -> `(N, classes)`, in float32 under mixed precision too."""
    return layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
