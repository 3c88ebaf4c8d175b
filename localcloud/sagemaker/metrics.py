"""Metrics that regular expressions find in a job's log."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import regex

from localcloud.sagemaker.clock import Clock

_log = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds for one expression and one line

Observer = Callable[[str, float, float], None]  # metric name, value, epoch seconds


class Progress:
    """Tells who asked of the values that running jobs print, as they print them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observers: dict[str, list[Observer]] = {}

    def watch(self, job: str, observer: Observer) -> None:
        """Call `observer` for each value of this job, from the thread that reads its log."""
        with self._lock:
            self._observers.setdefault(job, []).append(observer)

    def forget(self, job: str) -> None:
        """No more calls for this job."""
        with self._lock:
            self._observers.pop(job, None)

    def tell(self, job: str, metric: str, value: float, at: float) -> None:
        """A job printed a value."""
        with self._lock:
            observers = list(self._observers.get(job, ()))
        for observer in observers:
            observer(metric, value, at)


class MetricWatch:
    """Keeps the last value of each MetricDefinition (`Name`, `Regex` with one group).

    on_value: told of each value as it is found
    patience: seconds that an expression may take over one line; after that it is left out for it

    A progress bar may be one line of 256 KiB, over which `re` takes time by the square for an
    expression that begins with `.*`, while no other thread runs. `regex` does neither.
    """

    def __init__(
        self,
        definitions: Sequence[dict[str, str]],
        clock: Clock,
        on_value: Observer = lambda name, value, at: None,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._patterns = [(d["Name"], compiled(d["Regex"])) for d in definitions]
        self._clock = clock
        self._on_value = on_value
        self._patience = patience
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}
        self._given_up: set[str] = set()

    def line(self, text: str) -> None:
        """Look at one line of the log."""
        for name, pattern in self._patterns:
            try:
                for match in pattern.finditer(text, concurrent=True, timeout=self._patience):
                    self._found(name, match)
            except TimeoutError:
                if name not in self._given_up:
                    self._given_up.add(name)
                    _log.warning("the expression of the metric %s takes too long", name)

    def _found(self, name: str, match: regex.Match[str]) -> None:
        value = _number(match)
        if value is not None:
            at = self._clock.now()
            found = {"MetricName": name, "Value": value, "Timestamp": at}
            with self._lock:
                self._last[name] = found
            self._on_value(name, value, at)

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric that was seen, in order of
        definition.
        """
        with self._lock:
            return [self._last[name] for name, _ in self._patterns if name in self._last]


def compiled(expression: str) -> regex.Pattern[str]:
    """The Regex of a MetricDefinition. Raises ValueError that says why it is none."""
    try:
        return regex.compile(expression)
    except regex.error as error:
        raise ValueError(str(error)) from error


def _number(match: regex.Match[str]) -> float | None:
    try:
        value = float(match.group(1))
    except (IndexError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
