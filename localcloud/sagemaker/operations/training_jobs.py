"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob."""

from __future__ import annotations

import re
from typing import Any

from localcloud.sagemaker import training
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ResourceInUse, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations._unsupported import only, refuse, unsupported
from localcloud.sagemaker.store import Kind, Resource

_DAY = 24 * 60 * 60
_UNSUPPORTED = (
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "TensorBoardOutputConfig",
    "SessionChainingConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
    "DebugRuleConfigurations",
    "ProfilerRuleConfigurations",
)


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return {"TrainingJobArn": launch(cloud, request).arn}


def launch(cloud: Cloud, request: dict[str, Any], **state: Any) -> Resource:
    """Create a job and start it; `state`: what else DescribeTrainingJob shows, say TuningJobArn."""
    _check(request)
    full = _with_defaults(request)
    job = cloud.create(
        Kind.TRAINING_JOB,
        request["TrainingJobName"],
        full,
        lambda existing: ResourceInUse(
            "Training job names must be unique within an AWS account and region, and a training "
            f"job with this name already exists ({existing.arn})"
        ),
        status="InProgress",
        state=state,
    )
    training.enter(cloud, job.name, "InProgress", "Starting")
    cloud.training.start(job.name)
    return job


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    return {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **job.view,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    refuse(request, ("WarmPoolStatusEquals", "TrainingPlanArnEquals"))
    return _LISTING.answer(request, cloud.store.all(Kind.TRAINING_JOB))


def stop(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    moved = training.enter(cloud, job.name, "Stopping", "Stopping", only_from=("InProgress",))
    if moved is None:
        now = _get(cloud, request)
        if now.status != "Stopping":
            raise ValidationException(
                f"The request was rejected because the training job is in status {now.status}."
            )
    cloud.training.stop(job.name)
    return {}


def _get(cloud: Cloud, request: dict[str, Any]) -> Resource:
    job = cloud.store.get(Kind.TRAINING_JOB, request["TrainingJobName"])
    if job is None:
        raise MissingResource("Requested resource not found.")
    return job


def _summary(job: Resource) -> dict[str, Any]:
    summary = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.state.get("SecondaryStatus", "Starting"),
    }
    if "TrainingEndTime" in job.state:
        summary["TrainingEndTime"] = job.state["TrainingEndTime"]
    return summary


_LISTING = Listing("TrainingJobSummaries", _summary, default_order="Ascending")


def _check(request: dict[str, Any]) -> None:
    """What the service model cannot say. Raises ValidationException."""
    refuse(request, _UNSUPPORTED)
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if name not in request:
            raise ValidationException(f"{name} is required.")
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise ValidationException(
            "AlgorithmSpecification needs exactly one of TrainingImage and AlgorithmName."
        )
    refuse(
        algorithm,
        ("AlgorithmName", "ContainerEntrypoint", "ContainerArguments"),
        "AlgorithmSpecification.",
    )
    only(algorithm.get("TrainingInputMode"), ("File",), "TrainingInputMode")
    for definition in algorithm.get("MetricDefinitions", []):
        _check_metric(definition)
    refuse(resources, ("InstanceGroups", "KeepAlivePeriodInSeconds"), "ResourceConfig.")
    if not resources.get("InstanceType") or not resources.get("InstanceCount"):
        raise ValidationException("ResourceConfig needs InstanceType and InstanceCount.")
    if resources["InstanceCount"] > 1:
        raise unsupported("ResourceConfig.InstanceCount greater than 1")
    only(request["OutputDataConfig"].get("CompressionType"), ("GZIP",), "CompressionType")
    _check_channels(request.get("InputDataConfig", []))


def _check_channels(channels: list[dict[str, Any]]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    if len(names) != len(set(names)):
        raise ValidationException("Channel names in InputDataConfig must be unique.")
    for channel in channels:
        where = f"InputDataConfig {channel['ChannelName']} "
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise unsupported(f"{where}DataSource other than S3DataSource")
        only(channel.get("InputMode"), ("File",), f"{where}InputMode")
        only(channel.get("CompressionType"), ("None",), f"{where}CompressionType")
        only(channel.get("RecordWrapperType"), ("None",), f"{where}RecordWrapperType")
        only(source["S3DataType"], ("S3Prefix", "ManifestFile"), f"{where}S3DataType")
        distribution = source.get("S3DataDistributionType")
        only(distribution, ("FullyReplicated",), f"{where}S3DataDistributionType")
        refuse(channel, ("ShuffleConfig",), where)


def _check_metric(definition: dict[str, str]) -> None:
    try:
        pattern = re.compile(definition["Regex"])
    except re.error as error:
        raise ValidationException(
            f"Invalid regular expression of metric {definition['Name']}: {error}"
        ) from error
    if pattern.groups != 1:
        raise ValidationException(
            f"The regular expression of metric {definition['Name']} must have exactly one group."
        )


def _with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    algorithm = {"EnableSageMakerMetricsTimeSeries": False, **request["AlgorithmSpecification"]}
    algorithm.setdefault("TrainingInputMode", "File")
    return {
        **request,
        "AlgorithmSpecification": algorithm,
        "StoppingCondition": {"MaxRuntimeInSeconds": _DAY, **request["StoppingCondition"]},
    }
