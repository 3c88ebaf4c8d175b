"""May a training job start? A pure function of what it costs, the caps and the month so far.

A job is held to its caps by the time that it may run: SageMaker stops it then, orderly, with its
checkpoint kept. What a month has left is reckoned with the most that the jobs under way may cost,
so that no two of them can both take what only one may.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from chalicelib import names
from chalicelib.datasets.cost.ledger import Month

# After its time is over a job has 120 s to end (StopTrainingJob's documentation), and its outputs
# are uploaded; how long that takes is nowhere promised.
GRACE_SECONDS = 300
SPOT_SHARE = 0.5  # of the price: AWS says "up to 90 %" less; only for estimates, never for bounds


class Verdict(StrEnum):
    """What is to happen to the job."""

    START = "start"
    WAIT = "wait"  # until others have ended and what was set apart for them is known
    ASK = "ask"


@dataclass(frozen=True)
class Caps:
    """US dollars; None: no cap. `month` is over all datasets, `dataset_month` over this one."""

    job: float | None = None
    month: float | None = None
    dataset_month: float | None = None

    def __bool__(self) -> bool:
        return any(cap is not None for cap in (self.job, self.month, self.dataset_month))


@dataclass(frozen=True)
class Asked:
    """A job to be started. `usd_per_hour`: of all its instances, None where that is unknown.

    `longest_seconds` is how long the stage lets a job run; `hopeless`: why it should not be started
    unasked whatever it costs, as the rest of a sentence.
    """

    job: str
    dataset: str
    seconds: float
    usd_per_hour: float | None
    longest_seconds: int
    spot: bool = False
    hopeless: str | None = None

    @property
    def estimated(self) -> float | None:
        return self._usd(self.seconds * (SPOT_SHARE if self.spot else 1))

    @property
    def needed(self) -> float | None:
        """What a cap must leave for it, the orderly end counted."""
        return self._usd(min(self.seconds, self.longest_seconds) + GRACE_SECONDS)

    def most(self, runtime_seconds: int) -> float | None:
        """The bound that follows from the time it may run. Spot capacity never costs more."""
        return self._usd(runtime_seconds + GRACE_SECONDS)

    def runtime(self, usd: float) -> int:
        """How long it may run for that much: seconds."""
        if not self.usd_per_hour:
            return self.longest_seconds
        seconds = math.floor(usd / self.usd_per_hour * 3600 + 1e-6) - GRACE_SECONDS
        return max(1, min(self.longest_seconds, seconds))

    def _usd(self, seconds: float) -> float | None:
        return None if self.usd_per_hour is None else self.usd_per_hour * seconds / 3600


@dataclass(frozen=True)
class Weighed:
    """`reason` goes on from "it costs about …"; `runtime_seconds` is for a job that starts."""

    verdict: Verdict
    reason: str
    runtime_seconds: int


def weigh(asked: Asked, caps: Caps, month: Month, allowed: float | None = None) -> Weighed:
    """Decide. `allowed` is what a person lets the job cost, caps or not."""
    needed, longest = asked.needed, asked.longest_seconds
    if allowed is not None and (needed is None or needed <= allowed):
        runtime = longest if needed is None else asked.runtime(allowed)
        return Weighed(Verdict.START, "", runtime)
    if asked.hopeless is not None:
        return Weighed(Verdict.ASK, asked.hopeless, longest)
    if needed is None:
        reason = f"nobody knows its price, and there is a cap (say it in {names.PRICES})"
        return Weighed(Verdict.ASK if caps else Verdict.START, reason if caps else "", longest)
    if caps.job is not None and needed > caps.job:
        return Weighed(Verdict.ASK, f"over the {_cap(caps.job)} that a job may cost", longest)
    return _against_month(asked, needed, caps, month)


def _against_month(asked: Asked, needed: float, caps: Caps, month: Month) -> Weighed:
    limits = [] if caps.job is None else [caps.job]
    waits: str | None = None
    for cap, whose in ((caps.month, None), (caps.dataset_month, asked.dataset)):
        if cap is None:
            continue
        spent, expected = month.spent(whose), month.expected(whose, asked.job)
        if needed > cap - spent - expected:
            reason = _used_up(cap, spent, expected, month, whose)
            return Weighed(Verdict.ASK, reason, asked.longest_seconds)
        reserved = month.reserved(whose, asked.job)
        if needed > cap - spent - reserved:
            waits = (
                f"jobs under way may still cost {money(reserved)} of the {money(cap - spent)} "
                f"that {month.name} has left{_of(whose)}"
            )
        limits.append(cap - spent - reserved)
    if waits is not None:
        return Weighed(Verdict.WAIT, waits, asked.longest_seconds)
    runtime = min((asked.runtime(usd) for usd in limits), default=asked.longest_seconds)
    return Weighed(Verdict.START, "", runtime)


def _used_up(cap: float, spent: float, expected: float, month: Month, whose: str | None) -> str:
    under_way = f", {money(expected)} expected of jobs under way" if expected else ""
    return (
        f"and of the {_cap(cap)} that training may cost in {month.name}{_of(whose)}, "
        f"{money(spent)} are spent{under_way}"
    )


def _of(dataset: str | None) -> str:
    return "" if dataset is None else f" for {dataset}"


def _cap(usd: float) -> str:
    """As it was set."""
    return f"${usd:g}" if 0 < usd < 0.01 else money(usd)


def money(usd: float | None) -> str:
    """`$0.12`, for people."""
    if usd is None:
        return "an unknown amount"
    if 0 < usd < 0.01:
        return "less than $0.01"
    return f"${usd:,.2f}"
