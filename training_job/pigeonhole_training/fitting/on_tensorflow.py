"""Steps on TensorFlow: one device, all GPUs of a host, or several hosts.

Every host keeps one copy of the weights. With several devices or hosts, `strategy.run` computes the
gradients of each device's share of a batch and sums them over all in one collective; the optimizer
then makes the same step on every host. So optimizers, loss scaling and batch normalisation see
plain variables: Keras 3's `fit` cannot take the values of MultiWorkerMirroredStrategy, and a
LossScaleOptimizer's variables cannot be mirrored.

The moving statistics of batch normalisation are averaged over the devices in every step. Each
device draws its dropout and its changed images from a seed of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pigeonhole_training.data.rows import Labels, Pixels, Probabilities
from pigeonhole_training.errors import DeviceFull, HostLost
from pigeonhole_training.fitting.devices import Device, usable
from pigeonhole_training.fitting.engine import Forward, HostBatch, Step
from pigeonhole_training.fitting.gpus import gpu_memories

SEED_STRIDE = 1_000_003  # between the devices' seeds
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class TensorFlowEngine:
    """See `Engine`. `host` of `hosts` hosts (TF_CONFIG says where the others are).

    To be made before anything else of TensorFlow is used; with several hosts this waits for them.
    """

    def __init__(self, hosts: int = 1, host: int = 0) -> None:
        self.hosts, self.host = hosts, host
        self._strategy: tf.distribute.Strategy | None = None
        if hosts > 1:
            with _reasons(hosts):
                self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self.devices = usable(list_devices(hosts, host))
        if hosts == 1 and len(self.devices) > 1:
            names = [device.name for device in self.devices]
            self._strategy = tf.distribute.MirroredStrategy(names)
        self._first_ones = _taker_of_first(self._strategy)
        self._rows: tuple[Any, Any] | None = None
        self._asked: tf.Tensor | None = None
        self._step: Callable[..., Any]
        self._state: list[keras.Variable] = []

    @property
    def shares(self) -> int:
        """Devices of all hosts."""
        return 1 if self._strategy is None else int(self._strategy.num_replicas_in_sync)

    def hold(self, pixels: Pixels, labels: Labels) -> None:
        """See `Engine`."""
        self._rows = (self._on_each(lambda _: pixels), self._on_each(lambda _: labels))

    def compile(self, step: Step, jit: bool) -> None:
        """See `Engine`. With several devices XLA compiles no collectives, so nothing of it."""
        self._state = step.state
        if self._strategy is None:
            alone = functools.partial(_step_alone, step)
            self._step = tf.function(alone, jit_compile=jit, reduce_retracing=True)
        else:
            self._step = tf.function(functools.partial(_step_together, step, self._strategy))

    def put(self, batch: HostBatch) -> tuple[Any, ...]:
        """See `Engine`."""
        parts = [batch.positions] if batch.pixels is None else [batch.pixels, batch.labels]
        shares = [np.split(part, self._local) for part in parts if part is not None]
        return tuple(
            self._on_each(lambda number, share=share: share[number])  # type: ignore[misc]
            for share in shares
        )

    def run(self, batch: tuple[Any, ...], stop: bool) -> None:
        """See `Engine`."""
        with _reasons(self.hosts):
            self._asked = self._step(tf.constant(float(stop)), batch, self._rows)

    def wait(self) -> None:
        """See `Engine`."""
        if self.hosts == 1:
            with _reasons(self.hosts):
                tf.test.experimental.sync_devices()
        else:  # it would ask the other hosts' devices, too
            self.asked_to_stop()

    def asked_to_stop(self) -> bool:
        """See `Engine`."""
        with _reasons(self.hosts):
            return self.hosts > 1 and self._asked is not None and float(self._asked) > 0

    def settle(self) -> None:
        """The variables are always right here."""

    def reload(self) -> None:
        """The variables are always what counts here."""

    def spread(self) -> None:
        """See `Engine`."""
        if self.hosts == 1:
            return
        values = [keras.ops.convert_to_numpy(variable) for variable in self._state]
        for kind in sorted({value.dtype.str for value in values}):
            chosen = [i for i, value in enumerate(values) if value.dtype.str == kind]
            flat = np.concatenate([values[i].ravel() for i in chosen])
            wide = np.float64 if flat.dtype.kind == "f" else np.int64
            given = self._from_first(flat.astype(wide)).astype(flat.dtype)
            ends = np.cumsum([values[i].size for i in chosen])
            for i, part in zip(chosen, np.split(given, ends[:-1]), strict=True):
                self._state[i].assign(part.reshape(values[i].shape))

    def agree(self, values: Sequence[float]) -> list[float]:
        """See `Engine`."""
        if self.hosts == 1:
            return list(values)
        return [float(value) for value in self._from_first(np.asarray(values, np.float64))]

    def forward(self, model: keras.Model, jit: bool) -> Forward:
        """`model` as a function of uint8 images `(N, H, W, C)`, on one device."""

        @tf.function(jit_compile=jit, reduce_retracing=True)
        def compute(pixels: tf.Tensor) -> tf.Tensor:
            return tf.cast(model(tf.cast(pixels, tf.float32), training=False), tf.float32)

        def forward(pixels: Pixels) -> Probabilities:
            with _reasons(1):  # no other host takes part
                return np.asarray(compute(tf.constant(pixels)))

        return forward

    @property
    def _local(self) -> int:
        return self.shares // self.hosts

    def _on_each(self, part: Callable[[int], Any]) -> Any:
        """A value a device of this host: `part` of its number here."""
        if self._strategy is None:
            return tf.constant(part(0))
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(part(context.replica_id_in_sync_group % self._local))
        )

    def _from_first(self, values: np.ndarray) -> np.ndarray:
        with _reasons(self.hosts):
            return np.asarray(self._first_ones(tf.constant(values)))


def _taker_of_first(strategy: Any) -> Callable[[Any], Any]:
    """A function that gives, on every host, the tensor that it got on the first one."""

    def mine(values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        first = tf.cast(context.replica_id_in_sync_group == 0, values.dtype)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values * first)

    @tf.function(reduce_retracing=True)
    def take(values: Any) -> Any:
        return strategy.experimental_local_results(strategy.run(mine, args=(values,)))[0]

    return take


def list_devices(hosts: int = 1, host: int = 0) -> tuple[Device, ...]:
    """The CPU and GPUs of this host."""
    # in a cluster TensorFlow lists every host's
    here = f"/task:{host}/" if hosts > 1 else ""
    cpus = [device for device in tf.config.list_logical_devices("CPU") if here in device.name]
    found = [Device("cpu", f"cpu:{i}") for i in range(len(cpus))]
    memories = gpu_memories()
    for i, gpu in enumerate(tf.config.list_physical_devices("GPU")):
        details = tf.config.experimental.get_device_details(gpu)
        memory = memories[i] if i < len(memories) else None
        found.append(Device("gpu", f"gpu:{i}", memory, details.get("compute_capability")))
    return tuple(found)


def _pick(batch: tuple[Any, ...], rows: tuple[Any, Any] | None) -> tuple[Any, Any]:
    """Pixels and labels of a batch."""
    if rows is None:
        pixels, labels = batch
        return pixels, labels
    (positions,) = batch
    return tf.gather(rows[0], positions), tf.gather(rows[1], positions)


def _gradients(
    step: Step, carried: list[Any], pixels: Any, labels: Any
) -> tuple[list[Any], Any, Any, dict[int, Any]]:
    """Gradients of the scaled loss; loss; right answers; what else changed."""
    trained = [tf.convert_to_tensor(variable.value) for variable in step.objective.trained]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trained)
        outcome = step.objective(trained, carried, pixels, labels)
        scaled = step.optimizer.scale_loss(outcome.loss)
    gradients = tape.gradient(scaled, trained, unconnected_gradients="zero")
    return gradients, outcome.loss, outcome.right, outcome.changed


def _advance(
    step: Step, gradients: list[Any], loss: Any, right: Any, changed: dict[int, Any]
) -> None:
    number = tf.identity(step.optimizer.iterations.value)
    step.optimizer.apply(gradients, step.objective.trained)
    for position, value in changed.items():
        step.objective.carried[position].assign(value)
    decay = step.decay_at(number)
    for average, variable in zip(step.averages, step.objective.trained, strict=False):
        average.assign(average.value * decay + variable.value * (1.0 - decay))
    before = step.totals.value
    step.totals.assign(tf.stack([before[0] + loss, before[1] + right, loss]))


def _step_alone(step: Step, stop: Any, batch: tuple[Any, ...], rows: Any) -> Any:
    pixels, labels = _pick(batch, rows)
    carried = [tf.convert_to_tensor(variable.value) for variable in step.objective.carried]
    _advance(step, *_gradients(step, carried, pixels, labels))
    return stop


def _step_together(step: Step, strategy: Any, stop: Any, batch: tuple[Any, ...], rows: Any) -> Any:
    """One collective a step: gradients, moving statistics, loss, right answers and `stop`."""
    shapes: list[Any] = []
    floats: list[int] = []
    count = len(step.objective.trained)

    def share(stop: Any, batch: tuple[Any, ...], rows: Any) -> tuple[Any, dict[int, Any]]:
        context = tf.distribute.get_replica_context()
        pixels, labels = _pick(batch, rows)
        carried = [_own(variable, context) for variable in step.objective.carried]
        gradients, loss, right, changed = _gradients(step, carried, pixels, labels)
        floats[:] = [i for i, value in changed.items() if value.dtype.is_floating]
        pieces = [*gradients, *(changed[i] for i in floats), loss, right, stop]
        shapes[:] = [piece.shape for piece in pieces]
        flat = tf.concat([tf.reshape(piece, [-1]) for piece in pieces], 0)
        # Each device's loss is the mean of its equal share: the mean of all is a sum of parts.
        mean = tf.constant(1.0 / strategy.num_replicas_in_sync)
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, flat * mean)
        seeds = {
            i: _own(step.objective.carried[i], context, value)
            for i, value in changed.items()
            if i not in floats
        }
        return summed, seeds

    summed, seeds = strategy.run(share, args=(stop, batch, rows))
    (flat, *_), first_seeds = (
        strategy.experimental_local_results(summed),
        {i: strategy.experimental_local_results(value)[0] for i, value in seeds.items()},
    )
    parts = tf.split(flat, [shape.num_elements() for shape in shapes])
    values = [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
    gradients, statistics = values[:count], values[count:-3]
    loss, share_right, asked = values[-3:]
    changed = {**dict(zip(floats, statistics, strict=True)), **first_seeds}
    _advance(step, gradients, loss, share_right * strategy.num_replicas_in_sync, changed)
    return asked


def _own(variable: keras.Variable, context: Any, value: Any = None) -> Any:
    """A carried value as one device has it; given `value`, as all have it again."""
    shared = tf.convert_to_tensor(variable.value) if value is None else value
    if variable.name != "seed_generator_state":
        return shared
    number = tf.cast(context.replica_id_in_sync_group, tf.int64) * SEED_STRIDE
    away = tf.stack([number, tf.zeros_like(number)]) * (1 if value is None else -1)
    return tf.cast(tf.cast(shared, tf.int64) + away, shared.dtype)


@contextmanager
def _reasons(hosts: int) -> Iterator[None]:
    """Says in our words what people can do something about. With one host, errors that tell of a
    lost one are of something else, and stay what they are."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise DeviceFull from error
    except _LOST as error:
        if hosts == 1:
            raise
        raise HostLost from error
