"""`resnet50`: ResNet-50 that has seen ImageNet, taught to tell the photos of a dataset.

First the base stands still and a new head learns to read it, then the base's last stage is tuned
too, at a small fraction of the rate. The base's batch normalisation keeps ImageNet's statistics
throughout: small batches of a few thousand photos would only blur them. With its statistics fixed
it is a factor and a summand for each channel, so it is multiplied into the convolution before it:
the same answers, fewer steps, and no switch that training could turn back on. `resnet50-random` is
the network from random weights, for images unlike any in ImageNet, and for trying things out
without a download. (He et al. 2015, arXiv:1512.03385; the weights are Keras' own.)
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import BadRequest
from pigeonhole_training.models.blocks import probabilities
from pigeonhole_training.models.preset import Preset
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation

BASE = "base"  # the layer that `Phase.trainable` speaks of
# The five stages divide the sides by 32: images below this are enlarged inside the network.
SMALLEST_SIDE = 64
LONGEST_ENLARGED = 512
# ImageNet's mean blue, green and red: what the weights were trained with.
MEAN_BGR = (103.939, 116.779, 123.68)
LAST_STAGE = 33  # the base's layers from conv5_block1 on, the pooling at its end counted
FINE_TUNING_RATE = 1 / 40  # of the head's
WEIGHT_FILES = (".h5", ".hdf5", ".keras")


def build_network(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """ResNet-50 with ImageNet's weights: from the file in the folder `weights`, else downloaded.

    Input float32 `(N, H, W, C)`, 0-255, grey, RGB or with a last channel of opacity, which is
    left out; output `(N, classes)` probabilities. The file is the official one (`.h5`, with or
    without its last layer) or a ResNet-50 that Keras saved (`.weights.h5`, `.keras`).

    Raises BadRequest when the weights cannot be read or downloaded.
    """
    height, width = enlarged(shape)
    if weights is None:
        base = _downloaded((height, width, 3))
    else:
        base = _empty((height, width, 3))
        _load(base, _weights_file(weights))
    return _around(_folded(base), shape, classes)


def build_random(shape: Shape, classes: int, weights: Path | None = None) -> keras.Model:
    """ResNet-50 from random weights; otherwise as `build_network`."""
    height, width = enlarged(shape)
    return _around(_empty((height, width, 3)), shape, classes)


def _around(base: keras.Model, shape: Shape, classes: int) -> keras.Model:
    image = keras.Input((shape.height, shape.width, shape.channels), name="image")
    x = image
    if shape.channels in {1, 2}:
        x = layers.Concatenate()([x[..., :1]] * 3)
    elif shape.channels > 3:
        x = x[..., :3]
    factor = base.input_shape[1] // shape.height, base.input_shape[2] // shape.width
    if factor != (1, 1):
        x = layers.UpSampling2D(factor, interpolation="bilinear")(x)
    offset = [-mean for mean in MEAN_BGR]
    x = layers.Rescaling(1.0, offset=offset, name="preprocessed")(ops.flip(x, axis=-1))
    x = layers.Dropout(0.2)(base(x))
    return keras.Model(image, probabilities(x, classes), name="pigeonhole")


def enlarged(shape: Shape) -> tuple[int, int]:
    """Height and width that the base gets: whole multiples of the image's."""
    sides = shape.height, shape.width
    factor = math.ceil(SMALLEST_SIDE / min(sides))
    if factor > 1 and max(sides) * factor > LONGEST_ENLARGED:  # a narrow strip is stretched
        return tuple(side * math.ceil(SMALLEST_SIDE / side) for side in sides)
    return sides[0] * factor, sides[1] * factor


def _empty(input_shape: tuple[int, int, int], *, top: bool = False) -> keras.Model:
    return keras.applications.ResNet50(
        include_top=top,
        weights=None,
        input_shape=None if top else input_shape,
        pooling="avg",
        name=BASE,
    )


def _downloaded(input_shape: tuple[int, int, int]) -> keras.Model:
    try:
        return keras.applications.ResNet50(
            include_top=False, weights="imagenet", input_shape=input_shape, pooling="avg", name=BASE
        )
    except Exception as error:  # Keras raises nothing narrower when a download fails
        raise BadRequest(
            f"the ImageNet weights of resnet50 could not be downloaded ({error}). Give the job a "
            "channel `weights` with the weights file, or choose the preset resnet50-random"
        ) from error


def _weights_file(folder: Path) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.suffix in WEIGHT_FILES and p.is_file())
    if len(files) != 1:
        there = ", ".join(p.name for p in files) or "none"
        raise BadRequest(
            f"the channel `weights` must have one file {' or '.join(WEIGHT_FILES)}; it has {there}"
        )
    return files[0]


def _load(base: keras.Model, file: Path) -> None:
    try:
        if file.suffix == ".keras":
            _copy(keras.models.load_model(file, compile=False), base)
            return
        try:
            base.load_weights(file)
        except ValueError:
            # the file has ImageNet's last layer too
            whole = _empty((224, 224, 3), top=True)
            whole.load_weights(file)
            _copy(whole, base)
    except (ValueError, OSError, KeyError) as error:
        raise BadRequest(f"{file.name} does not hold the weights of ResNet50: {error}") from error


def _copy(source: keras.Model, base: keras.Model) -> None:
    """Gives the base's layers the weights of the layers of the same names."""
    for layer in base.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _folded(base: keras.Model) -> keras.Model:
    """The base with its batch normalisation, at fixed statistics, inside the convolutions."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, layers.BatchNormalization):
            return layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        options.pop("mask", None)  # batch normalisation took one, what stands in its place does not
        return layer(*inputs, **options)

    folded = keras.models.clone_model(base, clone_function=copy, call_function=call)
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            convolution = layer.name.removesuffix("bn") + "conv"
            kernel, bias = base.get_layer(convolution).get_weights()
            gamma, beta, mean, variance = layer.get_weights()
            factor = gamma / np.sqrt(variance + layer.epsilon)
            weights = [kernel * factor, (bias - mean) * factor + beta]
            folded.get_layer(convolution).set_weights(weights)
    return folded


def recipe(situation: Situation, asked: Asked) -> Recipe:
    """Two epochs of the head (the rate that tuning found on dog breeds), then two of both.

    `fine_tune_epochs=0` leaves the base as it is.
    """
    rate = asked.learning_rate or 4e-3
    tuned = 2 if asked.fine_tune_epochs is None else asked.fine_tune_epochs
    phases = [Phase(asked.epochs or 2, rate, "head")]
    if tuned:
        phases.append(Phase(tuned, rate * FINE_TUNING_RATE, f"base:{LAST_STAGE}"))
    return Recipe(
        preset="resnet50",
        phases=tuple(phases),
        batch_size=asked.batch_size or 64,
        seed=asked.seed,
        optimizer="adam",
        schedule="cosine",
        augment=("flip",),
        patience=0,
    )


def recipe_random(situation: Situation, asked: Asked) -> Recipe:
    """Everything learns from the first step."""
    return Recipe(
        preset="resnet50-random",
        phases=(Phase(asked.epochs or 30, asked.learning_rate or 1e-3),),
        batch_size=asked.batch_size or 64,
        seed=asked.seed,
        optimizer="adam",
        schedule="cosine",
        augment=("flip",),
        patience=0,
    )


PRESET = Preset("resnet50", build_network, recipe, photo_side=224)
RANDOM = Preset("resnet50-random", build_random, recipe_random, photo_side=224)
