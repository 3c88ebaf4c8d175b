"""In which precision a network computes. Its weights are float32 whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from pigeonhole_training.fitting.devices import Precision


@contextmanager
def precision(model: keras.Model, policy: Precision) -> Iterator[None]:
    """Within it the layers of `model` compute by this Keras dtype policy, and afterwards in
    float32, in which models are exported.

    The layers that give the outputs stay in float32: a softmax of sixteen bits has too few digits
    for a loss.
    """
    changed = [layer for layer in _layers(model) if layer.name not in _outputs(model)]
    changed = [layer for layer in changed if layer.dtype_policy.name == "float32"]
    for layer in changed:
        layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer in changed:
            layer.dtype_policy = "float32"


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    found: list[keras.layers.Layer] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append(layer)
    return found


def _outputs(model: keras.Model) -> list[str]:
    return list(model.output_names)
