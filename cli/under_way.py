"""What SageMaker works on: jobs that are not over, and endpoints; by its List and Describe calls.

On AWS only what begins with the stage's prefix is told; a local cloud is told of whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

_STATUSES = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Job:
    """A job that is not over. `status` is the secondary status where there is one; `detail`: how
    far it is.
    """

    kind: str
    name: str
    status: str
    created: datetime
    detail: str = ""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint; `variants`: what serves it, a line each."""

    name: str
    status: str
    modified: datetime
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnderWay:
    """Asks `sagemaker` (a boto3 client) for what begins with `prefix`."""

    sagemaker: Any
    prefix: str = ""

    def jobs(self) -> list[Job]:
        """Training, tuning and transform jobs that are not over, the oldest first."""
        found = [*self._training(), *self._tuning(), *self._transform()]
        return sorted(found, key=lambda job: (job.created, job.name))

    def endpoints(self) -> list[Endpoint]:
        """All endpoints, by name."""
        found = []
        for item in self._listed("list_endpoints", "Endpoints", "EndpointName"):
            variants = self._variants(item["EndpointName"])
            if variants is not None:
                found.append(
                    Endpoint(
                        item["EndpointName"],
                        item["EndpointStatus"],
                        item["LastModifiedTime"],
                        variants,
                    )
                )
        return sorted(found, key=lambda endpoint: endpoint.name)

    def _training(self) -> Iterator[Job]:
        for item in self._not_over("list_training_jobs", "TrainingJobSummaries", "TrainingJobName"):
            name, status = item["TrainingJobName"], item["TrainingJobStatus"]
            secondary = item.get("SecondaryStatus")
            if secondary is None:  # the summary of an older API
                asked = self.sagemaker.describe_training_job(TrainingJobName=name)
                secondary = asked["SecondaryStatus"]
            yield Job("training", name, secondary or status, item["CreationTime"])

    def _tuning(self) -> Iterator[Job]:
        names = ("HyperParameterTuningJobSummaries", "HyperParameterTuningJobName")
        for item in self._not_over("list_hyper_parameter_tuning_jobs", *names):
            counts = item.get("TrainingJobStatusCounters", {})
            over = sum(counts.get(k, 0) for k in ("Completed", "Stopped", "NonRetryableError"))
            most = item.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs")
            detail = f"{over} of {most or '?'} trials over, {counts.get('InProgress', 0)} running"
            status = item["HyperParameterTuningJobStatus"]
            yield Job("tuning", item[names[1]], status, item["CreationTime"], detail)

    def _transform(self) -> Iterator[Job]:
        names = ("TransformJobSummaries", "TransformJobName")
        for item in self._not_over("list_transform_jobs", *names):
            yield Job("transform", item[names[1]], item["TransformJobStatus"], item["CreationTime"])

    def _variants(self, name: str) -> tuple[str, ...] | None:
        """None when the endpoint has gone meanwhile."""
        try:
            told = self.sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return None
        variants = told.get("ProductionVariants", [])
        instances: dict[str, str] = {}
        if any("CurrentServerlessConfig" not in variant for variant in variants):
            instances = self._instances(told["EndpointConfigName"])
        return tuple(_variant(v, instances.get(v["VariantName"], "instance")) for v in variants)

    def _instances(self, config: str) -> dict[str, str]:
        """Instance types by variant: of the endpoint's config, which may have been deleted."""
        try:
            told = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return {}
        return {
            v["VariantName"]: v["InstanceType"]
            for v in told["ProductionVariants"]
            if "InstanceType" in v
        }

    def _not_over(self, call: str, key: str, name: str) -> Iterator[dict[str, Any]]:
        for status in _STATUSES:
            yield from self._listed(call, key, name, StatusEquals=status)

    def _listed(self, call: str, key: str, name: str, **wanted: str) -> Iterator[dict[str, Any]]:
        if self.prefix:
            wanted["NameContains"] = self.prefix
        for page in self.sagemaker.get_paginator(call).paginate(**wanted):
            yield from (item for item in page[key] if item[name].startswith(self.prefix))


def _variant(variant: dict[str, Any], instance: str) -> str:
    size = variant.get("CurrentServerlessConfig")
    if size:
        provisioned = size.get("ProvisionedConcurrency")
        text = f"serverless {size['MemorySizeInMB']} MB, {size['MaxConcurrency']} at once"
        text += f", {provisioned} provisioned" if provisioned else ""
    else:
        text = f"{variant.get('CurrentInstanceCount', 0)} x {instance}"
    weight = variant.get("CurrentWeight", 1.0)
    return f"{variant['VariantName']}: {text}" + (f", weight {weight:g}" if weight != 1 else "")


def since(time: datetime, now: datetime | None = None) -> str:
    """How long ago, as a person says it: `45 s`, `3 min`, `2 h 5 min`, `4 d`."""
    seconds = max(0, int(((now or datetime.now(UTC)) - time).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86400} d"
