"""Steps on JAX: one process, on one device or on all accelerators of the host.

The state is a list of arrays that a compiled step takes and gives; the Keras variables get them
when somebody looks (`settle`). With several devices each batch is laid out over them and everything
else copied to all: XLA adds the collectives (data parallelism as "computation follows data"), and
batch normalisation sees the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pigeonhole_training.data.rows import Labels, Pixels, Probabilities
from pigeonhole_training.fitting.devices import Device, usable
from pigeonhole_training.fitting.engine import Forward, HostBatch, Step
from pigeonhole_training.fitting.gpus import gpu_memories


class JaxEngine:
    """See `Engine`."""

    hosts = 1
    host = 0

    def __init__(self) -> None:
        found = list_devices()
        self.devices = usable(found)
        chosen = [jax.local_devices()[found.index(device)] for device in self.devices]
        mesh = Mesh(np.array(chosen), ("batch",))
        self._split = NamedSharding(mesh, PartitionSpec("batch"))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._rows: tuple[jax.Array, jax.Array] | None = None
        self._values: list[jax.Array] = []
        self._state: list[keras.Variable] = []
        self._compiled: Callable[..., list[jax.Array]]

    @property
    def shares(self) -> int:
        """Devices."""
        return len(self.devices)

    def hold(self, pixels: Pixels, labels: Labels) -> None:
        """See `Engine`."""
        self._rows = (self._copied(pixels), self._copied(labels))

    def compile(self, step: Step, jit: bool) -> None:
        """See `Engine`; JAX always compiles."""
        self._state = step.state
        self._compiled = jax.jit(lambda values, batch, rows: _advanced(step, values, batch, rows))

    def put(self, batch: HostBatch) -> tuple[jax.Array, ...]:
        """See `Engine`."""
        parts = [batch.positions] if batch.pixels is None else [batch.pixels, batch.labels]
        return tuple(jax.device_put(part, self._split) for part in parts if part is not None)

    def run(self, batch: tuple[jax.Array, ...], stop: bool) -> None:
        """See `Engine`."""
        self._values = self._compiled(self._values, batch, self._rows)

    def wait(self) -> None:
        """See `Engine`."""
        jax.block_until_ready(self._values)

    def asked_to_stop(self) -> bool:
        """There is one host."""
        return False

    def settle(self) -> None:
        """See `Engine`."""
        for variable, value in zip(self._state, self._values, strict=True):
            variable.assign(value)

    def reload(self) -> None:
        """See `Engine`."""
        self._values = [self._copied(variable.value) for variable in self._state]

    def spread(self) -> None:
        """There is one host."""

    def agree(self, values: Sequence[float]) -> list[float]:
        """See `Engine`."""
        return list(values)

    def forward(self, model: keras.Model, jit: bool) -> Forward:
        """`model` as a function of uint8 images `(N, H, W, C)`, on one device."""

        @jax.jit
        def compute(trained: Any, others: Any, pixels: jax.Array) -> jax.Array:
            images = keras.ops.cast(pixels, "float32")
            given, _ = model.stateless_call(trained, others, images, training=False)
            return keras.ops.cast(given, "float32")

        def forward(pixels: Pixels) -> Probabilities:
            trained = [variable.value for variable in model.trainable_variables]
            others = [variable.value for variable in model.non_trainable_variables]
            return np.asarray(compute(trained, others, pixels))

        return forward

    def _copied(self, value: Any) -> jax.Array:
        return jax.device_put(value, self._everywhere)


def list_devices() -> tuple[Device, ...]:
    """The devices of this process."""
    memories = gpu_memories()
    found = []
    for number, device in enumerate(jax.local_devices()):
        name = f"{device.platform}:{number}"
        if device.platform == "cpu":
            found.append(Device("cpu", name))
            continue
        kind = "tpu" if device.platform == "tpu" else "gpu"
        memory = memories[number] if number < len(memories) else None
        stated = str(getattr(device, "compute_capability", "")).partition(".")
        capability = (int(stated[0]), int(stated[2] or 0)) if stated[0].isdigit() else None
        found.append(Device(kind, name, memory, capability))  # type: ignore[arg-type]
    return tuple(found)


def _advanced(step: Step, values: list[Any], batch: tuple[Any, ...], rows: Any) -> list[Any]:
    """The state after one step; `values` are in the order of `Step.state`."""
    objective, optimizer = step.objective, step.optimizer
    ends = np.cumsum(
        [len(objective.trained), len(objective.carried), len(optimizer.variables)]
    ).tolist()
    trained, carried = values[: ends[0]], values[ends[0] : ends[1]]
    held, averages, totals = values[ends[1] : ends[2]], values[ends[2] : -1], values[-1]
    pixels, labels = batch if rows is None else (rows[0][batch[0]], rows[1][batch[0]])

    def scaled_loss(trained: list[Any]) -> tuple[Any, Any]:
        outcome = objective(trained, carried, pixels, labels)
        mapping = list(zip(optimizer.variables, held, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return optimizer.scale_loss(outcome.loss), outcome

    gradients, outcome = jax.grad(scaled_loss, has_aux=True)(trained)
    number = next(
        value
        for variable, value in zip(optimizer.variables, held, strict=True)
        if variable is optimizer.iterations
    )
    trained, held = optimizer.stateless_apply(held, gradients, trained)
    carried = [outcome.changed.get(i, value) for i, value in enumerate(carried)]
    decay = step.decay_at(number)
    averages = [
        average * decay + value * (1.0 - decay)
        for average, value in zip(averages, trained, strict=False)
    ]
    totals = keras.ops.stack([totals[0] + outcome.loss, totals[1] + outcome.right, outcome.loss])
    return [*trained, *carried, *held, *averages, totals]
