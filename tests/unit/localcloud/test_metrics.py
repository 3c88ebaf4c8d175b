"""What CloudWatch is sent of many values."""

from __future__ import annotations

from typing import Any

from localcloud.metrics import CloudWatchMetrics, summed


def datum(value: float, at: float = 1.0) -> dict[str, Any]:
    return {"MetricName": "m", "Value": value, "Unit": "None", "Timestamp": at, "Dimensions": []}


def test_few_values_are_sent_one_by_one() -> None:
    data = [datum(1), datum(2), datum(3)]
    assert summed(data) == data


def test_many_values_become_one_statistic_set() -> None:
    (found,) = summed([datum(value, at=value) for value in (3.0, 1.0, 4.0, 1.0, 5.0)])
    assert found == {
        "MetricName": "m",
        "Unit": "None",
        "Timestamp": 5.0,
        "Dimensions": [],
        "StatisticValues": {"SampleCount": 5, "Sum": 14.0, "Minimum": 1.0, "Maximum": 5.0},
    }


def test_sets_that_could_not_be_sent_are_summed_with_later_values() -> None:
    (earlier,) = summed([datum(value) for value in (1.0, 2.0, 3.0, 4.0)])
    (found,) = summed([earlier, datum(10.0), datum(0.0), datum(5.0)])
    assert found["StatisticValues"] == {
        "SampleCount": 7,
        "Sum": 25.0,
        "Minimum": 0.0,
        "Maximum": 10.0,
    }


class CloudWatch:
    """Keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
        self.sent += [(Namespace, datum) for datum in MetricData]


def test_every_value_is_told_by_the_end() -> None:
    cloudwatch = CloudWatch()
    metrics = CloudWatchMetrics(lambda service: cloudwatch)
    for value in range(1000):
        metrics.put("a", "busy", value, {"d": "1"}, unit="Count")
    metrics.put("a", "busy", 7, {"d": "2"}, unit="Count")
    metrics.put("b", "quiet", 5, {})
    metrics.close()
    told: dict[tuple[str, str, str], float] = {}
    for namespace, found in cloudwatch.sent:
        key = (namespace, found["MetricName"], str(found["Dimensions"]))
        count = found.get("StatisticValues", {"SampleCount": 1.0})["SampleCount"]
        told[key] = told.get(key, 0.0) + count
    assert sorted(told.values()) == [1, 1, 1000]
    assert len(cloudwatch.sent) < 10
