"""Which running trial is not worth its time.

A trial's curve is what it has printed of its objective so far, one value an epoch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

Curve = Sequence[float]

_ENOUGH = 3  # curves to compare with
_ETA = 3  # of a rung's trials, one in this many goes on
_MOST_TURNS = 1000


def below_median(curve: Curve, earlier: Sequence[Curve], *, maximize: bool) -> bool:
    """The median rule of `TrainingJobEarlyStoppingType` Auto (developer guide, "How Early Stopping
    Works"): the trial's latest value is worse than the median of the running averages that earlier
    trials had up to the same epoch.

    earlier: the curves of trials that have ended. From how many on SageMaker compares is not
    documented; we want three that got as far.
    """
    epoch = len(curve)
    averages = [statistics.fmean(other[:epoch]) for other in earlier if len(other) >= epoch > 0]
    if len(averages) < _ENOUGH:
        return False
    median = statistics.median(averages)
    return curve[-1] < median if maximize else curve[-1] > median


@dataclass(frozen=True)
class Hyperband:
    """Hyperband (Li et al., 2018) with trials that are stopped in place, as in asynchronous
    successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020).

    A resource is an epoch: one value of the objective. Bracket b looks at its trials for the first
    time after `least` * 3**b epochs, then after three times as many, and so on; of the trials
    of the bracket that got so far, the best third goes on. Early brackets stop soon and get more
    trials. How SageMaker sets up its brackets is not documented.

    least, most: MinResource and MaxResource
    """

    least: int
    most: int

    @property
    def brackets(self) -> int:
        """How many there are; the last one gives its trials nearly all epochs."""
        count, rung = 1, self.least * _ETA
        while rung <= self.most:
            count, rung = count + 1, rung * _ETA
        return count

    def bracket(self, number: int) -> int:
        """The bracket of trial `number` (from 1)."""
        turns = _turns(self.brackets)
        return turns[(number - 1) % len(turns)]

    def rungs(self, bracket: int) -> list[int]:
        """After how many epochs a bracket's trials are compared."""
        found, rung = [], self.least * _ETA**bracket
        while rung < self.most:
            found.append(rung)
            rung *= _ETA
        return found

    def stops(
        self, number: int, curves: Mapping[int, Curve], since: int, *, maximize: bool
    ) -> bool:
        """Whether the trial `number` is to be stopped; `curves` has those of all trials, by number.

        since: how long its curve was when this was asked last: each rung is looked at once

        One that has gone beyond MaxResource is stopped in any case. One that ends there by itself
        is let finish, so that it can leave its model.
        """
        curve = curves[number]
        if len(curve) > self.most:
            return True
        bracket = self.bracket(number)
        peers = [c for n, c in curves.items() if n != number and self.bracket(n) == bracket]
        return any(
            _falls(curve, peers, rung, maximize=maximize)
            for rung in self.rungs(bracket)
            if since < rung <= len(curve)
        )


def _falls(curve: Curve, peers: Sequence[Curve], rung: int, *, maximize: bool) -> bool:
    mine = curve[rung - 1]
    others = [c[rung - 1] for c in peers if len(c) >= rung]
    better = sum(value > mine if maximize else value < mine for value in others)
    return better >= math.ceil((len(others) + 1) / _ETA)


@lru_cache
def _turns(count: int) -> list[int]:
    """The brackets of trials 1, 2, 3 …, over and over.

    Each bracket gets its share as Hyperband gives it: ceil(n * 3**s / (s + 1)) of a round's
    trials, where n is the number of brackets and s counts them backwards from n - 1.
    """
    shares = [math.ceil(count * _ETA ** (count - 1 - b) / (count - b)) for b in range(count)]
    given = [0] * count
    turns = []
    for _ in range(min(sum(shares), _MOST_TURNS)):
        chosen = min(range(count), key=lambda b: ((given[b] + 1) / shares[b], b))
        given[chosen] += 1
        turns.append(chosen)
    return turns
