"""What does watching cost a training run? With it and without, side by side in one process.

    python bench/watching.py [--rows 3200] [--epochs 25] [--preset default]

Three runs train the preset on the same rows of Fashion-MNIST, and take turns: each trains one
epoch, then waits until the others have trained theirs.

- plain: no gradients' norms are kept, no step is measured, nobody observes
- norms: the optimizer keeps the norm of each gradient
- watched: as a job is: norms, measured steps, dead units, event files for TensorBoard

Shown are the medians of an epoch's CPU seconds (all threads) and seconds without the first two
epochs, which trace the network; and each variant's least disturbed epoch by the plain run's, as
what else the machine does only ever adds. The samples of the machine, one a second, are timed by
themselves, as they go on while others train.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPO = Path(__file__).resolve().parents[1]
PYTHON = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"
VARIANTS = ("plain", "norms", "watched")
WARM_UP = 2  # epochs
BATCH = 64
VALIDATION = 256
LIMIT = 0.02

if TYPE_CHECKING:
    from pigeonhole_training.data.rows import Rows
    from pigeonhole_training.fitting.loop import Loop


class Turns:
    """Who trains; the others wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at = 0

    def wait_for(self, number: int) -> None:
        """Until it is this one's turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._at % len(VARIANTS) == number)

    def pass_on(self) -> None:
        """Ends the turn."""
        with self._changed:
            self._at += 1
            self._changed.notify_all()


class Clock:
    """An observer that is heard last: it notes what an epoch took, then lets the others train."""

    def __init__(self, turns: Turns, number: int) -> None:
        self._turns, self._number = turns, number
        self.spent: list[tuple[float, float]] = []  # CPU seconds and seconds of each epoch
        self._began = (0.0, 0.0)

    def started(self, run: Any) -> None:
        """The first epoch begins."""
        self._began = (time.process_time(), time.perf_counter())

    def stepped(self, times: Any) -> None:
        """Nothing."""

    def epoch_ended(self, epoch: Any) -> None:
        """Notes the epoch and waits for the next turn."""
        cpu, wall = self._began
        self.spent.append((time.process_time() - cpu, time.perf_counter() - wall))
        self._turns.pass_on()
        self._turns.wait_for(self._number)
        self._began = (time.process_time(), time.perf_counter())

    def ended(self) -> None:
        """Nothing."""


def loop_of(variant: str, preset_name: str, epochs: int, rows: Sequence[Rows], clock: Clock) -> Any:
    """A loop that has not begun, and what is to be closed after it."""
    import keras  # noqa: PLC0415
    from pigeonhole_training.data.version import Shape  # noqa: PLC0415
    from pigeonhole_training.fitting import loop as fitting  # noqa: PLC0415
    from pigeonhole_training.fitting.devices import make_plan  # noqa: PLC0415
    from pigeonhole_training.fitting.engines import open_engine  # noqa: PLC0415
    from pigeonhole_training.fitting.order import Order  # noqa: PLC0415
    from pigeonhole_training.models import preset_of  # noqa: PLC0415
    from pigeonhole_training.recipe import Asked, Situation  # noqa: PLC0415
    from pigeonhole_training.watching.job import JobWatch  # noqa: PLC0415
    from pigeonhole_training.watching.observer import Run  # noqa: PLC0415

    class Unmeasured(fitting.Loop):
        def _is_measured(self, done: int) -> bool:
            return False

    training, validation = rows
    keras.utils.set_random_seed(0)
    shape = Shape(28, 28, 1)
    preset = preset_of(preset_name)
    asked = Asked(epochs=epochs, batch_size=BATCH)
    recipe = preset.recipe(Situation(len(training), shape, 10), asked)
    engine = open_engine()
    backend = keras.backend.backend()
    plan = make_plan(
        engine.devices,
        hosts=1,
        backend=backend,
        pixel_bytes=training.pool.pixels.nbytes,
        on_disk=False,
    )
    order = Order.of(len(training), recipe.batch_size, 0, engine.shares)
    run = Run(
        model=preset.build(shape, 10, None),
        recipe=recipe,
        training=training,
        validation=validation,
        classes=tuple("0123456789"),
        steps_per_epoch=order.steps,
        backend=backend,
        devices=tuple(device.name for device in plan.devices),
        hosts=1,
        precision=plan.precision,
        rows_on_device=plan.rows_on_device,
    )
    watch = JobWatch(Path(tempfile.mkdtemp())) if variant == "watched" else None
    watchers = watch.observers if watch else ()
    kind = fitting.Loop if watch else Unmeasured
    return kind(run, engine, plan, order, observers=(*watchers, clock)), watch


def train(loop: Loop, number: int, turns: Turns) -> None:
    """Trains when it is its turn. The turn in which it begins decides its optimizer."""
    from pigeonhole_training.fitting import optimizer  # noqa: PLC0415

    turns.wait_for(number)
    keep = optimizer.watch
    if VARIANTS[number] == "plain":
        optimizer.watch = lambda plain: _restored(optimizer, keep, plain)
    loop.fit()
    turns.pass_on()


def _restored(module: Any, keep: Any, plain: Any) -> Any:
    module.watch = keep
    return plain


def seconds_a_sample() -> float:
    """CPU seconds that one look at the machine takes."""
    from pigeonhole_training.watching.resources import Gpus, Meter  # noqa: PLC0415

    meter = Meter(2, Gpus())
    begins = time.thread_time()
    for _ in range(100):
        meter.sample()
    return (time.thread_time() - begins) / 100


def main() -> int:
    """Prints the table; 1 when watching takes over two per cent of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3200)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--preset", default="default")
    flags = parser.parse_args()

    sys.path[:0] = [str(REPO), str(REPO / "training_job")]
    from train import choose_backend  # noqa: PLC0415

    choose_backend(os.environ)
    import numpy as np  # noqa: PLC0415
    from pigeonhole_training.data.rows import Pool  # noqa: PLC0415

    from cli.fashion_mnist import load_images  # noqa: PLC0415

    images = load_images("train", REPO / ".local" / "data" / "fashion-mnist")
    count = flags.rows + VALIDATION
    pixels = np.frombuffer(images.pixels, np.uint8).reshape(-1, 28, 28, 1)[:count]
    pool = Pool.of(pixels, np.frombuffer(images.labels, np.uint8)[:count].astype(np.int32))
    rows = (pool.rows(np.arange(flags.rows)), pool.rows(np.arange(flags.rows, count)))

    turns = Turns()
    clocks = [Clock(turns, number) for number in range(len(VARIANTS))]
    made = [
        loop_of(variant, flags.preset, flags.epochs, rows, clock)
        for variant, clock in zip(VARIANTS, clocks, strict=True)
    ]
    threads = [
        threading.Thread(target=train, args=(loop, number, turns))
        for number, (loop, _) in enumerate(made)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for _, watch in made:
        if watch:
            watch.close()

    plain = clocks[0].spent[WARM_UP:]
    print(f"{flags.preset}, {flags.rows:,} rows, batches of {BATCH}, {len(plain)} epochs compared")
    print(f"{'':8} {'CPU s':>8} {'s':>8} {'CPU / plain':>12} {'s / plain':>10}")
    extra = 0.0
    for variant, clock in zip(VARIANTS, clocks, strict=True):
        spent = clock.spent[WARM_UP:]
        ratio = [
            min(mine[i] for mine in spent) / min(theirs[i] for theirs in plain) for i in (0, 1)
        ]
        cpu, wall = (statistics.median(each[i] for each in spent) for i in (0, 1))
        print(f"{variant:8} {cpu:8.3f} {wall:8.3f} {ratio[0]:12.3f} {ratio[1]:10.3f}")
        extra = ratio[0] - 1
    sample = seconds_a_sample()
    print(f"a look at the machine, once a second: {1000 * sample:.2f} ms of CPU time")
    cores = os.cpu_count() or 1
    share = extra + sample / cores
    print(f"watching costs {share:.1%} of the run's CPU time (at most {LIMIT:.0%} are allowed)")
    return 0 if share <= LIMIT else 1


if __name__ == "__main__":
    if Path(sys.prefix) != PYTHON.parents[1]:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(main())
