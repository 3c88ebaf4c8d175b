"""What happened to a dataset's version, as the item and its record in S3 hold it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

LONGEST_TEXT = 400  # bytes, as JSON writes them
KEPT = 8  # events of a version in the item, once its record in S3 has them all
KEPT_UNDER_WAY = 24


class Kind(StrEnum):
    """What happened."""

    TAKEN_UP = "TakenUp"
    ASKED_AGAIN = "RetrainingAsked"
    SEEN_AGAIN = "AlreadyTrained"
    DATA_CHANGED = "DataChanged"  # while it was being checked
    CHECKED = "Checked"
    REFUSED = "Refused"
    COST_PENDING = "CostPending"
    COST_APPROVED = "CostApproved"
    JOB_STARTED = "JobStarted"
    OTHER_INSTANCES = "OtherInstances"  # than those asked for
    JOB_FAILED = "JobFailed"  # and is tried again under the next number
    TRAINED = "Trained"
    BACK_TO_GATE = "BackToGate"
    COMPARED_AGAIN = "ComparedAgain"  # with the champion of today, by a judging job
    APPROVED = "Approved"
    APPROVAL_PENDING = "ApprovalPending"
    REJECTED = "Rejected"
    ROLLBACK_ASKED = "RollbackAsked"
    HOSTING_ASKED = "HostingAsked"  # what is live moves to other memory or instances
    HOSTED = "Hosted"
    VERIFIED = "Verified"
    LIVE = "Live"
    REPLACED = "Replaced"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"


# What happens to a version because of another one: it does not make it the newest again.
PASSIVE = frozenset({Kind.REPLACED, Kind.ROLLED_BACK, Kind.REJECTED})


@dataclass(frozen=True)
class Event:
    """One line of a version's history; `at` is ISO 8601, `by` who or what decided."""

    at: str
    kind: str
    text: str = ""
    by: str | None = None
    job: str | None = None
    preset: str | None = None
    instances: str | None = None
    code_version: str | None = None
    accuracy: float | None = None  # on the model's own held-out rows
    report: str | None = None
    usd: float | None = None  # estimated where a job starts, billed where it ends

    def to_json(self) -> dict[str, Any]:
        told = ((name, getattr(self, name)) for name in _MEMBERS)
        return {name: value for name, value in told if value not in (None, "")}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Event:
        """What only a newer release knows is dropped."""
        return cls(**{name: value for name, value in raw.items() if name in _MEMBERS})

    @property
    def identity(self) -> tuple[str, str, str | None, str]:
        """One write may tell two of a kind: of two instance types that could not be had."""
        return self.at, self.kind, self.job, self.text


_MEMBERS = tuple(field.name for field in fields(Event))  # asked for hundreds of times a write


def merged(*timelines: Iterable[Event]) -> tuple[Event, ...]:
    """All of them, each once, in the order in which they happened."""
    found: dict[tuple[str, str, str | None, str], Event] = {}
    for timeline in timelines:
        for event in timeline:
            found.setdefault(event.identity, event)
    return tuple(sorted(found.values(), key=lambda event: event.at))


def shorten(text: str, most: int = LONGEST_TEXT) -> str:
    """The text within `most` bytes, as JSON writes it: the item holds 400 KB in all."""
    if len(json.dumps(text)) - 2 <= most:
        return text
    room, kept = most - len(json.dumps("…")), []
    for character in text:
        room -= len(json.dumps(character)) - 2
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"
