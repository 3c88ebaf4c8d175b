"""A record of a run of any length that never grows beyond its bound."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """Keeps every n-th of what it is given, evenly over the whole run.

    When it is full, every second entry goes and from then on only half as many are taken: after any
    number of them there are between `limit` / 2 and `limit`, and the first is always among them.
    """

    def __init__(self, limit: int) -> None:
        if limit < 2:
            raise ValueError("a bound of less than two keeps nothing")
        self._limit = limit
        self._kept: list[T] = []
        self._every = 1
        self._count = 0

    def add(self, entry: T) -> None:
        """Takes the entry, or passes it over when its turn has not come."""
        if self._count % self._every == 0:
            if len(self._kept) == self._limit:
                self._kept = self._kept[::2]
                self._every *= 2
            if self._count % self._every == 0:
                self._kept.append(entry)
        self._count += 1

    @property
    def entries(self) -> tuple[T, ...]:
        """Those that are kept, in their order."""
        return tuple(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
