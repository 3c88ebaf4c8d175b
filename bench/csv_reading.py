"""How fast, and in how much memory, does the training job read a CSV of images, against others?

    python bench/csv_reading.py [--rounds 3] [--csv FILE]

Two files: Fashion-MNIST's 60,000 training rows as on Kaggle (133 MB, 28 x 28 grey), and 2,000 rows
of 64 x 64 RGB (88 MB: few rows, many columns). Every reader starts in a fresh process and ends with
the same: pixels as a C-contiguous uint8 array, a row an image, and the labels. Ours also digests
every image and notes where each row came from. Measured are the seconds after the imports, on the
clock and of the processors (the least of the rounds, in which the readers take turns: what else the
machine does only adds), and the process' peak of resident memory. The file lies in the system's
cache, as the plain read shows.

The rivals come from requirements/bench.txt, in `.venvs/bench`; `make bench` makes it. FILE replaces
the first file: rows of a label and 784 values, with a header.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")
DATA = REPO / ".local" / "data"

# Each defines `read(path, values)`, which returns pixels and labels, for the program below.
READERS = {
    "ours": """
from pathlib import Path
from pigeonhole_training.data.csv_rows import read_rows
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
def read(path, values):
    path, labels = Path(path), tuple(str(n) for n in range(10))
    shape = Shape(28, 28, 1) if values == 784 else Shape(64, 64, 3)
    file = SourceFile(path.name, path.stat().st_size, None, "train", header=True, rows=ROWS)
    pool = read_rows([file], path.parent, DatasetVersion("b", "v", (file,), shape, labels, labels))
    return pool.pixels.reshape(-1, values), pool.labels
""",
    "polars, uint8 schema": """
import polars as pl
def read(path, values):
    schema = {"label": pl.UInt8} | {f"p{i}": pl.UInt8 for i in range(values)}
    frame = pl.read_csv(path, has_header=False, skip_lines=1, schema=schema)
    return frame.drop("label").to_numpy(order="c"), frame["label"].to_numpy()
""",
    "pandas, dtype uint8": """
import pandas as pd
def read(path, values):
    frame = pd.read_csv(path, dtype=np.uint8)
    labels = frame.pop("label").to_numpy()
    return np.ascontiguousarray(frame.to_numpy()), labels
""",
    "pandas, engine pyarrow": """
import pandas as pd, pyarrow.csv
def read(path, values):
    frame = pd.read_csv(path, dtype=np.uint8, engine="pyarrow")
    labels = frame.pop("label").to_numpy()
    return np.ascontiguousarray(frame.to_numpy()), labels
""",
    "pyarrow, uint8 columns": """
import pyarrow as pa, pyarrow.csv
def read(path, values):
    with open(path) as file:
        names = file.readline().strip().split(",")
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.uint8()))
    # a block must hold a whole line
    blocks = pyarrow.csv.ReadOptions(block_size=1 << 23)
    table = pyarrow.csv.read_csv(path, read_options=blocks, convert_options=options)
    columns = [column.to_numpy() for column in table.columns[1:]]
    return np.ascontiguousarray(np.stack(columns, axis=1)), table.columns[0].to_numpy()
""",
    "numpy.loadtxt": """
def read(path, values):
    rows = np.loadtxt(path, np.uint8, delimiter=",", skiprows=1)
    return np.ascontiguousarray(rows[:, 1:]), rows[:, 0]
""",
    "the plain read (bytes alone)": """
def read(path, values):
    with open(path, "rb") as file:
        return file.read(), None
""",
}
PLAIN = "the plain read (bytes alone)"

CHILD = """
import json, resource, sys, time
import numpy as np
path, values, ROWS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
{reader}
start, cpu = time.perf_counter(), time.process_time()
pixels, labels = read(path, values)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
check = None
if labels is not None:
    assert pixels.shape == (ROWS, values) and pixels.dtype == np.uint8, (pixels.shape, pixels.dtype)
    assert pixels.flags.c_contiguous
    sums = pixels.sum(dtype=np.int64), pixels[:, 1::7].sum(dtype=np.int64), labels.sum()
    check = list(map(int, sums))
