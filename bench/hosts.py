"""How much faster do two hosts train than one?

    python bench/hosts.py [--preset cnn-32-64-128] [--rows 6000] [--epochs 4] [--batch 256]

Each "host" is a process with one thread to compute with, held to one core of this machine, and they
speak over the loopback interface: so this shows what dividing a batch gains and what summing the
gradients costs, with a network that is faster than any between two machines. One host, two hosts
and one again train on the same rows of noise in the same batches.

Printed for each: seconds of an epoch, and CPU seconds of an epoch on the first host, which tell
more on a machine that does other things too; the median, the first epoch, which is compiled, left
out. The speed-up is one host's over two hosts'.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
PYTHON = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"


class Clock:
    """An observer that notes each epoch's seconds and CPU seconds of this process."""

    def __init__(self) -> None:
        self.epochs: list[tuple[float, float]] = []
        self._since = (0.0, 0.0)

    def started(self, _run: Any) -> None:
        self._since = (time.perf_counter(), time.process_time())

    def stepped(self, _times: Any) -> None:
        pass

    def epoch_ended(self, _epoch: Any) -> None:
        now = (time.perf_counter(), time.process_time())
        self.epochs.append((now[0] - self._since[0], now[1] - self._since[1]))
        self._since = now

    def ended(self) -> None:
        pass


def main() -> None:
    """Starts the hosts, as itself with --host."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="cnn-32-64-128")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--host", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--hosts", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.host is not None:
        print(json.dumps(train_as_host(given)))
        return
    medians = [trained_by(hosts, sys.argv[1:]) for hosts in (1, 2, 1)]
    for hosts, (seconds, cpu) in zip((1, 2, 1), medians, strict=True):
        print(f"{hosts} host{'s' if hosts > 1 else ' '}: {seconds:6.2f} s, {cpu:6.2f} CPU s")
    one = [statistics.mean([medians[0][i], medians[2][i]]) for i in (0, 1)]
    print(
        f"two hosts are {one[0] / medians[1][0]:.2f} times as fast by the clock, "
        f"{one[1] / medians[1][1]:.2f} times by CPU seconds"
    )


def trained_by(hosts: int, arguments: list[str]) -> tuple[float, float]:
    """Seconds and CPU seconds of an epoch."""
    workers = [f"127.0.0.1:{_free_port()}" for _ in range(hosts)]
    processes = []
    for host in range(hosts):
        environment = dict(os.environ)
        if hosts > 1:
            task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": host}}
            environment["TF_CONFIG"] = json.dumps(task)
        command = [str(PYTHON), __file__, *arguments, f"--host={host}", f"--hosts={hosts}"]
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    epochs = [json.loads(process.communicate()[0]) for process in processes]
    seconds = statistics.median(epoch[0] for epoch in epochs[0][1:])
    return seconds, statistics.median(epoch[1] for epoch in epochs[0][1:])


def train_as_host(given: argparse.Namespace) -> list[tuple[float, float]]:
    """Trains, and returns what the first host's clock said."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[given.host]})
    sys.path[:0] = [str(REPO / "training_job")]
    from train import choose_backend  # noqa: PLC0415

    choose_backend(os.environ)
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415
    from pigeonhole_training.data.rows import Pool  # noqa: PLC0415
    from pigeonhole_training.data.version import Shape  # noqa: PLC0415
    from pigeonhole_training.fitting.devices import make_plan  # noqa: PLC0415
    from pigeonhole_training.fitting.engines import open_engine  # noqa: PLC0415
    from pigeonhole_training.fitting.loop import Loop  # noqa: PLC0415
    from pigeonhole_training.fitting.order import Order  # noqa: PLC0415
    from pigeonhole_training.models import preset_of  # noqa: PLC0415
    from pigeonhole_training.recipe import Asked, Situation  # noqa: PLC0415
    from pigeonhole_training.watching.observer import Run  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(1)
    engine = open_engine(given.hosts, given.host)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (given.rows + 16, 28, 28, 1), dtype=np.uint8)
    labels = rng.integers(0, 10, len(pixels)).astype(np.int32)
    pool = Pool(pixels, labels, np.zeros(len(labels), np.uint64))
    training = pool.rows(np.arange(given.rows))
    preset, shape = preset_of(given.preset), Shape(28, 28, 1)
    recipe = preset.recipe(
        Situation(60_000, shape, 10), Asked(epochs=given.epochs, batch_size=given.batch)
    )
    order = Order.of(given.rows, given.batch, 0, engine.shares)
    plan = make_plan(
        engine.devices, hosts=given.hosts, backend="tensorflow", pixel_bytes=0, on_disk=False
    )
    run = Run(
        model=preset.build(shape, 10, None),
        recipe=recipe,
        training=training,
        validation=pool.rows(np.arange(given.rows, given.rows + 16)),
        classes=tuple("abcdefghij"),
        steps_per_epoch=order.steps,
        backend="tensorflow",
        devices=("cpu:0",),
        hosts=given.hosts,
        precision="float32",
        rows_on_device=False,
    )
    clock = Clock()
    with contextlib.redirect_stdout(io.StringIO()):
        Loop(run, engine, plan, order, observers=[clock]).fit()
    return clock.epochs


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
