"""Time, handed in so that tests can own it."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What tells the time and waits."""

    def now(self) -> float:
        """Seconds since the epoch, to the millisecond, as the API tells times."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait until `event` is set or `timeout` seconds have passed; says whether it is set."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return round(time.time(), 3)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(timeout)
