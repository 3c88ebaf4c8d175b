"""How fast, and in how much memory, is a CSV checked before it is trained on?

    python bench/preflight.py [--rounds 3] [--csv FILE] [--gb 2]

Fashion-MNIST's 60,000 training rows as on Kaggle (133 MB), checked as the `work` function does it:
in plain Python with that function's own imports (boto3 too), in a fresh process, from the listing
to the finished report; in one go, and cut in four pieces that one process reads one after another,
which shows what cutting costs. `--gb 2` checks a file of so many GB too, the same rows again and
again.

The rivals, from requirements/bench.txt, answer a part of the questions: is every value a whole
number from 0 to 255, is every row as long as the others, how many rows has each label? They must
hold the whole file; they are native code on as many threads as they like, which a function of pure
Python may not have. The plain read and its SHA-256 are what nobody can do without.

Seconds are those after the imports, on the clock and of the processors (the least of the rounds);
memory is the peak of the process, imports and all. The file lies in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")
DATA = REPO / ".local" / "data"
BOUND = 256_000_000  # bytes, that a check may take

OURS = """
import hashlib, io
from datetime import datetime, timezone
from pathlib import Path
import boto3
from aws_lambda_powertools import Logger
from chalicelib import wiring
from chalicelib.aws.storage import OpenObject, Storage, StoredObject
from chalicelib.datasets.content import look
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from chalicelib.errors import ObjectNotFound


class Part(io.RawIOBase):
    "So many bytes of a file."
    def __init__(self, path, start, length):
        self.file, self.left = path.open("rb"), length
        self.file.seek(start)
    def read(self, size=-1):
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return self.file.read(size)
    def close(self):
        self.file.close()


class Folder(Storage):
    "One file as the dataset `bench`; what is written is held."
    def __init__(self, path):
        self.bucket, self.path, self.written = "bucket", path, {}
        now = datetime.now(timezone.utc)
        self.stored = StoredObject("datasets/bench/a.csv", "e", path.stat().st_size, now, "v1")
    def list(self, prefix):
        if self.stored.key.startswith(prefix):
            yield self.stored
        for key in sorted(self.written):
            if key.startswith(prefix):
                yield StoredObject(key, "e", len(self.written[key]), self.stored.last_modified)
    def open(self, key, version_id=None, if_etag=None):
        if key == self.stored.key:
            return OpenObject(self.stored, Part(self.path, 0, self.stored.size))
        if key not in self.written:
            raise ObjectNotFound(key)
        return OpenObject(self.stored, io.BytesIO(self.written[key]))
    def open_range(self, key, start, length, if_etag):
        return Part(self.path, start, self.stored.size if length is None else length)
    def put_bytes(self, key, body, content_type):
        self.written[key] = body


def check(path):
    storage = Folder(Path(path))
    piece = storage.stored.size // PIECES + 1 + (1 << 21)
    logger = Logger(service="bench", stream=io.StringIO())
    preflight = Preflight(
        storage, lambda: datetime.now(timezone.utc), logger, piece if PIECES > 1 else 10**15
    )
    version = look(storage, "bench").version
    preflight.run(Asked("bench", version, 1))
    folder = f"reports/bench/preflight/{version}/"
    planned = f"pieces/bench/{version}/1/pieces.json"
    count = storage.get_json(planned)["pieces"] if planned in storage.written else 0
    for number in range(count):
        preflight.run(Asked("bench", version, 1, piece=number))
    assert bool(count) == (PIECES > 1), count
    report = storage.get_json(folder + "report.json")
    assert report["ok"], report["summary"]
    return sorted((name, rows["train"]) for name, rows in report["class_rows"].items())
"""
# Each defines `check(path)`, which gives labels with how many rows they have.
READERS = {
    "ours": "PIECES = 1\n" + OURS,
    "ours, in 4 pieces": "PIECES = 4\n" + OURS,
    "pandas, dtype uint8": """
import pandas as pd, numpy as np
def check(path):
    frame = pd.read_csv(path, dtype=np.uint8, engine="c")
    counts = frame["label"].value_counts()
    return sorted((str(label), int(count)) for label, count in counts.items())
""",
    "polars, uint8 schema": """
import polars as pl
def check(path):
    with open(path) as file:
        names = file.readline().strip().split(",")
    frame = pl.read_csv(path, schema=dict.fromkeys(names, pl.UInt8))
    assert not sum(frame.null_count().row(0))
    return sorted((str(label), count) for label, count in frame["label"].value_counts().rows())
""",
    "csv module and int()": """
