"""CloudWatch metrics: batched, in the background, and never in anybody's way."""

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
_MOST_WAITING = 100_000  # values kept while CloudWatch cannot be reached


class CloudWatchMetrics:
    """`localcloud.ports.Metrics` on MiniStack."""

    def __init__(self, clients: Clients) -> None:
        self._client = clients("cloudwatch")
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_MOST_WAITING)
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
        """Take one value; sent within about a second."""
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
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for namespace, datum in waiting:
            by_namespace.setdefault(namespace, []).append(datum)
        for namespace, data in by_namespace.items():
            for start in range(0, len(data), _MOST_A_CALL):
                self._put(namespace, data[start : start + _MOST_A_CALL])

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
