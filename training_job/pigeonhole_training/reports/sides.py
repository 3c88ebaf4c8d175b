"""The three sides of a split, and rows of all of them under one number.

A row's number counts through training, validation and held-out rows in this order; with so few rows
that validation is training itself, it is counted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Digests, Labels, Pixels, Rows
from pigeonhole_training.data.split import Split


@dataclass(frozen=True)
class Sides:
    """`names[i]` is what `rows[i]` are called; no row is in two of them."""

    names: tuple[str, ...]
    rows: tuple[Rows, ...]

    @classmethod
    def of(cls, split: Split) -> Sides:
        """The split's sides."""
        if validation_is_training(split):
            return cls(("training", "held-out"), (split.training, split.heldout))
        return cls(
            ("training", "validation", "held-out"),
            (split.training, split.validation, split.heldout),
        )

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *map(len, self.rows)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def labels(self) -> Labels:
        """int32 `(N,)`."""
        return np.concatenate([rows.labels for rows in self.rows])

    @cached_property
    def digests(self) -> Digests:
        """uint64 `(N,)`."""
        return np.concatenate([rows.digests for rows in self.rows])

    def where(self, number: int) -> tuple[int, int]:
        """The side's index and the row in it."""
        side = int(np.searchsorted(self._starts, number, side="right")) - 1
        return side, number - int(self._starts[side])

    def side(self, number: int) -> str:
        """What the row is used for."""
        return self.names[self.where(number)[0]]

    def origin(self, number: int) -> str:
        """Where the row came from, or its number where nobody noted it."""
        side, row = self.where(number)
        return self.rows[side].origin(row) or f"{self.names[side]} row {row + 1}"

    def take(self, numbers: NDArray[np.integer]) -> Pixels:
        """The pixels `(len(numbers), H, W, C)`, in this order."""
        out = np.empty((len(numbers), *self.rows[0].image_shape), np.uint8)
        for side, rows in enumerate(self.rows):
            mine = (numbers >= self._starts[side]) & (numbers < self._starts[side + 1])
            if mine.any():
                out[mine] = rows.take(numbers[mine] - self._starts[side])
        return out

    def sample(self, count: int, seed: int = 0) -> NDArray[np.int64]:
        """At most `count` numbers, ascending, the same for the same seed."""
        if count >= len(self):
            return np.arange(len(self))
        chosen = np.random.default_rng(seed).choice(len(self), count, replace=False)
        return np.sort(chosen)


def validation_is_training(split: Split) -> bool:
    """Whether so few rows were there that the epoch was chosen by the training rows."""
    return split.validation is split.training or (
        split.validation.pool is split.training.pool
        and np.array_equal(split.validation.positions, split.training.positions)
    )
