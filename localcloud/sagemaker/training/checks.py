"""CreateTrainingJob requests that the service model lets through and SageMaker does not, and what
the local cloud has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.metrics import compiled

CHECKPOINTS = "/opt/ml/checkpoints"
TENSORBOARD = "/opt/ml/output/tensorboard"
_ML = PurePosixPath("/opt/ml")
_DAY = 24 * 60 * 60


def check(request: dict[str, Any]) -> None:
    """Raises ValidationException."""
    support.check("CreateTrainingJob", request)  # tuning jobs ask for their trials, too
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if name not in request:
            raise ValidationException(f"{name} is required.")
    _check_algorithm(request["AlgorithmSpecification"])
    _check_resources(request["ResourceConfig"])
    _check_stopping(request)
    mode = request["AlgorithmSpecification"].get("TrainingInputMode", "File")
    groups = {g["InstanceGroupName"] for g in request["ResourceConfig"].get("InstanceGroups", [])}
    _check_channels(request.get("InputDataConfig", []), mode, groups)
    for uri in _places(request):
        if not uri.startswith("s3://"):
            raise support.unsupported("CreateTrainingJob", support.OTHER_URI)
    for name in ("CheckpointConfig", "TensorBoardOutputConfig"):
        path = request.get(name, {}).get("LocalPath")
        if path is not None:
            _check_local_path(path, f"{name}.LocalPath")


def with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request with what AWS adds to it."""
    algorithm = {"EnableSageMakerMetricsTimeSeries": False, **request["AlgorithmSpecification"]}
    algorithm.setdefault("TrainingInputMode", "File")
    return {
        **request,
        "AlgorithmSpecification": algorithm,
        "StoppingCondition": {"MaxRuntimeInSeconds": _DAY, **request["StoppingCondition"]},
    }


def below_ml(path: str) -> PurePosixPath:
    """A path of the container, `/opt/ml/checkpoints` say, from /opt/ml on."""
    return PurePosixPath(path).relative_to(_ML)


def _check_algorithm(algorithm: dict[str, Any]) -> None:
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise ValidationException(
            "AlgorithmSpecification needs exactly one of TrainingImage and AlgorithmName."
        )
    for definition in algorithm.get("MetricDefinitions", []):
        _check_metric(definition)


def _check_metric(definition: dict[str, str]) -> None:
    try:
        pattern = compiled(definition["Regex"])
    except ValueError as error:
        raise ValidationException(
            f"Invalid regular expression of metric {definition['Name']}: {error}"
        ) from error
    if pattern.groups != 1:
        raise ValidationException(
            f"The regular expression of metric {definition['Name']} must have exactly one group."
        )


def _check_resources(resources: dict[str, Any]) -> None:
    groups = resources.get("InstanceGroups")
    if groups:
        if resources.get("InstanceType") or resources.get("InstanceCount"):
            raise ValidationException(
                "ResourceConfig takes either InstanceGroups or InstanceType and InstanceCount."
            )
        names = [group["InstanceGroupName"] for group in groups]
        if len(names) != len(set(names)):
            raise ValidationException("InstanceGroupName must be unique in ResourceConfig.")
    for group in groups or [resources]:
        if not group.get("InstanceType") or not group.get("InstanceCount"):
            raise ValidationException("ResourceConfig needs InstanceType and InstanceCount.")


def _check_stopping(request: dict[str, Any]) -> None:
    """The first message is AWS's; how it words the second is not documented."""
    stopping = request["StoppingCondition"]
    wait = stopping.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise ValidationException(
                "Invalid MaxWaitTimeInSeconds. It is only supported when "
                "EnableManagedSpotTraining is set to true"
            )
    elif wait is None or wait < stopping.get("MaxRuntimeInSeconds", _DAY):
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )


def _check_channels(channels: list[dict[str, Any]], mode: str, groups: set[str]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    if len(names) != len(set(names)):
        raise ValidationException("Channel names in InputDataConfig must be unique.")
    for channel in channels:
        where = f"InputDataConfig {channel['ChannelName']} "
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ValidationException(f"{where}DataSource needs S3DataSource.")
        for name in ("CompressionType", "RecordWrapperType"):
            if channel.get(name, "None") != "None":
                raise ValidationException(f"{where}{name} is only supported in Pipe input mode.")
        if channel.get("InputMode", mode) == "FastFile" and source["S3DataType"] != "S3Prefix":
            raise ValidationException(f"{where}S3DataType must be S3Prefix in FastFile input mode.")
        for group in source.get("InstanceGroupNames", []):
            if group not in groups:
                raise ValidationException(f"{where}InstanceGroupNames: there is no group {group}.")


def _places(request: dict[str, Any]) -> Iterator[str]:
    """The URIs of a request whose channels are checked."""
    for channel in request.get("InputDataConfig", []):
        yield channel["DataSource"]["S3DataSource"]["S3Uri"]
    yield request["OutputDataConfig"]["S3OutputPath"]
    if "CheckpointConfig" in request:
        yield request["CheckpointConfig"]["S3Uri"]
    if "TensorBoardOutputConfig" in request:
        yield request["TensorBoardOutputConfig"]["S3OutputPath"]


def _check_local_path(path: str, name: str) -> None:
    """Only below /opt/ml can a process be given folders of its own; not where the input lies."""
    place = PurePosixPath(path)
    if _ML not in place.parents or ".." in place.parts:
        raise support.unsupported("CreateTrainingJob", support.LOCAL_PATH)
    if place.is_relative_to(_ML / "input"):
        raise ValidationException(f"{name} must not be below /opt/ml/input.")
