"""A small run to try the training loop on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.fitting.checkpoints import Checkpoints
from pigeonhole_training.fitting.devices import Plan
from pigeonhole_training.fitting.engine import Engine
from pigeonhole_training.fitting.engines import open_engine
from pigeonhole_training.fitting.loop import Loop
from pigeonhole_training.fitting.order import Order
from pigeonhole_training.progress import StopFlag
from pigeonhole_training.recipe import Phase, Recipe
from pigeonhole_training.watching.observer import Epoch, Run, StepTimes

SIDE, CLASSES = 6, 3


def bars(count: int, seed: int) -> Rows:
    """Noise with a bright column whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count).astype(np.int32)
    pixels = rng.integers(0, 120, (count, SIDE, SIDE, 1), dtype=np.uint8)
    for pixel, label in zip(pixels, labels, strict=True):
        pixel[:, 2 * label] = 200
    return Pool.of(pixels, labels).rows()


def network() -> keras.Model:
    """With everything that a step changes: statistics, dropout, a base that can stand still."""
    layers = keras.layers
    inside = keras.Input((SIDE, SIDE, 4))
    x = layers.Conv2D(4, 3, padding="same")(inside)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    base = keras.Model(inside, layers.Conv2D(4, 3, strides=2)(x), name="base")
    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    x = layers.Dropout(0.2)(layers.Flatten()(base(x)))
    return keras.Model(image, layers.Dense(CLASSES, "softmax", name="probabilities")(x))


def recipe(**changes: Any) -> Recipe:
    """Three epochs of five steps, unless changed."""
    given: dict[str, Any] = {
        "preset": "bars",
        "phases": (Phase(3, 0.02),),
        "batch_size": 16,
        "seed": 7,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 1e-3,
        "label_smoothing": 0.1,
        "augment": ("erase:0.5",),
        "patience": 0,
    }
    return Recipe(**given | changes)


class Seen:
    """An observer that notes what it hears, and asks for a stop after `stop_after` steps."""

    def __init__(self, stop: StopFlag | None = None, stop_after: int = -1) -> None:
        self.stop, self.stop_after = stop, stop_after
        self.runs: list[Run] = []
        self.steps: list[StepTimes] = []
        self.epochs: list[Epoch] = []
        self.ends = 0

    def started(self, run: Run) -> None:
        self.runs.append(run)

    def stepped(self, times: StepTimes) -> None:
        self.steps.append(times)
        if self.stop is not None and times.step == self.stop_after:
            self.stop.set()

    def epoch_ended(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)

    def ended(self) -> None:
        self.ends += 1


def loop_of(
    given: Recipe,
    *,
    checkpoints: Checkpoints | None = None,
    observers: Sequence[Seen] = (),
    stop: StopFlag | None = None,
    engine: Engine | None = None,
    model: keras.Model | None = None,
    plan: Mapping[str, Any] = MappingProxyType({}),
) -> Loop:
    """A loop over 72 rows, in batches that do not divide them; nothing of it has run yet."""
    training, validation = bars(72, 1), bars(30, 2)
    engine = engine or open_engine()
    chosen = {
        "precision": "float32",
        "compiled": keras.backend.backend() == "jax",
        "rows_on_device": False,
        "prefetched": False,
    }
    made = Plan(devices=engine.devices, hosts=engine.hosts, **chosen | dict(plan))
    keras.utils.set_random_seed(given.seed)
    order = Order.of(len(training), given.batch_size, given.seed, engine.shares)
    run = Run(
        model=model or network(),
        recipe=given,
        training=training,
        validation=validation,
        classes=("left", "middle", "right"),
        steps_per_epoch=order.steps,
        backend=keras.backend.backend(),
        devices=tuple(device.name for device in engine.devices),
        hosts=engine.hosts,
        precision=made.precision,
        rows_on_device=made.rows_on_device,
    )
    return Loop(run, engine, made, order, checkpoints=checkpoints, observers=observers, stop=stop)


def kept(folder: Path, **fingerprint: Any) -> Checkpoints:
    """Checkpoints in `folder`; what they say goes nowhere."""
    return Checkpoints(folder, fingerprint, lambda _: None)


def weights(loop: Loop) -> bytes:
    """All bits of the network's weights."""
    return b"".join(np.asarray(w).tobytes() for w in loop.model.get_weights())
