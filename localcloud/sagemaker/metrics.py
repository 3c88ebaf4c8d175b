"""Metrics that regular expressions find in a job's log."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from typing import Any

from localcloud.sagemaker.clock import Clock


class MetricWatch:
    """Keeps the last value of each MetricDefinition (`Name`, `Regex` with one group)."""

    def __init__(self, definitions: Sequence[dict[str, str]], clock: Clock) -> None:
        self._patterns = [(d["Name"], re.compile(d["Regex"])) for d in definitions]
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}

    def line(self, text: str) -> None:
        """Look at one line of the log."""
        for name, pattern in self._patterns:
            for match in pattern.finditer(text):
                value = _number(match)
                if value is not None:
                    found = {"MetricName": name, "Value": value, "Timestamp": self._clock.now()}
                    with self._lock:
                        self._last[name] = found

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric that was seen, in order of
        definition.
        """
        with self._lock:
            return [self._last[name] for name, _ in self._patterns if name in self._last]


def _number(match: re.Match[str]) -> float | None:
    try:
        value = float(match.group(1))
    except (IndexError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
