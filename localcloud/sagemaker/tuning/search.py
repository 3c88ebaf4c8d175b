"""Which values a tuning job tries next.

A search keeps nothing: it is told of all trials so far each time, so that a job taken up after a
restart goes on as if nothing had been. The same seed and the same trials give the same values.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from localcloud.sagemaker.tuning.ranges import Space, Values

_TRIES = 100  # random draws until a combination that was not tried yet is looked for one by one
_LARGEST_WALK = 100_000  # combinations


@dataclass(frozen=True)
class Observation:
    """A trial as a search sees it. `value`: its objective, None without one; `running`: no value
    yet.
    """

    values: Values
    value: float | None = None
    running: bool = False


class Search(Protocol):
    """A strategy."""

    def suggest(self, number: int, seen: Sequence[Observation]) -> Values | None:
        """Values for trial `number` (from 1); None when every combination was tried."""


@dataclass(frozen=True)
class RandomSearch:
    """Values at random, each on its scale; no combination twice."""

    space: Space
    seed: str

    def suggest(self, number: int, seen: Sequence[Observation]) -> Values | None:
        chance = random.Random(f"{self.seed}/{number}")
        tried = {_key(observation.values) for observation in seen}
        for _ in range(_TRIES):
            values = {r.name: r.at(chance.random()) for r in self.space.ranges}
            if _key(values) not in tried:
                return values
        return self._untried(chance, tried)

    def _untried(
        self, chance: random.Random, tried: set[tuple[tuple[str, str], ...]]
    ) -> Values | None:
        """One of the few combinations that are left."""
        if self.space.count > _LARGEST_WALK:
            return {r.name: r.at(chance.random()) for r in self.space.ranges}
        axes = [r.all() for r in self.space.ranges]
        names = [r.name for r in self.space.ranges]
        left = [
            values
            for combination in itertools.product(*axes)
            if _key(values := dict(zip(names, combination, strict=True))) not in tried
        ]
        return chance.choice(left) if left else None


@dataclass(frozen=True)
class GridSearch:
    """Every combination of categorical values, once; the last range changes fastest.

    (In which order SageMaker walks the grid is not documented.)
    """

    space: Space

    def suggest(self, number: int, seen: Sequence[Observation]) -> Values | None:
        tried = {_key(observation.values) for observation in seen}
        names = [r.name for r in self.space.ranges]
        for combination in itertools.product(*(r.all() for r in self.space.ranges)):
            values = dict(zip(names, combination, strict=True))
            if _key(values) not in tried:
                return values
        return None


def _key(values: Values) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))
