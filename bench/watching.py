"""What does watching cost a training run? With it and without, in one process, in turns.

    python bench/watching.py [--rows 12800] [--rounds 5] [--preset default]

Each round trains the preset three times on the same rows of Fashion-MNIST, in an order that turns:

- plain: no gradients' norms are kept, no step is measured, nobody observes
- norms: the optimizer keeps the norm of each gradient
- watched: as a job is: norms, measured steps, the machine sampled once a second, dead units,
  event files for TensorBoard

Compared are the CPU seconds (all threads) and the seconds of each run's epochs but the first, in
which the network is traced: the median over the rounds of the ratio to the round's own plain run,
so that what else the machine does strikes all three. A busy machine makes seconds worthless, and
CPU seconds less sure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPO = Path(__file__).resolve().parents[1]
PYTHON = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"
VARIANTS = ("plain", "norms", "watched")
EPOCHS = 4
LIMIT = 1.02

if TYPE_CHECKING:
    from pigeonhole_training.data.rows import Rows


class Clock:
    """Notes CPU seconds and seconds at the end of each epoch."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def started(self, run: Any) -> None:
        """Nothing."""

    def stepped(self, times: Any) -> None:
        """Nothing."""

    def epoch_ended(self, epoch: Any) -> None:
        """Notes the times."""
        self.marks.append((time.process_time(), time.perf_counter()))

    def ended(self) -> None:
        """Nothing."""

    @property
    def spent(self) -> tuple[float, float]:
        """CPU seconds and seconds of all epochs but the first."""
        (cpu, wall), (cpu_end, wall_end) = self.marks[0], self.marks[-1]
        return cpu_end - cpu, wall_end - wall


def train(variant: str, preset_name: str, rows: Rows, validation: Rows) -> tuple[float, float]:
    """CPU seconds and seconds."""
    import keras  # noqa: PLC0415
    from pigeonhole_training.data.version import Shape  # noqa: PLC0415
    from pigeonhole_training.fitting import optimizer  # noqa: PLC0415
    from pigeonhole_training.fitting.devices import make_plan  # noqa: PLC0415
    from pigeonhole_training.fitting.engines import open_engine  # noqa: PLC0415
    from pigeonhole_training.fitting.loop import Loop  # noqa: PLC0415
    from pigeonhole_training.fitting.order import Order  # noqa: PLC0415
    from pigeonhole_training.models import preset_of  # noqa: PLC0415
    from pigeonhole_training.recipe import Asked, Situation  # noqa: PLC0415
    from pigeonhole_training.watching.job import JobWatch  # noqa: PLC0415
    from pigeonhole_training.watching.observer import Run  # noqa: PLC0415

    class Unmeasured(Loop):
        def _is_measured(self, done: int) -> bool:
            return False

    keras.utils.set_random_seed(0)
    shape = Shape(28, 28, 1)
    preset = preset_of(preset_name)
    recipe = preset.recipe(Situation(len(rows), shape, 10), Asked(epochs=EPOCHS, batch_size=64))
    engine = open_engine()
    backend = keras.backend.backend()
    plan = make_plan(
        engine.devices,
        hosts=1,
        backend=backend,
        pixel_bytes=rows.pool.pixels.nbytes,
        on_disk=False,
    )
    order = Order.of(len(rows), recipe.batch_size, 0, engine.shares)
    run = Run(
        model=preset.build(shape, 10, None),
        recipe=recipe,
        training=rows,
        validation=validation,
        classes=tuple("0123456789"),
        steps_per_epoch=order.steps,
        backend=backend,
        devices=tuple(device.name for device in plan.devices),
        hosts=1,
        precision=plan.precision,
        rows_on_device=plan.rows_on_device,
    )
    clock = Clock()
    with ExitStack() as over:
        watchers: tuple[Any, ...] = ()
        if variant == "watched":
            folder = over.enter_context(tempfile.TemporaryDirectory())
            watch = JobWatch(Path(folder))
            over.callback(watch.close)
            watchers = watch.observers
        keep = optimizer.watch
        try:
            if variant == "plain":
                optimizer.watch = lambda plain: plain
            kind = Loop if variant == "watched" else Unmeasured
            kind(run, engine, plan, order, observers=(*watchers, clock)).fit()
        finally:
            optimizer.watch = keep
    return clock.spent


def main() -> int:
    """Prints the table; 1 when watching takes over two per cent of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="default")
    flags = parser.parse_args()

    sys.path[:0] = [str(REPO), str(REPO / "training_job")]
    from train import choose_backend  # noqa: PLC0415

    choose_backend(os.environ)
    import numpy as np  # noqa: PLC0415
    from pigeonhole_training.data.rows import Pool  # noqa: PLC0415

    from cli.fashion_mnist import load_images  # noqa: PLC0415

    images = load_images("train", REPO / ".local" / "data" / "fashion-mnist")
    pixels = np.frombuffer(images.pixels, np.uint8).reshape(-1, 28, 28, 1)
    labels = np.frombuffer(images.labels, np.uint8).astype(np.int32)
    pool = Pool.of(pixels[: flags.rows + 1000], labels[: flags.rows + 1000])
    rows = pool.rows(np.arange(flags.rows))
    validation = pool.rows(np.arange(flags.rows, flags.rows + 1000))

    spent: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
    for number in range(flags.rounds):
        turn = number % len(VARIANTS)
        for variant in VARIANTS[turn:] + VARIANTS[:turn]:
            spent[variant].append(train(variant, flags.preset, rows, validation))
            cpu, wall = spent[variant][-1]
            print(f"round {number + 1} {variant:8} {cpu:7.2f} CPU s {wall:7.2f} s", flush=True)

    print(f"\n{flags.preset}, {flags.rows:,} rows, {EPOCHS - 1} epochs, {flags.rounds} rounds")
    print(f"{'':8} {'CPU s':>8} {'s':>8} {'CPU / plain':>12} {'s / plain':>10}")
    ratios = {}
    for variant in VARIANTS:
        cpu, wall = (statistics.median(s[i] for s in spent[variant]) for i in (0, 1))
        by_round = [
            statistics.median(
                mine[i] / plain[i]
                for mine, plain in zip(spent[variant], spent["plain"], strict=True)
            )
            for i in (0, 1)
        ]
        ratios[variant] = by_round[0]
        print(f"{variant:8} {cpu:8.2f} {wall:8.2f} {by_round[0]:12.3f} {by_round[1]:10.3f}")
    return 0 if ratios["watched"] <= LIMIT else 1


if __name__ == "__main__":
    if Path(sys.prefix) != PYTHON.parents[1]:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(main())
