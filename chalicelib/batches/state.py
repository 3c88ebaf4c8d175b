"""What the table holds of a batch.

    Waiting ──► Classifying ──► Writing ──► Done | Failed
       └──────► Refused

Done, Failed and Refused are settled; new uploads or a new `_READY` start from there again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Where a batch stands."""

    WAITING = "Waiting"
    CLASSIFYING = "Classifying"
    WRITING = "Writing"
    DONE = "Done"
    FAILED = "Failed"
    REFUSED = "Refused"


SETTLED = frozenset({Phase.DONE, Phase.FAILED, Phase.REFUSED})


@dataclass(frozen=True)
class BatchState:
    """The first block is public (the HTTP API's status), the second is the reconciler's own.

    `ready`: VersionId of the newest _READY that was taken up. `listing`: the content that the run
    (or the refusal) is about. `wake_at`: when the delayed message that is under way comes (ISO).
    `asked_at`: when the results were asked for; `asked`: how many times.
    """

    batch: str
    phase: Phase = Phase.WAITING
    message: str = "Files are arriving."
    run: str | None = None
    ready: str | None = None
    dataset: str | None = None
    results: str | None = None
    counts: Mapping[str, int] | None = None
    updated: str = ""

    listing: str = ""
    attempt: int = 0
    training_job: str | None = None
    started: str = ""
    job_status: str = ""
    job_reason: str = ""
    wake_at: str = ""
    asked_at: str = ""
    asked: int = 0

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> BatchState:
        """From the table's JSON; fields of another version of this program are left out."""
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        return cls(**{**known, "phase": Phase(raw["phase"])})

    def dump(self) -> dict[str, Any]:
        """For the table."""
        return {**asdict(self), "unsettled": not self.settled}

    @property
    def settled(self) -> bool:
        return self.phase in SETTLED

    def status(self) -> dict[str, Any]:
        """For the HTTP API."""
        return {
            "batch": self.batch,
            "phase": str(self.phase),
            "message": self.message,
            "run": self.run,
            "ready": self.ready,
            "settled": self.settled,
            "dataset": self.dataset,
            "results": self.results,
            "counts": None if self.counts is None else dict(self.counts),
            "updated": self.updated,
        }
