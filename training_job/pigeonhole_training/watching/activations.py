"""Units that never fire: the share of each ReLU layer that is silent on a few fixed rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from pigeonhole_training.data.rows import Pixels, Rows
from pigeonhole_training.watching.profile import DeadUnits

PROBE_ROWS = 128
PROBE_VALUES = 2_000_000  # of the images together: 128 of 28x28, 13 of 224x224x3
# A unit that fires on a smaller share of the rows counts as dead (SageMaker Debugger's DeadRelu:
# threshold_inactivity, 1 %).
ACTIVE_AT_LEAST = 0.01


def probe_rows(rows: Rows) -> Pixels:
    """The rows that units are watched on: the same ones for the same rows."""
    height, width, channels = rows.image_shape
    count = min(PROBE_ROWS, max(PROBE_VALUES // (height * width * channels), 1))
    return rows.sample(count).take(slice(None))


class Probe:
    """A second way out of the network: after each ReLU, on which rows a unit fired.

    A unit is a neuron of a dense layer or a channel of a convolution; a channel fires on a row when
    it does so anywhere in the image. It shares the network's weights and calls it layer by layer
    without compiling anything. Networks that are not built of layers (subclasses of `keras.Model`)
    have no layers to be watched.
    """

    def __init__(self, model: keras.Model, rows: Rows) -> None:
        self._pixels = probe_rows(rows)
        self._stages = [
            (keras.Model(part.inputs, [_fired(layer.output) for layer in layers]), layers, feeder)
            for part, layers, feeder in _parts(model)
        ]

    @property
    def layers(self) -> int:
        """How many layers are watched."""
        return sum(len(layers) for _, layers, _ in self._stages)

    def count(self, epoch: int) -> tuple[DeadUnits, ...]:
        """The silent units of each layer, with the weights as they are."""
        found = []
        for stage, layers, feeder in self._stages:
            inputs: Any = ops.convert_to_tensor(self._pixels.astype(np.float32))
            if feeder is not None:
                inputs = feeder(inputs, training=False)
            outputs = stage(inputs, training=False)
            for layer, fired in zip(layers, _listed(outputs), strict=True):
                share = ops.convert_to_numpy(fired).mean(axis=0)
                dead = int((share < ACTIVE_AT_LEAST).sum())
                found.append(DeadUnits(epoch, layer.name, share.size, dead))
        return tuple(found)


def _parts(
    model: keras.Model,
) -> Iterator[tuple[keras.Model, list[keras.Layer], keras.Model | None]]:
    """The network and each network inside it, its ReLU layers, and what leads to its input."""
    if not _functional(model):
        return
    layers = [layer for layer in model.layers if _is_relu(layer)]
    if layers:
        yield model, layers, None
    for inner in model.layers:
        if isinstance(inner, keras.Model) and _functional(inner):
            (node,) = inner._inbound_nodes[-1:] or (None,)
            if node is None:
                continue
            leading = keras.Model(model.inputs, node.input_tensors)
            for part, found, feeder in _parts(inner):
                yield part, found, leading if feeder is None else _after(leading, feeder)


def _after(first: keras.Model, second: keras.Model) -> keras.Model:
    return keras.Model(first.inputs, second(first.outputs))


def _functional(model: Any) -> bool:
    return bool(getattr(model, "inputs", None)) and bool(getattr(model, "outputs", None))


def _is_relu(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.ReLU) or getattr(layer, "activation", None) in (
        keras.activations.relu,
        keras.activations.relu6,
    )


def _fired(output: keras.KerasTensor) -> keras.KerasTensor:
    """`(N, …, units)` -> `(N, units)`: 1 where the unit fired on the row, else 0."""
    fired = ops.cast(output > 0, "float32")
    inner = tuple(range(1, len(output.shape) - 1))
    return ops.max(fired, axis=inner) if inner else fired


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
