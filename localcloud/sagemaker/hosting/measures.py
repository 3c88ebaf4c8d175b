"""What CloudWatch is told of invocations: namespace AWS/SageMaker, dimensions EndpointName and
VariantName, latencies in microseconds.

Source: "SageMaker endpoint invocation metrics" and "Monitor a serverless endpoint" in the developer
guide. The names Invocation4XXErrors and Invocation5XXErrors are as in the first; the second writes
Invocations4XXErrors. MemoryUtilization and the other metrics of instances are not there.
"""

from __future__ import annotations

from localcloud.ports import Metrics
from localcloud.sagemaker.deployment import Variant
from localcloud.sagemaker.hosting.fleet import Lease

NAMESPACE = "AWS/SageMaker"
_MICROSECONDS = 1_000_000


class Measures:
    """The metrics of one endpoint's variant."""

    def __init__(self, metrics: Metrics, endpoint: str, variant: str) -> None:
        self._metrics = metrics
        self._dimensions = {"EndpointName": endpoint, "VariantName": variant}

    def invocation(
        self,
        variant: Variant,
        lease: Lease,
        *,
        status: int | None,
        model: float | None,
        setup: float,
        total: float,
    ) -> None:
        """One InvokeEndpoint that reached a container.

        status: the container's, None when it did not answer
        model, setup, total: seconds in the container (None: no answer), of its start, and of all
        """
        self._put("Invocations", 1)
        self.answer(status, model)
        if model is not None:
            self._microseconds("OverheadLatency", max(0.0, total - model))
        if not variant.serverless:
            self._put("InvocationsPerInstance", 1 / max(1, lease.view.containers))
            return
        if setup:
            self._microseconds("ModelSetupTime", setup)
        self._serverless(lease)

    def answer(self, status: int | None, model: float | None) -> None:
        """What the model answered, for asynchronous endpoints too."""
        failed = status is None or status >= 500
        self._put("Invocation4XXErrors", float(status is not None and 400 <= status < 500))
        self._put("Invocation5XXErrors", float(failed))
        if model is not None:
            self._microseconds("ModelLatency", model)

    def count(self, name: str, value: float = 1.0) -> None:
        """One value of a metric that counts."""
        self._put(name, value, "Count")

    def latency(self, name: str, seconds: float) -> None:
        """One value of a metric in microseconds."""
        self._microseconds(name, seconds)

    def milliseconds(self, name: str, seconds: float) -> None:
        """One value of a metric in milliseconds."""
        self._put(name, seconds * 1000, "Milliseconds")

    def _serverless(self, lease: Lease) -> None:
        view = lease.view
        if view.limit:
            self._put("ServerlessConcurrentExecutionsUtilization", view.busy / view.limit)
        if not view.provisioned:
            return
        self.count("ServerlessProvisionedConcurrencyExecutions", view.provisioned_busy)
        share = view.provisioned_busy / view.provisioned
        self._put("ServerlessProvisionedConcurrencyUtilization", share)
        kind = "Invocations" if lease.provisioned else "SpilloverInvocations"
        self.count(f"ServerlessProvisionedConcurrency{kind}")

    def _microseconds(self, name: str, seconds: float) -> None:
        self._put(name, round(seconds * _MICROSECONDS), "Microseconds")

    def _put(self, name: str, value: float, unit: str = "None") -> None:
        self._metrics.put(NAMESPACE, name, value, self._dimensions, unit=unit)


def backlog(metrics: Metrics, endpoint: str, count: int, instances: int, age: float) -> None:
    """The queue of an asynchronous endpoint: `count` requests, the oldest `age` seconds old."""
    dimensions = {"EndpointName": endpoint}
    metrics.put(NAMESPACE, "ApproximateBacklogSize", count, dimensions, unit="Count")
    metrics.put(NAMESPACE, "ApproximateAgeOfOldestRequest", age, dimensions, unit="Seconds")
    if instances:
        share = count / instances
        metrics.put(NAMESPACE, "ApproximateBacklogSizePerInstance", share, dimensions, unit="Count")
    stuck = float(count > 0 and instances == 0)
    metrics.put(NAMESPACE, "HasBacklogWithoutCapacity", stuck, dimensions, unit="Count")
