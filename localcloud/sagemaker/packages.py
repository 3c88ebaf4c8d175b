"""Model packages as the operations and the deployment of models see them.

A versioned package is stored under `<group>/<version>`, as its ARN ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ValidationException
from localcloud.sagemaker.store import Kind, Resource

_NOT_SERVED = (
    "ModelDataSource",
    "AdditionalModelDataSources",
    "AdditionalS3DataSource",
    "ProductId",
    "IsCheckpoint",
    "BaseModel",
)


def arn_of(cloud: Cloud, name_or_arn: str, kind: Kind = Kind.MODEL_PACKAGE) -> str:
    """The ARN of a package, or of another kind, given by name or ARN.

    Raises ValidationException for an ARN of another Region.
    """
    if ":" not in name_or_arn:
        return cloud.arn(kind, name_or_arn)
    if name_or_arn.split(":")[3] != cloud.settings.region:
        raise ValidationException(
            f"ARN should be scoped to correct region: {cloud.settings.region}"
        )
    return name_or_arn


def get(cloud: Cloud, name_or_arn: str) -> Resource:
    """The package of a name or an ARN. Raises MissingResource, ValidationException."""
    arn = arn_of(cloud, name_or_arn)
    package = cloud.store.by_arn(arn)
    if package is None or package.kind != Kind.MODEL_PACKAGE:
        raise MissingResource(f"ModelPackage {arn} does not exist.")
    return package


def versioned(package: Resource) -> bool:
    """Whether it belongs to a group."""
    return "ModelPackageVersion" in package.state


def container(package: Resource, specification: str | None) -> dict[str, Any]:
    """The container to serve a package with.

    specification: the name of one of its AdditionalInferenceSpecifications, or None
    Raises ValidationException for what is not there or cannot be served here.
    """
    view = package.view
    found = view.get("InferenceSpecification")
    if specification is not None:
        additional = view.get("AdditionalInferenceSpecifications", [])
        found = next((item for item in additional if item["Name"] == specification), None)
    if found is None:
        name = f" {specification}" if specification else ""
        raise ValidationException(f"{package.arn} has no inference specification{name}.")
    if len(found["Containers"]) > 1:
        raise support.unsupported("CreateModel", support.PIPELINE)
    only: dict[str, Any] = found["Containers"][0]
    if any(only.get(name) for name in _NOT_SERVED):
        raise support.unsupported("CreateModel", support.PACKAGE_DATA)
    if "Image" not in only:
        raise ValidationException(f"{package.arn} names no Image.")
    return only


def user_context(caller_arn: str | None) -> dict[str, Any]:
    """UserContext as CreatedBy and LastModifiedBy show it.

    AWS gives the principal's id too, which the local IAM does not tell.
    """
    return {"IamIdentity": {"Arn": caller_arn}} if caller_arn else {}


def by_name(package: Resource) -> tuple[Any, ...]:
    """The order of SortBy=Name: version 10 comes after version 9."""
    name, _, version = package.name.partition("/")
    return (name, int(version or 0))


def shown(view: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the members that are there."""
    return {name: view[name] for name in names if name in view}
