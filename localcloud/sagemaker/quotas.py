"""Quotas of 0 for instance types, on demand.

The local cloud has no quotas of its own. AWS looks when a job or an endpoint is created or an
endpoint is updated, not when its config is made. A name that is taken is told first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ResourceLimitExceeded
from localcloud.sagemaker.store import Kind

Request = dict[str, Any]

_CREATES = {
    "CreateTrainingJob": (Kind.TRAINING_JOB, "TrainingJobName"),
    "CreateTransformJob": (Kind.TRANSFORM_JOB, "TransformJobName"),
    "CreateHyperParameterTuningJob": (Kind.TUNING_JOB, "HyperParameterTuningJobName"),
    "CreateEndpoint": (Kind.ENDPOINT, "EndpointName"),
}
_ENDS = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True)
class Demand:
    """`count` instances of a type. `usage` as in the quotas' names: `training job usage`."""

    instance_type: str
    usage: str
    count: int


def check(cloud: Cloud, operation: str, request: Request) -> None:
    """Raises ResourceLimitExceeded where a quota of 0 is in force for what is asked."""
    if operation in _CREATES:
        kind, member = _CREATES[operation]
        if cloud.store.get(kind, request[member]) is not None:
            return
    for demand in _demands(cloud, operation, request):
        hitch = cloud.trouble.next("quota", demand.instance_type)
        if hitch is not None:
            raise ResourceLimitExceeded(hitch.message or _words(cloud, demand))


def _words(cloud: Cloud, demand: Demand) -> str:
    used = sum(
        other.count
        for other in _running(cloud)
        if (other.instance_type, other.usage) == (demand.instance_type, demand.usage)
    )
    return (
        f"The account-level service limit '{demand.instance_type} for {demand.usage}' is "
        f"0 Instances, with current utilization of {used} Instances and a request delta of "
        f"{demand.count} Instances. Please use AWS Service Quotas to request an increase for this "
        "quota. If AWS Service Quotas is not available, contact AWS support to request an increase "
        "for this quota."
    )


def _demands(cloud: Cloud, operation: str, request: Request) -> Iterator[Demand]:
    if operation == "CreateTrainingJob":
        yield from _training(request)
    elif operation == "CreateTransformJob":
        yield from _instances([request["TransformResources"]], "transform job usage")
    elif operation == "CreateHyperParameterTuningJob":
        # That AWS looks here for all that may run at once is not documented; we do.
        at_once = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        one, several = "TrainingJobDefinition", "TrainingJobDefinitions"
        for definition in [request[one]] if one in request else request.get(several, []):
            for demand in _training(definition):
                count = demand.count * at_once["MaxParallelTrainingJobs"]
                yield Demand(demand.instance_type, demand.usage, count)
    elif operation in {"CreateEndpoint", "UpdateEndpoint"}:
        yield from _variants(cloud, request["EndpointConfigName"])


def _training(request: Request) -> Iterator[Demand]:
    resources = request.get("ResourceConfig") or request.get("HyperParameterTuningResourceConfig")
    if resources:
        spot = "spot " if request.get("EnableManagedSpotTraining") else ""
        groups = resources.get("InstanceGroups") or resources.get("InstanceConfigs") or [resources]
        yield from _instances(groups, f"{spot}training job usage")


def _variants(cloud: Cloud, config_name: str) -> Iterator[Demand]:
    config = cloud.store.get(Kind.ENDPOINT_CONFIG, config_name)
    variants = config.request["ProductionVariants"] if config else []
    yield from _instances(variants, "endpoint usage")


def _instances(parts: list[Request], usage: str) -> Iterator[Demand]:
    for part in parts:
        if part.get("InstanceType"):
            count = part.get("InstanceCount") or part.get("InitialInstanceCount") or 1
            yield Demand(part["InstanceType"], usage, count)


def _running(cloud: Cloud) -> Iterator[Demand]:
    """What runs now. Tuning jobs run by their training jobs."""
    for kind, operation in (
        (Kind.TRAINING_JOB, "CreateTrainingJob"),
        (Kind.TRANSFORM_JOB, "CreateTransformJob"),
    ):
        for job in cloud.store.all(kind):
            if job.status not in _ENDS:
                yield from _demands(cloud, operation, job.request)
    for endpoint in cloud.store.all(Kind.ENDPOINT):
        yield from _variants(cloud, endpoint.state.get("EndpointConfigName", ""))