import csv
from collections import Counter
def check(path):
    counts = Counter()
    with open(path, newline="") as file:
        rows = csv.reader(file)
        width = len(next(rows))
        for row in rows:
            values = bytes(map(int, row))
            assert len(values) == width
            counts[row[0]] += 1
    return sorted(counts.items())
""",
    "the plain read and SHA-256": """
import hashlib
def check(path):
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256")
""",
}
PLAIN = "the plain read and SHA-256"
OWN = ("ours", "ours, in 4 pieces")

CHILD = """
import json, resource, sys, time
{reader}
start, cpu = time.perf_counter(), time.process_time()
found = check(sys.argv[1])
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps(dict(seconds=seconds, cpu=cpu, peak=peak, found=found)))
"""


@dataclass(frozen=True)
class Measured:
    """Seconds, processor seconds, bytes; `found`: rows of each label."""

    seconds: float
    cpu: float
    peak: int
    found: list[list[object]] | None


def measure(name: str, path: Path) -> Measured:
    """One reader in a fresh process."""
    ours = name in OWN or name in (PLAIN, "csv module and int()")
    python = Path(sys.executable) if ours else VENVS / "bench" / "bin" / "python"
    command = [str(python), "-c", CHILD.format(reader=READERS[name]), str(path)]
    done = subprocess.run(command, cwd=REPO, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


def table(path: Path, names: list[str], rounds: int) -> bool:
    """Print the table; true when ours keeps within the bound and agrees with the others."""
    measure(PLAIN, path)  # into the system's cache
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, measured in found.items():
            measured.append(measure(name, path))
    answers = {str(m[0].found) for name, m in found.items() if name != PLAIN}
    if len(answers) > 1:
        sys.exit(f"the readers do not agree: {answers}")
    seconds = {name: min(m.seconds for m in ms) for name, ms in found.items()}
    cpu = {name: min(m.cpu for m in ms) for name, ms in found.items()}
    peaks = {name: min(m.peak for m in ms) for name, ms in found.items()}
    size = path.stat().st_size
    print(f"\n{path.name}: {size / 1e6:,.0f} MB")
    print(
        f"{'':28s} {'seconds':>8s} {'x ours':>7s} {'CPU s':>7s} {'MB/CPU s':>9s} "
        f"{'peak MB':>8s} {'x ours':>7s}"
    )
    for name in sorted(seconds, key=lambda n: cpu[n]):
        print(
            f"{name:28s} {seconds[name]:8.2f} {seconds[name] / seconds['ours']:7.2f} "
            f"{cpu[name]:7.2f} {size / 1e6 / cpu[name]:9.0f} "
            f"{peaks[name] / 1e6:8.0f} {peaks[name] / peaks['ours']:7.1f}"
        )
    most = max(peaks[name] for name in OWN if name in peaks)
    kept = most <= BOUND
    print(f"within {BOUND / 1e6:.0f} MB: {'kept' if kept else 'LOST'} ({most / 1e6:.0f} MB)")
    return kept


def write_large(path: Path, source: Path, size: int) -> None:
    """The rows of `source` again and again, to `size` bytes."""
    with source.open("rb") as rows, path.open("wb") as out:
        out.write(rows.readline())
        body = rows.tell()
        while out.tell() < size:
            rows.seek(body)
            while (chunk := rows.read(1 << 24)) and out.tell() < size:
                out.write(chunk)
        if not chunk.endswith(b"\n"):
            out.write(rows.readline())


def main() -> None:
    """Find the files, then measure."""
    parser = argparse.ArgumentParser(description="Measure how CSVs are checked.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--csv", type=Path, help="in place of Fashion-MNIST's training rows")
    parser.add_argument("--gb", type=float, default=0, help="check a file of so many GB too")
    options = parser.parse_args()
    if not (VENVS / "bench" / "bin" / "python").exists():
        sys.exit(f"{VENVS / 'bench'} is missing: run `make bench`")
    # As a script this file's folder leads the path.
    sys.path[0] = str(REPO)
    from cli.fashion_mnist import DatasetUnavailable, full_csvs  # noqa: PLC0415

    path = options.csv
    if path is None:
        try:
            path, _ = full_csvs(DATA / "fashion-mnist")
        except DatasetUnavailable as error:
            sys.exit(str(error))
    kept = [table(path, list(READERS), options.rounds)]
    if options.gb:
        large = DATA / "bench" / f"{options.gb:g}-GB.csv"
        large.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_large(large, path, int(options.gb * 1e9))
            kept.append(table(large, [*OWN, PLAIN], 1))
        finally:
            large.unlink(missing_ok=True)
    sys.exit(0 if all(kept) else "the check has lost its bound")


if __name__ == "__main__":
    main()
