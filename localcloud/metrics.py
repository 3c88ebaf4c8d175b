"""CloudWatch metrics: batched, in the background, and never in anybody's way.

A metric that gets many values in a short time is sent as statistic sets (count, sum, minimum,
maximum), as AWS's own services send theirs by the minute: MiniStack keeps each datum for two weeks.
Percentiles of such a metric cannot be asked for then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients

_log = logging.getLogger(__name__)

_EVERY = 1.0  # seconds between two looks at what was put
_MOST_A_CALL = 1000  # PutMetricData's limit (CloudWatch API reference)
_EVERY_METRIC = 10.0  # seconds between two sendings of one metric
_MOST_SINGLE = 3  # values of one metric that are sent one by one
_MOST_WAITING = 100_000  # values kept while CloudWatch cannot be reached


class CloudWatchMetrics:
    """`localcloud.ports.Metrics` on MiniStack."""

    def __init__(self, clients: Clients) -> None:
        self._client = clients("cloudwatch")
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_MOST_WAITING)
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        *,
        unit: str = "None",
        at: float | None = None,
    ) -> None:
        """Take one value; sent within about a second, or ten when the metric has just been sent."""
        datum = {
            "MetricName": name,
            "Value": value,
            "Unit": unit,
            "Timestamp": time.time() if at is None else at,
            "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
        }
        with self._lock:
            self._waiting.append((namespace, datum))

    def close(self) -> None:
        """Send what waits, and end."""
        self._closing.set()
        self._thread.join()
        self._send()

    def _run(self) -> None:
        while not self._closing.wait(_EVERY):
            self._send()

    def _send(self) -> None:
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for namespace, data in self._due():
            by_namespace.setdefault(namespace, []).extend(data)
        for namespace, data in by_namespace.items():
            for start in range(0, len(data), _MOST_A_CALL):
                self._put(namespace, data[start : start + _MOST_A_CALL])

    def _due(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """What waits of each metric that was not sent a moment ago."""
        now = time.monotonic()
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            by_metric: dict[str, list[tuple[str, dict[str, Any]]]] = {}
            for namespace, datum in waiting:
                key = f"{namespace} {datum['MetricName']} {datum['Unit']} {datum['Dimensions']}"
                by_metric.setdefault(key, []).append((namespace, datum))
            due = []
            for key, values in by_metric.items():
                early = now - self._sent.get(key, float("-inf")) < _EVERY_METRIC
                if early and not self._closing.is_set():
                    self._waiting.extend(values)
                else:
                    self._sent[key] = now
                    due.append((values[0][0], summed([datum for _, datum in values])))
            for key in [key for key, at in self._sent.items() if now - at >= _EVERY_METRIC]:
                del self._sent[key]
        return due

    def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        try:
            self._client.put_metric_data(Namespace=namespace, MetricData=data)
            self._complained = False
        except (BotoCoreError, ClientError) as error:
            if not self._complained:
                _log.warning("metrics %s: %s", namespace, error)
            self._complained = True
            with self._lock:
                self._waiting.extendleft((namespace, datum) for datum in reversed(data))


def summed(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Values of one metric as PutMetricData takes them: each, or one statistic set for all."""
    if len(data) <= _MOST_SINGLE:
        return data
    sets = [datum.get("StatisticValues") or _one(datum["Value"]) for datum in data]
    found = {key: value for key, value in data[-1].items() if key != "Value"}
    found["StatisticValues"] = {
        "SampleCount": sum(s["SampleCount"] for s in sets),
        "Sum": sum(s["Sum"] for s in sets),
        "Minimum": min(s["Minimum"] for s in sets),
        "Maximum": max(s["Maximum"] for s in sets),
    }
    return [found]


def _one(value: float) -> dict[str, float]:
    return {"SampleCount": 1.0, "Sum": value, "Minimum": value, "Maximum": value}
