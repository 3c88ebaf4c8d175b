"""Small runs that are really trained, and watched as a job's are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.recipe import Phase, Recipe
from pigeonhole_training.watching.observer import Epoch, Observer, Run, StepTimes
from pigeonhole_training.watching.profile import Machine, Profile
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.watching.gradients import norms, watch  # noqa: E402
from pigeonhole_training.watching.watch import Watch  # noqa: E402

CLASSES = ("circle", "cross", "bar")


def some_rows(count: int, seed: int = 0, *, random_labels: bool = False) -> Rows:
    """Images 8x8 with a bright row, column or diagonal in noise: easily learnt, unless the labels
    have nothing to do with them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), count).astype(np.int32)
    pixels = rng.integers(0, 90, (count, 8, 8, 1), dtype=np.uint8)
    for image, label, at in zip(pixels, labels, rng.integers(1, 7, count), strict=True):
        line = [image[at], image[:, at], image[range(8), range(8)]][label]
        line[...] = 220
        if label == 2:
            image[range(8), range(8)] = 220
    if random_labels:
        labels = rng.permutation(labels)
    return Pool.of(pixels, labels).rows()


def network(*layers: keras.Layer) -> keras.Model:
    """`layers` between pixels and probabilities. Layers draw their seeds as they are made: set
    Keras' seed before that."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Rescaling(1 / 255),
            *layers,
            keras.layers.Dense(len(CLASSES), activation="softmax", name="probabilities"),
        ]
    )


def healthy_network() -> keras.Model:
    """Convolution, normalisation and ReLU, as the presets have them."""
    keras.utils.set_random_seed(0)
    return network(
        keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(name="first"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu", name="second"),
    )


@dataclass
class Training:
    """How to train; the defaults are a healthy run."""

    training: Rows = field(default_factory=lambda: some_rows(640))
    validation: Rows = field(default_factory=lambda: some_rows(200, seed=1))
    epochs: int = 3
    batch_size: int = 32
    optimizer: keras.optimizers.Optimizer = field(
        default_factory=lambda: keras.optimizers.Adam(5e-3)
    )
    reading: float = 0.0  # seconds that a batch takes more
    classes: Sequence[str] = CLASSES
    eager: bool = False  # quicker for a few steps of a deep network than to trace it


def run_of(model: keras.Model, how: Training) -> Run:
    """What observers hear when `model` is about to be trained so."""
    return Run(
        model=model,
        recipe=Recipe("test", (Phase(how.epochs, 1e-3),), how.batch_size),
        training=how.training,
        validation=how.validation,
        classes=tuple(how.classes),
        steps_per_epoch=len(how.training) // how.batch_size,
        backend=keras.backend.backend(),
        devices=("cpu:0",),
        hosts=1,
        precision="float32",
        rows_on_device=False,
    )


def train_watched(
    model: keras.Model,
    how: Training,
    *others: Observer,
    tell: Callable[[str], None] = lambda _: None,
) -> Profile:
    """Trains `model`, measuring every step, and gives what a Watch made of it."""
    watching = Watch(machine=Machine(cpus=2, memory=1 << 40), interval=0.05, tell=tell)
    observers = (watching, *others)
    model.compile(
        watch(how.optimizer),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=how.eager,
    )
    steps = len(how.training) // how.batch_size
    run = run_of(model, how)
    for observer in observers:
        observer.started(run)
    rng = np.random.default_rng(0)
    step = 0
    try:
        for epoch in range(1, how.epochs + 1):
            begins = time.perf_counter()
            order = rng.permutation(len(how.training))[: steps * how.batch_size]
            model.reset_metrics()
            for batch in order.reshape(steps, -1):
                step += 1
                times = _one_step(model, how, batch, step)
                for observer in observers:
                    observer.stepped(times)
            trained = model.get_metrics_result()
            judged = model.evaluate(
                how.validation.take(slice(None)),
                how.validation.labels,
                batch_size=200,
                verbose=0,
                return_dict=True,
            )
            done = Epoch(
                epoch,
                float(trained["loss"]),
                float(trained["accuracy"]),
                judged["loss"],
                judged["accuracy"],
                1e-3,
                time.perf_counter() - begins,
            )
            for observer in observers:
                observer.epoch_ended(done)
        for observer in observers:
            observer.ended()
    finally:
        watching.close()
    profile = watching.profile()
    assert profile is not None
    return profile


def _one_step(model: keras.Model, how: Training, batch: NDArray[np.int64], step: int) -> StepTimes:
    start = time.perf_counter()
    pixels, labels = how.training.take(batch), how.training.labels[batch]
    if how.reading:
        time.sleep(how.reading)
    read = time.perf_counter()
    images = keras.ops.convert_to_tensor(pixels.astype(np.float32))
    copied = time.perf_counter()
    loss = float(model.train_on_batch(images, labels)[0])
    return StepTimes(
        step=step,
        rows=len(batch),
        reading=read - start,
        copying=copied - read,
        computing=time.perf_counter() - copied,
        loss=loss,
        gradients=norms(model.optimizer),
    )
