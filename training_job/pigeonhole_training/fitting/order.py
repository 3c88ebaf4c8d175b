"""Which rows each step sees: a function of seed, epoch and step alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Order:
    """The order of `rows` rows in batches of `batch`.

    Every batch has the same size, so that a step is compiled once and batch normalisation never
    sees a batch of one: the last batch of an epoch is filled up with the rows that the epoch began
    with. Fewer rows than `batch` make one batch of them all.
    """

    rows: int
    batch: int
    seed: int

    @classmethod
    def of(cls, rows: int, batch: int, seed: int, shares: int = 1) -> Order:
        """Batches that `shares` devices can share evenly: up to `shares` - 1 rows larger."""
        size = min(batch, rows)
        return cls(rows, math.ceil(size / shares) * shares, seed)

    @property
    def steps(self) -> int:
        """In an epoch."""
        return math.ceil(self.rows / self.batch)

    def epoch(self, number: int) -> NDArray[np.int32]:
        """int32 `(steps, batch)`: which rows each step of epoch `number` (from 0) sees."""
        shuffled = np.random.default_rng((self.seed, number)).permutation(self.rows)
        return np.resize(shuffled, (self.steps, self.batch)).astype(np.int32)
