"""Is our training loop as fast as Keras' own `fit`, in turns on the same rows?

    python bench/fitting.py [--preset default --preset cnn-32-64-128] [--rows 6000] [--epochs 6]

For each preset, two of our runs train, one that gathers every batch in memory (what a CPU gets) and
one whose steps pick their rows from a copy on the device (what a GPU gets). After each of their
epochs a second network of the same kind trains one epoch by `model.fit` on the same arrays, in
batches of the same size with the same optimizer. Compared are CPU seconds (all threads) and seconds
of an epoch with its validation: the median, the first epoch, which is compiled, left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
PYTHON = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"
VALIDATION = 512


@dataclass
class InTurns:
    """An observer that trains the rival for an epoch after each of ours."""

    rival: Any
    ours: list[tuple[float, float]] = field(default_factory=list)
    theirs: list[tuple[float, float]] = field(default_factory=list)
    _since: tuple[float, float] = (0.0, 0.0)

    def started(self, _run: Any) -> None:
        self._since = _clocks()

    def stepped(self, _times: Any) -> None:
        pass

    def epoch_ended(self, _epoch: Any) -> None:
        self.ours.append(_gone(self._since))
        since = _clocks()
        self.rival()
        self.theirs.append(_gone(since))
        self._since = _clocks()

    def ended(self) -> None:
        pass


def main() -> None:
    """Runs itself anew in the training environment, where TensorFlow is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", action="append")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args()
    if Path(sys.executable).parent != PYTHON.parent:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.path[:0] = [str(REPO / "training_job"), str(REPO)]
    from train import choose_backend  # noqa: PLC0415

    choose_backend(os.environ)
    print(f"{'preset':16} {'rows lie':10} {'ours: CPU s':>12} {'s':>6} {'fit: CPU s':>12} {'s':>6}")
    for preset in given.preset or ["default", "cnn-32-64-128"]:
        for on_device in (False, True):
            turns = compare(preset, given.rows, given.epochs, on_device)
            ours, theirs = (
                [statistics.median(column) for column in zip(*side[1:], strict=True)]
                for side in (turns.ours, turns.theirs)
            )
            place = "on device" if on_device else "in memory"
            print(
                f"{preset:16} {place:10} {ours[0]:12.2f} {ours[1]:6.2f} "
                f"{theirs[0]:12.2f} {theirs[1]:6.2f}   ours takes {ours[0] / theirs[0]:.2f} of its "
                f"CPU time",
                flush=True,
            )


def compare(preset_name: str, count: int, epochs: int, on_device: bool) -> InTurns:
    """Trains both in turns."""
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from pigeonhole_training.data.rows import Pool  # noqa: PLC0415
    from pigeonhole_training.data.version import Shape  # noqa: PLC0415
    from pigeonhole_training.fitting.devices import Plan  # noqa: PLC0415
    from pigeonhole_training.fitting.engines import open_engine  # noqa: PLC0415
    from pigeonhole_training.fitting.loop import Loop  # noqa: PLC0415
    from pigeonhole_training.fitting.optimizer import make_optimizer  # noqa: PLC0415
    from pigeonhole_training.fitting.order import Order  # noqa: PLC0415
    from pigeonhole_training.models import preset_of  # noqa: PLC0415
    from pigeonhole_training.recipe import Asked, Situation  # noqa: PLC0415
    from pigeonhole_training.watching.observer import Run  # noqa: PLC0415

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count + VALIDATION, 28, 28, 1), dtype=np.uint8)
    labels = rng.integers(0, 10, count + VALIDATION).astype(np.int32)
    pool = Pool(pixels, labels, np.zeros(len(labels), np.uint64))
    training = pool.rows(np.arange(count))
    validation = pool.rows(np.arange(count, count + VALIDATION))
    shape, preset = Shape(28, 28, 1), preset_of(preset_name)
    recipe = preset.recipe(Situation(60_000, shape, 10), Asked(epochs=epochs))
    engine = open_engine()
    keras.utils.set_random_seed(0)
    order = Order.of(count, recipe.batch_size, 0)

    other = preset.build(shape, 10, None)
    steps = order.steps * epochs
    other.compile(
        make_optimizer(recipe, recipe.phases[0], steps, other, scale_loss=False),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )

    def fit() -> None:
        other.fit(
            training.take(slice(None)),
            training.labels,
            batch_size=recipe.batch_size,
            epochs=1,
            validation_data=(validation.take(slice(None)), validation.labels),
            validation_batch_size=VALIDATION,
            verbose=0,
        )

    run = Run(
        model=preset.build(shape, 10, None),
        recipe=recipe,
        training=training,
        validation=validation,
        classes=tuple("abcdefghij"),
        steps_per_epoch=order.steps,
        backend=keras.backend.backend(),
        devices=("cpu:0",),
        hosts=1,
        precision="float32",
        rows_on_device=on_device,
    )
    plan = Plan(
        engine.devices, 1, "float32", compiled=False, rows_on_device=on_device, prefetched=False
    )
    turns = InTurns(fit)
    with contextlib.redirect_stdout(io.StringIO()):
        Loop(run, engine, plan, order, observers=[turns]).fit()
    return turns


def _clocks() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _gone(since: tuple[float, float]) -> tuple[float, float]:
    now = _clocks()
    return now[0] - since[0], now[1] - since[1]


if __name__ == "__main__":
    main()
