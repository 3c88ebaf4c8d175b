"""What people are to be told, kept in the item until the notification topic has taken it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

MOST = 20  # notices that wait; the oldest of more is given up
SHOWN = 10  # notices that were sent, for people who look


class NoticeKind(StrEnum):
    """What a notice tells: subscribers filter by it."""

    REFUSED = "Refused"
    FAILED = "Failed"
    MODEL_PENDING = "ModelPendingApproval"
    COST_PENDING = "CostPendingApproval"
    REJECTED = "Rejected"
    LIVE = "Live"
    ROLLED_BACK = "RolledBack"
    ROWS_SET_ASIDE = "RowsSetAside"
    OTHER_INSTANCES = "OtherInstances"


@dataclass(frozen=True)
class Notice:
    """One message to come. `id` stays the same however often it is sent.

    `live` is the training job that is live at that moment, `sent` when the topic took it.
    """

    id: str
    kind: str
    at: str
    version: str | None
    text: str
    job: str | None = None
    by: str | None = None
    report: str | None = None
    live: str | None = None
    sent: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Notice:
        """What only a newer release knows is dropped."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in raw.items() if name in known})
