"""A phase's optimizer, and which of the network's weights it trains."""

from __future__ import annotations

import keras

from pigeonhole_training.errors import BadRequest
from pigeonhole_training.fitting.schedule import LearningRate
from pigeonhole_training.recipe import Phase, Recipe
from pigeonhole_training.watching.gradients import watch

BASE = "base"  # the layer that holds what was trained on other images


def make_optimizer(
    recipe: Recipe, phase: Phase, steps: int, model: keras.Model, scale_loss: bool
) -> keras.optimizers.Optimizer:
    """The optimizer of a phase of `steps` steps, built for what `model` trains in it.

    Weight decay is decoupled (Loshchilov and Hutter 2017, arXiv:1711.05101): a step takes rate x
    decay of each weight. Biases and the scales of normalisation layers, all of one dimension, are
    spared. `scale_loss` keeps the gradients of float16 above zero.
    """
    rate = learning_rate(recipe, phase, steps)
    decay = recipe.weight_decay or None
    optimizer: keras.optimizers.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, weight_decay=decay
        )
    elif recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
    if recipe.weight_decay:
        spared = [v for v in model.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=spared)
    if scale_loss:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer = watch(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def learning_rate(recipe: Recipe, phase: Phase, steps: int) -> LearningRate:
    """The rate of each of a phase's `steps` steps."""
    return LearningRate(phase.learning_rate, recipe.schedule, recipe.warmup, steps)


def set_trainable(model: keras.Model, which: str) -> None:
    """Leaves to train what a phase's `trainable` says. Raises BadRequest when it cannot be."""
    model.trainable = True
    if which == "all":
        return
    base = next((layer for layer in model.layers if layer.name == BASE), None)
    if base is None:
        raise BadRequest(
            f"the recipe trains {which!r}, but the network has no layer named {BASE!r}"
        )
    kind, _, count = which.partition(":")
    if which == "head":
        base.trainable = False
    elif kind == "base" and count.isdigit():
        layers = base.layers
        for number, layer in enumerate(layers):
            layer.trainable = number >= len(layers) - int(count)
    else:
        raise BadRequest(f"a phase trains 'all', 'head' or 'base:N', not {which!r}")
