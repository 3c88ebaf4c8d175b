"""Building a pool row by row, in memory or, where it would not fit, in a file.

A file is written with plain writes and mapped only when it is whole, so that building it takes no
memory that grows with it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from pigeonhole_training.data.rows import (
    Digests,
    Labels,
    Origins,
    Pixels,
    Pool,
    Positions,
    digests_of,
)
from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import BadData


class PoolBuilder:
    """Takes up to `capacity` rows. `scratch` is the folder for the file, None to stay in memory.

    A context manager: leaving it closes the file. Raises BadData when the disk has no room.
    """

    def __init__(self, capacity: int, shape: Shape, scratch: Path | None = None) -> None:
        self._shape = (shape.height, shape.width, shape.channels)
        self._file: IO[bytes] | None = None
        self._pixels: Pixels = np.empty((0, *self._shape), np.uint8)
        if scratch is not None and capacity:
            _check_room(capacity * shape.values, scratch)
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by __exit__
                dir=scratch, prefix="pixels-", suffix=".bin", delete=False
            )
        else:
            # The system gives the memory when a row is written: empty rows cost nothing.
            self._pixels = np.empty((capacity, *self._shape), np.uint8)
        self._labels: Labels = np.empty(capacity, np.int32)
        self._digests: Digests = np.empty(capacity, np.uint64)
        self._files = np.empty(capacity, np.int32)
        self._lines = np.empty(capacity, np.int64)
        self._capacity = capacity
        self.count = 0

    def __enter__(self) -> PoolBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return self._capacity - self.count

    def add(
        self,
        pixels: Pixels,
        labels: Labels,
        files: np.ndarray | int,
        lines: Positions | int,
    ) -> None:
        """Appends rows; `files` and `lines` as in `Origins`. There must be room for them."""
        rows = slice(self.count, self.count + len(labels))
        if rows.stop > self._capacity:
            raise ValueError(f"{rows.stop} rows in a pool for {self._capacity}")
        if self._file is not None:
            self._file.write(np.ascontiguousarray(pixels).data)
        else:
            self._pixels[rows] = pixels
        self._labels[rows] = labels
        self._digests[rows] = digests_of(pixels)
        self._files[rows] = files
        self._lines[rows] = lines
        self.count = rows.stop

    def finish(self, names: tuple[str, ...]) -> Pool:
        """The pool of what was added; `names` are the `Origins`' files."""
        rows = slice(0, self.count)
        pixels = self._pixels[rows]
        if self._file is not None:
            self._file.close()
            if self.count:
                shape = (self.count, *self._shape)
                pixels = np.memmap(self._file.name, np.uint8, "r", shape=shape)
        return Pool(
            pixels,
            self._labels[rows],
            self._digests[rows],
            Origins(names, self._files[rows], self._lines[rows]),
        )


def _check_room(needed: int, scratch: Path) -> None:
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise BadData(
            f"the images take {needed / 2**30:.1f} GiB once they are read, which neither the "
            f"memory nor the disk has room for ({free / 2**30:.1f} GiB free in {scratch}): choose "
            "an instance with more memory or a larger volume, or make the images smaller "
            "(shape in dataset.json)"
        )
