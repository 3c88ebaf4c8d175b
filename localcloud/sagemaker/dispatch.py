"""Which function answers which operation, and what is checked before it is called.

The order, as at AWS: the operation exists → the body fits the service model → what it asks for is
supported here → IAM allows the
action, the tags and the passing of roles → quotas → the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.ports import AccessDenied, Caller
from localcloud.sagemaker import quotas, support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import (
    AccessDeniedException,
    NotImplementedException,
    UnknownOperationException,
)
from localcloud.sagemaker.operations import (
    endpoint_configs,
    endpoints,
    model_package_groups,
    model_package_updates,
    model_packages,
    models,
    tags,
    training_jobs,
    transform_jobs,
    tuning_jobs,
)
from localcloud.sagemaker.store import Kind
from localcloud.sagemaker.validation import operation_model, validate

Request = dict[str, Any]
Handler = Callable[[Cloud, Request], dict[str, Any]]
Resources = Callable[[Cloud, Request], list[str]]


@dataclass(frozen=True)
class Operation:
    """`resources` gives the ARNs on which IAM must allow the action, `roles` the members to
    PassRole: `RoleArn`, or `Definition.RoleArn` inside a structure or each of a list of them.
    A `signed` one finds the caller's ARN in the request's `_caller`.
    """

    handler: Handler
    resources: Resources
    roles: tuple[str, ...] = ()
    signed: bool = False


def _named(kind: Kind, member: str) -> Resources:
    return lambda cloud, request: [cloud.arn(kind, request[member])]


def _any(cloud: Cloud, request: Request) -> list[str]:
    return ["*"]


def _endpoint_and_config(cloud: Cloud, request: Request) -> list[str]:
    return [
        cloud.arn(Kind.ENDPOINT, request["EndpointName"]),
        cloud.arn(Kind.ENDPOINT_CONFIG, request["EndpointConfigName"]),
    ]


def _group(cloud: Cloud, request: Request) -> list[str]:
    name = model_package_groups.group_name(request["ModelPackageGroupName"])
    return [cloud.arn(Kind.MODEL_PACKAGE_GROUP, name)]


def _package(member: str) -> Resources:
    return lambda cloud, request: [model_packages.arn_of(cloud, request[member])]


_TRAINING_JOB = _named(Kind.TRAINING_JOB, "TrainingJobName")
_MODEL = _named(Kind.MODEL, "ModelName")
_ENDPOINT_CONFIG = _named(Kind.ENDPOINT_CONFIG, "EndpointConfigName")
_ENDPOINT = _named(Kind.ENDPOINT, "EndpointName")
_TRANSFORM_JOB = _named(Kind.TRANSFORM_JOB, "TransformJobName")
_TUNING_JOB = _named(Kind.TUNING_JOB, "HyperParameterTuningJobName")
_ROLE = ("RoleArn",)
_TRIALS_ROLES = ("TrainingJobDefinition.RoleArn", "TrainingJobDefinitions.RoleArn")
_EXECUTION_ROLE = ("ExecutionRoleArn",)

OPERATIONS: dict[str, Operation] = {
    "CreateTrainingJob": Operation(training_jobs.create, _TRAINING_JOB, _ROLE),
    "DescribeTrainingJob": Operation(training_jobs.describe, _TRAINING_JOB),
    "ListTrainingJobs": Operation(training_jobs.list_, _any),
    "StopTrainingJob": Operation(training_jobs.stop, _TRAINING_JOB),
    "DeleteTrainingJob": Operation(training_jobs.delete, _TRAINING_JOB),
    "CreateHyperParameterTuningJob": Operation(tuning_jobs.create, _TUNING_JOB, _TRIALS_ROLES),
    "DescribeHyperParameterTuningJob": Operation(tuning_jobs.describe, _TUNING_JOB),
    "ListHyperParameterTuningJobs": Operation(tuning_jobs.list_, _any),
    "ListTrainingJobsForHyperParameterTuningJob": Operation(tuning_jobs.list_trials, _TUNING_JOB),
    "StopHyperParameterTuningJob": Operation(tuning_jobs.stop, _TUNING_JOB),
    "DeleteHyperParameterTuningJob": Operation(tuning_jobs.delete, _TUNING_JOB),
    "CreateModel": Operation(models.create, _MODEL, _EXECUTION_ROLE),
    "DescribeModel": Operation(models.describe, _MODEL),
    "ListModels": Operation(models.list_, _any),
    "DeleteModel": Operation(models.delete, _MODEL),
    "CreateEndpointConfig": Operation(endpoint_configs.create, _ENDPOINT_CONFIG, _EXECUTION_ROLE),
    "DescribeEndpointConfig": Operation(endpoint_configs.describe, _ENDPOINT_CONFIG),
    "ListEndpointConfigs": Operation(endpoint_configs.list_, _any),
    "DeleteEndpointConfig": Operation(endpoint_configs.delete, _ENDPOINT_CONFIG),
    "CreateEndpoint": Operation(endpoints.create, _endpoint_and_config),
    "UpdateEndpoint": Operation(endpoints.update, _endpoint_and_config),
    "UpdateEndpointWeightsAndCapacities": Operation(
        endpoints.update_weights_and_capacities, _ENDPOINT
    ),
    "DescribeEndpoint": Operation(endpoints.describe, _ENDPOINT),
    "ListEndpoints": Operation(endpoints.list_, _any),
    "DeleteEndpoint": Operation(endpoints.delete, _ENDPOINT),
    "CreateTransformJob": Operation(transform_jobs.create, _TRANSFORM_JOB),
    "DescribeTransformJob": Operation(transform_jobs.describe, _TRANSFORM_JOB),
    "ListTransformJobs": Operation(transform_jobs.list_, _any),
    "StopTransformJob": Operation(transform_jobs.stop, _TRANSFORM_JOB),
    "CreateModelPackageGroup": Operation(model_package_groups.create, _group, signed=True),
    "DescribeModelPackageGroup": Operation(model_package_groups.describe, _group),
    "ListModelPackageGroups": Operation(model_package_groups.list_, _any),
    "DeleteModelPackageGroup": Operation(model_package_groups.delete, _group),
    "CreateModelPackage": Operation(
        model_packages.create,
        lambda cloud, request: [model_packages.arn_to_create(cloud, request)],
        signed=True,
    ),
    "BatchDescribeModelPackage": Operation(
        model_packages.batch_describe, lambda cloud, request: request["ModelPackageArnList"]
    ),
    "DescribeModelPackage": Operation(model_packages.describe, _package("ModelPackageName")),
    "ListModelPackages": Operation(model_packages.list_, _any),
    "UpdateModelPackage": Operation(
        model_package_updates.update, _package("ModelPackageArn"), signed=True
    ),
    "DeleteModelPackage": Operation(model_packages.delete, _package("ModelPackageName")),
    "AddTags": Operation(tags.add, lambda cloud, request: [request["ResourceArn"]]),
    "ListTags": Operation(tags.list_, lambda cloud, request: [request["ResourceArn"]]),
    "DeleteTags": Operation(tags.delete, lambda cloud, request: [request["ResourceArn"]]),
}


def perform(cloud: Cloud, caller: Caller, name: str, request: object) -> dict[str, Any]:
    """Carry out one operation; raises SageMakerError."""
    model = operation_model(name)
    if model is None:
        raise UnknownOperationException(f"The operation {name} is not known to SageMaker.")
    operation = OPERATIONS.get(name)
    if operation is None:
        raise NotImplementedException(f"The local cloud does not have the operation {name}.")
    body: Request = {} if request is None else request  # type: ignore[assignment]
    if model.input_shape is not None:
        validate(body, model.input_shape)
    body = _without_nulls(body)
    support.check(name, body)
    resources = operation.resources(cloud, body)
    authorize(cloud, caller, name, resources, body, roles=operation.roles)
    quotas.check(cloud, name, body)
    if operation.signed:
        body["_caller"] = caller.arn
    return operation.handler(cloud, body)


def _without_nulls(value: Any) -> Any:
    """A member that is null is one that is not there, at any depth (AWS's JSON protocols)."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def authorize(
    cloud: Cloud,
    caller: Caller,
    name: str,
    resources: list[str],
    request: Request,
    *,
    roles: tuple[str, ...] = (),
) -> None:
    """Ask IAM for the action, for AddTags when there are Tags, and for PassRole on the roles."""
    try:
        for resource in resources:
            cloud.access.check(caller, f"sagemaker:{name}", resource)
        if request.get("Tags") and name != "AddTags":
            cloud.access.check(caller, "sagemaker:AddTags", resources[0])
        for role in dict.fromkeys(r for member in roles for r in _members(request, member)):
            service = {"iam:PassedToService": "sagemaker.amazonaws.com"}
            cloud.access.check(caller, "iam:PassRole", role, service)
    except AccessDenied as error:
        raise AccessDeniedException(str(error)) from error


def _members(request: Request, path: str) -> list[str]:
    """What a request has at a path of members; where one is a list, of each of its items."""
    found: list[Any] = [request]
    for member in path.split("."):
        values = [part[member] for part in found if member in part]
        found = [item for v in values for item in (v if isinstance(v, list) else [v])]
    return found
