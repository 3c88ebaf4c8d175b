"""Rows that show the same image, byte for byte, told by their digests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pigeonhole_training.data.rows import Pool, Rows


@dataclass(frozen=True)
class Twins:
    """Pairs of rows: `rows[i]` shows the same image as `others[i]`."""

    rows: Rows
    others: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def contradicting(self) -> Twins:
        """The pairs whose labels differ: at least one of the two is wrong."""
        differ = self.rows.labels != self.others.labels
        return Twins(self.rows.where(differ), self.others.where(differ))


_NOBODY = Pool.of(np.empty((0, 1, 1, 1), np.uint8), np.empty(0, np.int32)).rows()
NO_TWINS = Twins(_NOBODY, _NOBODY)


def twins(rows: Rows, others: Rows) -> tuple[Twins, Rows]:
    """The `rows` whose image is among `others` too, each with the first of these; and the rest."""
    images, first = np.unique(others.digests, return_index=True)
    place = np.searchsorted(images, rows.digests)
    place[place == len(images)] = 0
    found = images[place] == rows.digests if len(images) else np.zeros(len(rows), bool)
    there = Rows(others.pool, others.positions[first[place[found]]])
    return Twins(rows.where(found), there), rows.where(~found)


def repeated(rows: Rows) -> Twins:
    """The rows whose image stands before them among `rows`, each with the first that shows it."""
    _, first, image = np.unique(rows.digests, return_index=True, return_inverse=True)
    again = first[image] != np.arange(len(rows))
    return Twins(rows.where(again), Rows(rows.pool, rows.positions[first[image[again]]]))