print(json.dumps(dict(seconds=seconds, cpu=cpu, peak=peak, check=check)))
"""


@dataclass(frozen=True)
class Measured:
    """Seconds, processor seconds, bytes; `check` sums what was read."""

    seconds: float
    cpu: float
    peak: int
    check: list[int] | None


def measure(name: str, path: Path, values: int, rows: int) -> Measured:
    """One reader in a fresh process."""
    python = VENVS / ("training" if name == "ours" else "bench") / "bin" / "python"
    program = CHILD.format(reader=READERS[name])
    command = [str(python), "-c", program, str(path), str(values), str(rows)]
    done = subprocess.run(
        command, cwd=REPO / "training_job", check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


def compare(path: Path, values: int, rows: int, rounds: int) -> bool:
    """Print the table; true when ours is the fastest of those that parse."""
    measure(PLAIN, path, values, rows)  # into the system's cache
    found: dict[str, list[Measured]] = {name: [] for name in READERS}
    for _ in range(rounds):
        for name, measured in found.items():
            measured.append(measure(name, path, values, rows))
    checks = {str(m[0].check) for name, m in found.items() if name != PLAIN}
    if len(checks) > 1:
        sys.exit(f"the readers do not agree: {checks}")
    seconds = {name: min(m.seconds for m in ms) for name, ms in found.items()}
    cpu = {name: min(m.cpu for m in ms) for name, ms in found.items()}
    peaks = {name: min(m.peak for m in ms) for name, ms in found.items()}
    size = path.stat().st_size
    print(f"\n{path.name}: {size / 1e6:.0f} MB, {rows:,} rows of {values:,} values")
    print(
        f"{'':30s} {'seconds':>8s} {'x ours':>7s} {'CPU s':>6s} {'x ours':>7s} "
        f"{'peak MB':>8s} {'x ours':>7s}"
    )
    for name in sorted(seconds, key=lambda n: seconds[n]):
        print(
            f"{name:30s} {seconds[name]:8.2f} {seconds[name] / seconds['ours']:7.1f} "
            f"{cpu[name]:6.2f} {cpu[name] / cpu['ours']:7.1f} "
            f"{peaks[name] / 1e6:8.0f} {peaks[name] / peaks['ours']:7.1f}"
        )
    rivals = [n for n in READERS if n not in ("ours", PLAIN)]
    lead = min(seconds[n] for n in rivals) / seconds["ours"]
    least = min(peaks[n] for n in rivals) / peaks["ours"]
    print(
        f"lead over the next: {lead:.1f} x in time, {least:.1f} x in memory, "
        f"{'kept' if lead > 1 else 'LOST'}"
    )
    return lead > 1


def write_wide(path: Path, values: int, rows: int) -> None:
    """Rows of noise, the same every time."""
    noise = random.Random(0)
    texts = [str(n) for n in range(256)]
    with path.open("w") as out:
        out.write(",".join(["label", *(f"pixel{i + 1}" for i in range(values))]) + "\n")
        for row in range(rows):
            pixels = ",".join(map(texts.__getitem__, noise.randbytes(values)))
            out.write(f"{row % 10},{pixels}\n")


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description="Measure how CSVs are read.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--csv", type=Path, help="in place of Fashion-MNIST's training rows")
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
    with path.open("rb") as file:
        rows = sum(1 for _ in file) - 1
    wide = DATA / "bench" / "64x64x3.csv"
    wide.parent.mkdir(parents=True, exist_ok=True)
    if not wide.exists():
        write_wide(wide, 64 * 64 * 3, 2000)
    kept = [
        compare(path, 28 * 28, rows, options.rounds),
        compare(wide, 64 * 64 * 3, 2000, options.rounds),
    ]
    sys.exit(0 if all(kept) else "CSV reading has lost its lead")


if __name__ == "__main__":
    main()
