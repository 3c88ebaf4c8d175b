"""What the page draws of metrics: a short series for each of a job's, counts of an endpoint's.

`WatchedMetrics` stands before the real CloudWatch and keeps the little that is shown.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from localcloud.ports import Metrics

_JOBS = "/aws/sagemaker/TrainingJobs"
_ENDPOINTS = "AWS/SageMaker"
_MOST_POINTS = 120  # of a series; a longer one is thinned to every second point
_MOST_KEPT = 500  # jobs, and variants of endpoints
_ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors")

K = TypeVar("K")
V = TypeVar("V")
Point = tuple[float, float]  # epoch seconds, value


@dataclass
class Traffic:
    """What one variant of an endpoint did since the cloud started.

    `latency`, `setup`: microseconds of the last answer and of the last cold start, as CloudWatch
    has ModelLatency and ModelSetupTime; `setup_at`: epoch seconds.
    """

    invocations: int = 0
    errors: int = 0
    latency: float | None = None
    setup: float | None = None
    setup_at: float | None = None


@dataclass
class _Series:
    points: list[Point] = field(default_factory=list)
    every: int = 1
    seen: int = 0


class Series:
    """The newest values, bounded; nothing of it outlives the process."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, dict[str, _Series]] = OrderedDict()
        self._traffic: OrderedDict[tuple[str, str], Traffic] = OrderedDict()
        self._version = 0

    @property
    def version(self) -> int:
        """Changes with every value that is kept."""
        return self._version

    def of_job(self, job: str) -> dict[str, list[Point]]:
        """The job's metrics by name, in order of their first value."""
        with self._lock:
            return {name: list(s.points) for name, s in self._jobs.get(job, {}).items()}

    def of_variant(self, endpoint: str, variant: str) -> Traffic:
        """A copy of what is known of a variant."""
        with self._lock:
            found = self._traffic.get((endpoint, variant)) or Traffic()
            return Traffic(**vars(found))

    def take(
        self,
        namespace: str,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        at: float | None = None,
    ) -> None:
        """A value was put to CloudWatch."""
        when = self._now() if at is None else at
        with self._lock:
            if namespace == _JOBS and set(dimensions) == {"TrainingJobName"}:
                self._of_job(dimensions["TrainingJobName"], name, (when, value))
            elif namespace == _ENDPOINTS and set(dimensions) == {"EndpointName", "VariantName"}:
                key = (dimensions["EndpointName"], dimensions["VariantName"])
                self._of_variant(key, name, value, when)

    def _of_job(self, job: str, name: str, point: Point) -> None:
        series = _kept(self._jobs, job, dict).setdefault(name, _Series())
        series.seen += 1
        if (series.seen - 1) % series.every == 0 or len(series.points) < 2:
            series.points.append(point)
        else:
            series.points[-1] = point  # the last point is always the newest value
        if len(series.points) > _MOST_POINTS:
            series.points = [*series.points[:-1:2], series.points[-1]]
            series.every *= 2
        self._version += 1

    def _of_variant(self, key: tuple[str, str], name: str, value: float, at: float) -> None:
        traffic = _kept(self._traffic, key, Traffic)
        if name == "Invocations":
            traffic.invocations += int(value)
        elif name in _ERRORS:
            traffic.errors += int(value)
        elif name == "ModelLatency":
            traffic.latency = value
        elif name == "ModelSetupTime":
            traffic.setup, traffic.setup_at = value, at
        else:
            return
        self._version += 1


class WatchedMetrics:
    """`localcloud.ports.Metrics` that passes everything on and shows it to `series`."""

    def __init__(self, metrics: Metrics, series: Series) -> None:
        self._metrics = metrics
        self._series = series

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
        """Take one value."""
        self._metrics.put(namespace, name, value, dimensions, unit=unit, at=at)
        self._series.take(namespace, name, value, dimensions, at)


def _kept(kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """The value of `key`, made where there is none; the keys that were silent longest go."""
    if key not in kept:
        kept[key] = make()
        while len(kept) > _MOST_KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
