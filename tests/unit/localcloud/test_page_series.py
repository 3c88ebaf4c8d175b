"""What the page keeps of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from localcloud.page.series import Series, WatchedMetrics

JOBS = "/aws/sagemaker/TrainingJobs"
VARIANT = {"EndpointName": "e", "VariantName": "v"}


class Kept:
    def __init__(self) -> None:
        self.values: list[tuple[str, str, float, str, float | None]] = []

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
        self.values.append((namespace, name, value, unit, at))


def test_every_value_goes_on_to_cloudwatch() -> None:
    kept, series = Kept(), Series()
    WatchedMetrics(kept, series).put(JOBS, "loss", 0.5, {"TrainingJobName": "a"}, unit="X", at=3.0)
    assert kept.values == [(JOBS, "loss", 0.5, "X", 3.0)]
    assert series.of_job("a") == {"loss": [(3.0, 0.5)]}


def test_a_long_series_is_thinned_and_keeps_its_ends_and_its_shape() -> None:
    series = Series()
    for step in range(10_000):
        series.take(JOBS, "loss", float(step), {"TrainingJobName": "a"}, float(step))
        assert series.of_job("a")["loss"][-1] == (step, step)
    points = series.of_job("a")["loss"]
    assert 30 <= len(points) <= 120
    assert points == sorted(points)
    widest = max(b[0] - a[0] for a, b in pairwise(points))
    assert widest < 10_000 / 20


def test_a_job_is_told_from_its_hosts_and_from_other_jobs() -> None:
    series = Series()
    series.take(JOBS, "CPUUtilization", 90.0, {"TrainingJobName": "a", "Host": "a/algo-1"})
    series.take(JOBS, "loss", 1.0, {"TrainingJobName": "b"})
    series.take("Elsewhere", "loss", 1.0, {"TrainingJobName": "a"})
    assert series.of_job("a") == {}


def test_an_endpoints_calls_are_counted_and_its_last_cold_start_kept() -> None:
    series = Series()
    for name, value in (
        ("Invocations", 1.0),
        ("Invocation5XXErrors", 0.0),
        ("ModelLatency", 3000.0),
        ("ModelSetupTime", 250_000.0),
        ("Invocations", 1.0),
        ("Invocation4XXErrors", 1.0),
        ("ModelLatency", 2000.0),
        ("CPUUtilization", 5.0),
    ):
        series.take("AWS/SageMaker", name, value, VARIANT, 10.0)
    traffic = series.of_variant("e", "v")
    assert (traffic.invocations, traffic.errors, traffic.latency) == (2, 1, 2000.0)
    assert (traffic.setup, traffic.setup_at) == (250_000.0, 10.0)
    assert series.of_variant("e", "other").invocations == 0


def test_the_jobs_that_were_silent_longest_are_forgotten() -> None:
    series = Series()
    for number in range(501):
        series.take(JOBS, "loss", 1.0, {"TrainingJobName": f"job-{number}"})
        series.take(JOBS, "loss", 1.0, {"TrainingJobName": "job-0"})
    assert series.of_job("job-0")
    assert series.of_job("job-1") == {}
    assert series.of_job("job-500")
