"""What the data report counts: classes, pixels, duplicates. No drawing, no heavy imports.

Memory does not grow with the data but for some bytes a row; of pixels, at most `PIXEL_BYTES` are
looked at, from a random sample where there are more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import CHUNK, Rows
from pigeonhole_training.reports.sides import Sides

PIXEL_BYTES = 256 * 2**20
IMBALANCE = 10  # the largest class has this many times the smallest's rows: worth a word
FEW_ROWS = 10  # held out of a class: too few to tell its recall
# Means of two samples of images that differ by this many of the images' standard deviations
SHIFTED = 0.5


@dataclass(frozen=True)
class Balance:
    """`counts[side]` int64 `(classes,)`, the rows of each class on that side."""

    counts: dict[str, NDArray[np.int64]]

    @property
    def total(self) -> NDArray[np.int64]:
        """Of all sides."""
        return np.sum(list(self.counts.values()), axis=0)


def balance(sides: Sides, classes: int) -> Balance:
    """Rows by class and side."""
    return Balance(
        {
            name: np.bincount(rows.labels, minlength=classes).astype(np.int64)
            for name, rows in zip(sides.names, sides.rows, strict=True)
        }
    )


@dataclass(frozen=True)
class PixelStatistics:
    """Of one side's images, or of `looked_at` of them.

    `histogram` int64 `(channels, 256)`; `mean_image` float64 `(H, W, C)`; `mean` and `deviation`
    are of the images' own means, 0-255; `blank` images have one value in every pixel.
    """

    rows: int
    looked_at: int
    histogram: NDArray[np.int64]
    mean_image: NDArray[np.float64]
    mean: float
    deviation: float
    blank: int
    blank_rows: tuple[int, ...]  # the first few, counted among the side's rows


def pixel_statistics(rows: Rows, budget: int = PIXEL_BYTES) -> PixelStatistics:
    """One pass over the pixels. `budget` in bytes."""
    shape = rows.image_shape
    some = rows.sample(max(1, budget // int(np.prod(shape))))
    back = _positions_within(rows, some)
    histogram = np.zeros((shape[2], 256), np.int64)
    total = np.zeros(shape, np.float64)
    means: list[NDArray[np.float64]] = []
    blank: list[int] = []
    start = 0
    for chunk in some.chunks(max(1, min(CHUNK, 2**24 // int(np.prod(shape))))):
        for channel in range(shape[2]):
            histogram[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
        total += chunk.sum(axis=0, dtype=np.uint64)
        flat = chunk.reshape(len(chunk), -1)
        means.append(flat.mean(axis=1, dtype=np.float64))
        same = (chunk == chunk[:, :1, :1]).reshape(len(chunk), -1).all(axis=1)
        blank += (start + np.flatnonzero(same)).tolist()
        start += len(chunk)
    each = np.concatenate(means) if means else np.zeros(1)
    return PixelStatistics(
        rows=len(rows),
        looked_at=len(some),
        histogram=histogram,
        mean_image=total / max(len(some), 1),
        mean=float(each.mean()),
        deviation=float(each.std()),
        blank=len(blank),
        blank_rows=tuple(int(back[i]) for i in blank[:100]),
    )


def _positions_within(rows: Rows, some: Rows) -> NDArray[np.int64]:
    """Where each of `some` stands among `rows`, which hold it once."""
    order = np.argsort(rows.positions, kind="stable")
    return order[np.searchsorted(rows.positions, some.positions, sorter=order)]


def shifted(training: PixelStatistics, heldout: PixelStatistics) -> bool:
    """Whether held-out images are much lighter or darker than those that train."""
    spread = max(training.deviation, 1.0)
    return bool(abs(training.mean - heldout.mean) > SHIFTED * spread)


@dataclass(frozen=True)
class Duplicates:
    """Rows whose pixels are the same, byte for byte.

    `groups` hold the rows' numbers (`Sides`), those with several labels first, then the largest.
    `extra` rows could be left out without losing an image; `contradicting` groups bear more than
    one label, so that at least one row of each is wrong.
    """

    groups: tuple[NDArray[np.int64], ...]
    extra: int
    contradicting: int


def duplicates(sides: Sides) -> Duplicates:
    """By the rows' digests."""
    order = np.argsort(sides.digests, kind="stable")
    digests = sides.digests[order]
    starts = np.flatnonzero(np.concatenate([[True], digests[1:] != digests[:-1]]))
    sizes = np.diff(starts, append=len(order))
    groups = [order[starts[i] : starts[i] + sizes[i]] for i in np.flatnonzero(sizes > 1)]
    labels = sides.labels
    several = [len(np.unique(labels[g])) > 1 for g in groups]
    ranked = sorted(range(len(groups)), key=lambda i: (not several[i], -len(groups[i])))
    return Duplicates(
        groups=tuple(np.sort(groups[i]) for i in ranked),
        extra=sum(len(g) - 1 for g in groups),
        contradicting=sum(several),
    )
