"""Time, handed in so that tests can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day, timezone-aware."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """`2026-11-21T10:30:00.123456+00:00`."""
    return moment.astimezone(UTC).isoformat()
