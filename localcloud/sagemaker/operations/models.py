"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from __future__ import annotations

from typing import Any

from localcloud.ports import AccessDenied
from localcloud.sagemaker import packages, support
from localcloud.sagemaker.artifacts import head
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.deployment import container_definition
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.s3data import DataError
from localcloud.sagemaker.store import Kind, Resource


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    _check_container(cloud, request)
    model = cloud.create(
        Kind.MODEL,
        request["ModelName"],
        request,
        lambda existing: ValidationException(
            f'Cannot create already existing model "{existing.arn}".'
        ),
    )
    return {"ModelArn": model.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    model = get(cloud, request["ModelName"])
    return {
        "EnableNetworkIsolation": False,
        **model.view,
        "ModelArn": model.arn,
        "CreationTime": model.created,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.MODEL))


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    model = get(cloud, request["ModelName"])
    cloud.store.delete(Kind.MODEL, model.name)
    return {}


def get(cloud: Cloud, name: str) -> Resource:
    """The model. Raises MissingResource in SageMaker's words."""
    model = cloud.store.get(Kind.MODEL, name)
    if model is None:
        raise MissingResource(f'Could not find model "{cloud.arn(Kind.MODEL, name)}".')
    return model


def _check_container(cloud: Cloud, request: dict[str, Any]) -> None:
    containers = request.get("Containers") or []
    given = [*containers, *([request["PrimaryContainer"]] if "PrimaryContainer" in request else [])]
    if len(given) > 1:
        raise support.unsupported("CreateModel", support.PIPELINE)
    if not given:
        raise ValidationException("PrimaryContainer or Containers is required.")
    if "ExecutionRoleArn" not in request:
        raise ValidationException("ExecutionRoleArn is required.")
    cloud.roles.check_assumable(request["ExecutionRoleArn"])
    container = given[0]
    if ("Image" in container) == ("ModelPackageName" in container):
        raise ValidationException("A container needs either Image or ModelPackageName.")
    if "InferenceSpecificationName" in container and "Image" in container:
        raise ValidationException("InferenceSpecificationName needs a ModelPackageName.")
    if "ModelPackageName" in container:
        _check_package(cloud, container["ModelPackageName"])
    try:
        definition = container_definition(cloud, request)
        if url := definition.get("ModelDataUrl"):
            head(cloud.roles.s3(request["ExecutionRoleArn"], "SageMaker-CreateModel"), url)
    except (DataError, AccessDenied) as error:
        raise ValidationException(str(error)) from error


def _check_package(cloud: Cloud, arn: str) -> None:
    package = packages.get(cloud, arn)
    approval = package.view.get("ModelApprovalStatus")
    if approval not in (None, "Approved"):
        raise ValidationException(
            f"Model package {arn} has the approval status {approval}: it must be Approved."
        )


def _summary(model: Resource) -> dict[str, Any]:
    return {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}


_LISTING = Listing("Models", _summary)
