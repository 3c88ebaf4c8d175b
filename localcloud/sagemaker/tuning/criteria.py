"""When a tuning job is over, and how its trials fare.

Source: developer guide, "Track and set completion criteria for your tuning job". An improvement
counts from 1% of the best value on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LITTLE = 0.01
_CONVERGED_AFTER = 10  # trials without improvement


@dataclass(frozen=True)
class Progress:
    """stalled: the last trials in a row that did not improve the objective by 1%
    converged: SageMaker's test for convergence is not published; we call it converged when ten
    trials in a row have not improved it.
    """

    stalled: int
    converged: bool


def progress(values: Sequence[float], *, maximize: bool) -> Progress:
    """`values`: the objectives of the trials, in the order in which these ended."""
    stalled = 0
    best: float | None = None
    for value in values:
        if best is None or _gain(value, best, maximize=maximize) > _LITTLE * abs(best):
            best, stalled = value, 0
        else:
            stalled += 1
    return Progress(stalled, stalled >= _CONVERGED_AFTER)


def reaches(value: float, target: float, *, maximize: bool) -> bool:
    """Whether an objective is as good as TargetObjectiveMetricValue."""
    return value >= target if maximize else value <= target


def _gain(value: float, best: float, *, maximize: bool) -> float:
    return value - best if maximize else best - value
