"""Rows: images with their labels, read once and never copied.

A `Pool` holds every row that was read, in memory or, where that would not fit, in a file on disk
(a NumPy memory map). `Rows` are some of them, by their positions in the pool: splitting, shuffling
and filtering move positions, not pixels. What goes over all pixels goes over them by `chunks`, so
that its memory does not grow with the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.int32]
Digests: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float32]  # (N, classes)

CHUNK = 512  # rows


@dataclass(frozen=True)
class Origins:
    """Where each row of a pool came from.

    `files` are paths below the dataset; `file` int32 `(N,)` is an index into them and `line` int64
    `(N,)` the row's number in that file, from 1 (for CSVs the header is not counted; an image that
    is a file has 1).
    """

    files: tuple[str, ...]
    file: NDArray[np.int32]
    line: NDArray[np.int64]

    def __getitem__(self, position: int) -> str:
        """`path, row 12`, or for an image that is a file its path."""
        path, line = self.files[self.file[position]], int(self.line[position])
        return f"{path}, row {line}" if _holds_rows(path) else path


def _holds_rows(path: str) -> bool:
    return path.lower().endswith((".csv", ".csv.gz", ".csv.zip", ".zip"))


@dataclass(frozen=True)
class Pool:
    """Every row that was read.

    `pixels` uint8 `(N, H, W, C)`, 0-255, in memory or on disk; `labels` int32 `(N,)`, the class'
    index; `digests` uint64 `(N,)`, as `digests_of`; `origins` None where nobody noted them.
    """

    pixels: Pixels
    labels: Labels
    digests: Digests
    origins: Origins | None = None

    @classmethod
    def of(cls, pixels: Pixels, labels: Labels, origins: Origins | None = None) -> Pool:
        """A pool whose digests are taken now."""
        return cls(pixels, labels, digests_of(pixels), origins)

    def rows(self, positions: Positions | None = None) -> Rows:
        """Those at `positions`, or all."""
        return Rows(self, np.arange(len(self.labels)) if positions is None else positions)


@dataclass(frozen=True)
class Rows:
    """Some rows of a pool, in the order of `positions` (int64 `(N,)`)."""

    pool: Pool
    positions: Positions

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> Labels:
        """int32 `(N,)`, the class' index."""
        return self.pool.labels[self.positions]

    @property
    def digests(self) -> Digests:
        """uint64 `(N,)`."""
        return self.pool.digests[self.positions]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        _, height, width, channels = self.pool.pixels.shape
        return height, width, channels

    def take(self, which: NDArray[np.integer] | slice) -> Pixels:
        """The pixels of these rows (counted among these `Rows`) as an array of their own."""
        # A sorted gather reads a file front to back; the order asked for is restored in memory.
        positions = self.positions[which]
        order = np.argsort(positions, kind="stable")
        if not isinstance(self.pool.pixels, np.memmap) or (order[1:] > order[:-1]).all():
            return np.asarray(self.pool.pixels[positions])
        out = np.empty((len(positions), *self.image_shape), np.uint8)
        out[order] = self.pool.pixels[positions[order]]
        return out

    def chunks(self, size: int = CHUNK) -> Iterator[Pixels]:
        """All pixels in order, `size` rows at a time."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        """The rows where `mask` (bool `(N,)`) is true."""
        return Rows(self.pool, self.positions[mask])

    def sample(self, count: int, seed: int = 0) -> Rows:
        """At most `count` of them, the same for the same seed, in their order."""
        if count >= len(self):
            return self
        chosen = np.random.default_rng(seed).choice(len(self), count, replace=False)
        return Rows(self.pool, self.positions[np.sort(chosen)])

    def origin(self, row: int) -> str:
        """Where this row (counted among these `Rows`) came from; empty where nobody noted it."""
        return "" if self.pool.origins is None else self.pool.origins[int(self.positions[row])]


def digests_of(pixels: Pixels) -> Digests:
    """The 8-byte BLAKE2b digest of each image's bytes, as a big-endian number."""
    joined = b"".join(hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in pixels)
    return np.frombuffer(joined, ">u8").astype(np.uint64)
