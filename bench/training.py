"""How fast and how well do the presets train, side by side, on this machine?

    python bench/training.py [--preset default --preset cnn-32-64-128:8 …] [--epochs N]
                             [--rows 60000] [--threads 2] [--seed 0] [--follow]

Each preset is trained by the training job itself, one after the other: a process that reads
Fashion-MNIST as CSV, trains on nine tenths of its 60,000 training images, chooses by the other
tenth, is judged on the 10,000 test images and exported. A preset may have its own number of epochs:
`--preset default:20`. The first preset is what the others are compared with. Printed for each:

- test accuracy, after the last or best epoch, as the preset's recipe has it
- seconds of training (the sum of its epochs, validation included, start and export not)
- CPU seconds of that training, all threads: what a busy machine does not change much
- seconds of the whole job, from the start of the process

and at the end, for each preset but the first, how many times longer it trained.

`--rows 6000` is a quick look: fewer training images, the same test images.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from cli.fashion_mnist import CLASSES, full_csvs  # noqa: E402

PYTHON = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs") / "training" / "bin" / "python"
PRESETS = ["default", "cnn-32-64-128:8"]
ALL_ROWS = 60_000
EPOCH_SECONDS = re.compile(r"^epoch=.* seconds=([0-9.]+);", re.MULTILINE)
ACCURACY = re.compile(r"^heldout_accuracy=([0-9.]+);", re.MULTILINE)


@dataclass(frozen=True)
class Trained:
    """What a job came to; times in seconds."""

    preset: str
    epochs: int
    accuracy: float
    training: float
    cpu: float
    whole: float


def first_rows(source: Path, target: Path, rows: int) -> None:
    """The header and the first `rows` rows of a CSV."""
    with source.open(encoding="ascii") as lines, target.open("w", encoding="ascii") as out:
        for _, line in zip(range(rows + 1), lines, strict=False):
            out.write(line)


def write_channels(folder: Path, rows: int) -> None:
    """The channels `train` and `version` of a job, as the preflight check writes them."""
    train, version = folder / "train", folder / "version"
    train.mkdir()
    version.mkdir()
    files = []
    sources = full_csvs(REPO / ".local" / "data" / "fashion-mnist", None)
    for source, role in zip(sources, ("train", "test"), strict=True):
        path = train / source.name
        if role == "train" and rows < ALL_ROWS:
            first_rows(source, path, rows)
        else:
            path.symlink_to(source.resolve())
        content = path.read_bytes()
        files.append(
            {
                "key": f"datasets/fashion-mnist/{path.name}",
                "path": path.name,
                "version_id": None,
                "etag": "",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "role": role,
                "header": True,
                "rows": content.count(b"\n") - 1,
            }
        )
    document = {
        "format": 1,
        "dataset": "fashion-mnist",
        "version": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
        "bucket": "bench",
        "prefix": "datasets/fashion-mnist/",
        "files": files,
        "shape": {"height": 28, "width": 28, "channels": 1},
        "classes": list(CLASSES),
        "labels": [str(i) for i in range(len(CLASSES))],
    }
    (version / "version.json").write_text(json.dumps(document), encoding="utf-8")


def train(
    preset: str, epochs: int | None, channels: Path, arguments: argparse.Namespace
) -> Trained:
    """One job as a process of its own. Exits when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "SAGEMAKER_BASE_DIR": folder,
            "SM_CHANNEL_TRAIN": str(channels / "train"),
            "SM_CHANNEL_VERSION": str(channels / "version"),
            "OMP_NUM_THREADS": str(arguments.threads),
            "TF_NUM_INTRAOP_THREADS": str(arguments.threads),
        }
        flags = ["--preset", preset, "--seed", str(arguments.seed)]
        if epochs is not None:
            flags += ["--epochs", str(epochs)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(PYTHON), str(REPO / "training_job" / "train.py"), *flags],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines, cpu = [], [0.0]
        for line in process.stdout:
            lines.append(line)
            if arguments.follow:
                print(line, end="", file=sys.stderr, flush=True)
            if line.startswith(("Training ", "epoch=")):
                times = psutil.Process(process.pid).cpu_times()
                cpu.append(times.user + times.system)
        status = process.wait()
        whole = time.perf_counter() - start
    out = "".join(lines)
    seconds = [float(s) for s in EPOCH_SECONDS.findall(out)]
    accuracy = ACCURACY.search(out)
    if status or accuracy is None:
        sys.exit(f"{preset} failed:\n{out[-2000:]}")
    return Trained(
        preset=preset,
        epochs=len(seconds),
        accuracy=float(accuracy[1]),
        training=sum(seconds),
        cpu=cpu[-1] - cpu[1],
        whole=whole,
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", action="append", help="NAME or NAME:EPOCHS, several times")
    parser.add_argument("--epochs", type=int, help="of each preset that names none")
    parser.add_argument("--rows", type=int, default=ALL_ROWS, help="training images")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--follow", action="store_true", help="print the jobs' lines to stderr")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Trains each preset and prints its line."""
    flags = parse(arguments)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        write_channels(Path(folder), flags.rows)
        print(f"{flags.rows:,} training images, {flags.threads} threads, seed {flags.seed}")
        print(f"{'preset':<20}{'epochs':>7}{'accuracy':>10}{'training':>11}{'CPU':>10}{'job':>10}")
        for wanted in flags.preset or PRESETS:
            name, _, epochs = wanted.partition(":")
            done = train(name, int(epochs) if epochs else flags.epochs, Path(folder), flags)
            results.append(done)
            print(
                f"{done.preset:<20}{done.epochs:>7}{done.accuracy:>10.2%}{done.training:>9.1f} s"
                f"{done.cpu:>8.0f} s{done.whole:>8.0f} s",
                flush=True,
            )
    first = results[0]
    for other in results[1:]:
        print(
            f"{other.preset} trained {other.training / first.training:.1f} times as long as "
            f"{first.preset} and is {100 * (other.accuracy - first.accuracy):+.2f} points off it"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
