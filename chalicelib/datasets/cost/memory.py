"""What is remembered of a dataset's costs between two calls, as a member of its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

REMEMBERED = 20  # kinds of jobs whose time is kept


@dataclass(frozen=True)
class Timed:
    """What an earlier job took: `work` in passes over images of 28 x 28, seconds on instances."""

    work: float
    seconds: float


@dataclass(frozen=True)
class Quote:
    """What the newest attempt's job costs. Amounts are US dollars, None where the price is unknown.

    `runtime_seconds` is how long it may run at most, shorter than the stage has it (`capped`) where
    a cap would not last; `most_usd` is the bound that follows. `month` is the one that the job
    counts in. `spent_usd` and `spent_seconds` (billed, of each instance) are known at its end.
    """

    job: str
    month: str
    estimated_seconds: float
    estimated_usd: float | None
    most_usd: float | None
    runtime_seconds: int
    capped: bool
    work: float
    basis: str
    spent_usd: float | None = None
    spent_seconds: int | None = None

    def to_status(self) -> dict[str, Any]:
        """As the dataset's status shows it."""
        return {
            "training_job": self.job,
            "estimated_usd": _cents(self.estimated_usd),
            "estimated_seconds": round(self.estimated_seconds),
            "most_usd": _cents(self.most_usd),
            "spent_usd": _cents(self.spent_usd),
            "spent_seconds": self.spent_seconds,
            "basis": self.basis,
        }


@dataclass(frozen=True)
class Costs:
    """`refused`: instances (`1 x ml.g5.xlarge`) that the run could not have → why.

    `asked_usd`: what a person is asked to allow a job, None where nobody knows; `allowed_usd`: what
    one did allow, whatever the caps. `former`: what was known of a `version`'s model, as members of
    its `Past`, before it was to be trained once more. `timed` is by kind of job (`effort.key`).
    """

    quote: Quote | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    asked_usd: float | None = None
    allowed_usd: float | None = None
    former: Mapping[str, Any] | None = None
    timed: Mapping[str, Timed] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Costs:
        """From the table, as `State.from_json`."""
        quote = raw.get("quote")
        timed = raw.get("timed", {})
        return cls(
            None if quote is None else Quote(**_known(Quote, quote)),
            dict(raw.get("refused", {})),
            raw.get("asked_usd"),
            raw.get("allowed_usd"),
            raw.get("former"),
            {kind: Timed(**_known(Timed, took)) for kind, took in timed.items()},
        )

    def fresh(self) -> Costs:
        """For a run that begins: nothing is refused or allowed yet."""
        return Costs(former=self.former, timed=self.timed)

    def took(self, kind: str, timed: Timed) -> Costs:
        """With what a job of this kind took; the oldest kinds go first."""
        kept = {known: took for known, took in self.timed.items() if known != kind}
        kept[kind] = timed
        return replace(self, timed=dict(list(kept.items())[-REMEMBERED:]))

    def refuses(self, instances: str, why: str) -> Costs:
        """With instances that cannot be had; what was quoted for them is void."""
        return replace(self, quote=None, refused={**self.refused, instances: why})


def _cents(usd: float | None) -> float | None:
    """To the cent: more would be pretence; to a hundredth of it below ten cents."""
    if usd is None:
        return None
    return round(usd, 2 if usd >= 0.1 else 4)


def _known(cls: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: value for name, value in raw.items() if name in names}
