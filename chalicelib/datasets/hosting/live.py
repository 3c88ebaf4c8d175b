"""What is live, what was before, and what people or settings ask to be changed about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

MOST_FORMER = 100  # former champions in the item
SHOWN_FORMER = 10


@dataclass(frozen=True)
class Champion:
    """The model that is live. `accuracy` is on its own held-out rows.

    `hosting` is what the endpoint config runs on (`hosting.as_json`), None where an older release
    made it live.
    """

    version: str
    training_job: str
    model_package_arn: str
    accuracy: float | None
    since: str
    config: str | None = None
    hosting: Mapping[str, Any] | None = None

    @property
    def served_by(self) -> str:
        """The endpoint config; older releases named it after the job."""
        return self.config or self.training_job

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Champion:
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class Former:
    """A model that was live. `rolled_back`: a person took it back; it was not just replaced."""

    version: str
    training_job: str
    model_package_arn: str
    accuracy: float | None
    since: str
    until: str
    rolled_back: bool = False

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Former:
        return cls(**_known(cls, raw))


class Why(StrEnum):
    """Why a model is deployed that no gate has just let pass."""

    ROLLBACK = "rollback"
    HOSTING = "hosting"


@dataclass(frozen=True)
class Left:
    """A model that is rolled back from."""

    version: str
    training_job: str
    package: str


@dataclass(frozen=True)
class Change:
    """Which model is to be live, by whom and why; `outcome` None while it is under way.

    `hosting` is what it is to run on, of a change of that alone. `again`: people rolled back from
    it before, so that it is rejected in the registry until now.
    """

    why: Why
    version: str
    training_job: str
    who: str
    reason: str
    asked: str
    leaving: tuple[Left, ...] = ()
    hosting: Mapping[str, Any] | None = None
    again: bool = False
    outcome: str | None = None  # "Live" | "Failed" | "Rejected"
    message: str = ""
    ended: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Change:
        values = _known(cls, raw)
        values["why"] = Why(raw["why"])
        values["leaving"] = tuple(Left(**_known(Left, left)) for left in raw.get("leaving", ()))
        return cls(**values)

    def status(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = asdict(self)
        shown["leaving"] = [left.training_job for left in self.leaving]
        return shown


def after(
    former: tuple[Former, ...], before: Champion | None, now: Champion, at: str, left: set[str]
) -> tuple[Former, ...]:
    """The former champions, the oldest first, once `now` is live in the place of `before`.

    `left` are the jobs that were rolled back from.
    """
    kept = [
        replace(one, rolled_back=one.rolled_back or one.training_job in left)
        for one in former
        if one.training_job != now.training_job
    ]
    if before is not None and before.training_job != now.training_job:
        kept.append(
            Former(
                before.version,
                before.training_job,
                before.model_package_arn,
                before.accuracy,
                before.since,
                at,
                before.training_job in left,
            )
        )
    return tuple(kept[-MOST_FORMER:])


def _known(cls: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: value for name, value in raw.items() if name in names}
