"""Data larger than memory is streamed: its pixels lie on disk, and what is held does not grow."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pigeonhole_training.data.ahead import processors
from PIL import Image

SOURCE = Path(__file__).resolve().parents[3] / "training_job"
# Bytes that reading may take beside the interpreter, whatever it reads: every processor works on a
# few blocks, or a picture. What is read here is a multiple of it.
BOUND = (24 + 4 * processors()) * 2**20
PIXELS = 4 * BOUND

# RLIMIT_DATA counts all private memory and no mapped files: past it there is a MemoryError. Stacks
# that threads reserve, and hardly use, count too.
STACKS = (2 + processors()) * 10 * 2**20
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, polars
from pigeonhole_training.data.reading import read_dataset
from pigeonhole_training.data.split import split_rows
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

kind, folder = sys.argv[1], Path(sys.argv[2])
side, rows, bound, stacks = map(int, sys.argv[3:])
polars.read_csv(b"a,1\\n", has_header=False)  # its threads are there before memory is counted
file = (SourceFile("rows.csv", 0, None, "train", rows=rows) if kind == "rows" else
        SourceFile("photos.zip", 0, None, "archive"))
shape = Shape(side, side, 1 if kind == "rows" else 3)
version = DatasetVersion("d", "v", (file,), shape, ("0", "1"), ("0", "1"), kind)
before = status("VmRSS")
limit = status("VmData") + bound + stacks
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
data = read_dataset(version, folder, folder, lambda: side, budget=bound // 4)
peak = status("VmHWM") - before
split = split_rows(data.train, data.test, data.validation)
seen = len(split.training) + len(split.validation) + len(split.heldout)
print(type(data.train.pixels).__name__, data.train.pixels.nbytes, seen, peak)
"""


def write_rows(folder: Path, side: int, rows: int) -> None:
    blank = ",0" * (side * side - 3) + "\n"
    with (folder / "rows.csv").open("w") as out:
        out.writelines(
            f"{row % 2},{row >> 16},{row >> 8 & 255},{row & 255}{blank}" for row in range(rows)
        )


def write_photos(folder: Path, side: int, rows: int) -> None:
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for row in range(rows):
            image = Image.new("RGB", (side, side), (row >> 16, row >> 8 & 255, row & 255))
            file = io.BytesIO()
            image.save(file, "PNG", compress_level=1)
            archive.writestr(f"train/{row % 2}/{row}.png", file.getvalue())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells memory there")
@pytest.mark.parametrize(
    ("kind", "side", "write"), [("rows", 56, write_rows), ("images", 256, write_photos)]
)
def test_pixels_of_several_times_the_memory_are_read_within_a_bound(
    tmp_path: Path, kind: str, side: int, write: Callable[[Path, int, int], None]
) -> None:
    rows = PIXELS // (side * side * (1 if kind == "rows" else 3)) + 1
    write(tmp_path, side, rows)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            kind,
            str(tmp_path),
            *map(str, (side, rows, BOUND, STACKS)),
        ],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held, size, seen, peak = done.stdout.split()
    assert held == "memmap"
    assert int(size) > PIXELS
    assert int(seen) == rows
    assert int(peak) < BOUND, peak
