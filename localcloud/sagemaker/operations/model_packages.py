"""CreateModelPackage, DescribeModelPackage, ListModelPackages, UpdateModelPackage,
DeleteModelPackage.

A versioned package is stored under `<group>/<version>`, as its ARN ends; its numbers are never
used twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ConflictException, MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import model_package_groups as groups
from localcloud.sagemaker.operations._unsupported import refuse
from localcloud.sagemaker.state_changes import publish_model_package
from localcloud.sagemaker.store import Kind, Resource

_UNSUPPORTED = (
    "ValidationSpecification",
    "SourceAlgorithmSpecification",
    "CertifyForMarketplace",
    "SecurityConfig",
    "ManagedStorageType",
)
_LAST_VERSION = "_last_version"


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    refuse(request, _UNSUPPORTED)
    if ("ModelPackageGroupName" in request) == ("ModelPackageName" in request):
        raise ValidationException(
            "Exactly one of ModelPackageGroupName and ModelPackageName must be given."
        )
    versioned = "ModelPackageGroupName" in request
    if versioned and request.get("Tags"):
        raise ValidationException(
            "Tags are not allowed on a versioned model package: put them on its group."
        )
    with cloud.store.transaction():
        earlier = _same_token(cloud, request)
        if earlier is not None:
            return {"ModelPackageArn": earlier.arn}
        name, state = _next_version(cloud, request) if versioned else _unversioned(request)
        package = cloud.create(
            Kind.MODEL_PACKAGE,
            name,
            request,
            lambda existing: ConflictException(f"Model Package already exists: {existing.arn}"),
            status="Completed",
            state={
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
                **state,
            },
        )
    publish_model_package(cloud, package)
    return {"ModelPackageArn": package.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    package = _get(cloud, request["ModelPackageName"])
    view = package.view
    view.pop("ClientToken", None)
    return {
        **view,
        "ModelPackageName": package.name.split("/")[0],
        "ModelPackageArn": package.arn,
        "ModelPackageStatus": package.status,
        "CreationTime": package.created,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    packages = cloud.store.all(Kind.MODEL_PACKAGE)
    if "ModelPackageGroupName" in request:
        group = groups.get(cloud, request["ModelPackageGroupName"])
        packages = [p for p in packages if p.state.get("ModelPackageGroupName") == group.name]
    else:
        # Without a group and a type the service lists the unversioned ones alone.
        wanted = request.get("ModelPackageType", "Unversioned")
        if wanted != "Both":
            versioned = wanted == "Versioned"
            packages = [p for p in packages if _is_versioned(p) == versioned]
    if "ModelApprovalStatus" in request:
        wanted = request["ModelApprovalStatus"]
        packages = [p for p in packages if p.view.get("ModelApprovalStatus") == wanted]
    return _LISTING.answer(request, packages)


def update(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    refuse(request, ("AdditionalInferenceSpecificationsToAdd", "ClientToken"))
    package = _get(cloud, request["ModelPackageArn"])

    def change(current: Resource) -> Resource:
        view = current.view
        metadata = {
            **view.get("CustomerMetadataProperties", {}),
            **request.get("CustomerMetadataProperties", {}),
        }
        for key in request.get("CustomerMetadataPropertiesToRemove", []):
            metadata.pop(key, None)
        changes: dict[str, Any] = {
            name: request[name]
            for name in (
                "ModelApprovalStatus",
                "ApprovalDescription",
                "ModelPackageRegistrationType",
                "InferenceSpecification",
                "SourceUri",
                "ModelCard",
                "ModelLifeCycle",
            )
            if name in request
        }
        now = cloud.clock.now()
        changes |= {"LastModifiedTime": now, "CustomerMetadataProperties": metadata or None}
        # What the request of the creation said is replaced by what is said now.
        first = {k: v for k, v in current.request.items() if k not in changes}
        return replace(current, modified=now, request=first).with_state(**changes)

    changed = cloud.store.change(Kind.MODEL_PACKAGE, package.name, change)
    if changed is None:
        raise _missing(package.arn)
    publish_model_package(cloud, changed)
    return {"ModelPackageArn": changed.arn}


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    package = _get(cloud, request["ModelPackageName"])
    cloud.store.delete(Kind.MODEL_PACKAGE, package.name)
    return {}


def arn_to_create(cloud: Cloud, request: dict[str, Any]) -> str:
    """The ARN that CreateModelPackage would give, for IAM."""
    if "ModelPackageGroupName" in request:
        name = groups.group_name(request["ModelPackageGroupName"])
        group = cloud.store.get(Kind.MODEL_PACKAGE_GROUP, name)
        version = (group.state.get(_LAST_VERSION, 0) if group else 0) + 1
        return cloud.arn(Kind.MODEL_PACKAGE, f"{name}/{version}")
    return cloud.arn(Kind.MODEL_PACKAGE, request.get("ModelPackageName", "*"))


def arn_of(cloud: Cloud, name_or_arn: str) -> str:
    """The ARN of a package given by name or ARN."""
    return name_or_arn if ":" in name_or_arn else cloud.arn(Kind.MODEL_PACKAGE, name_or_arn)


def _get(cloud: Cloud, name_or_arn: str) -> Resource:
    arn = arn_of(cloud, name_or_arn)
    package = cloud.store.by_arn(arn)
    if package is None or package.kind != Kind.MODEL_PACKAGE:
        raise _missing(arn)
    return package


def _missing(arn: str) -> MissingResource:
    return MissingResource(f"ModelPackage {arn} does not exist.")


def _same_token(cloud: Cloud, request: dict[str, Any]) -> Resource | None:
    """The package that a request with this ClientToken has made. Raises ConflictException."""
    token = request.get("ClientToken")
    if token is None:
        return None
    for package in cloud.store.all(Kind.MODEL_PACKAGE):
        if package.state.get("_client_token") == token:
            if package.state["_client_request"] != request:
                raise ConflictException(
                    f"ClientToken {token} was used with other parameters for {package.arn}."
                )
            return package
    return None


def _next_version(cloud: Cloud, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    group = groups.get(cloud, request["ModelPackageGroupName"])
    version = group.state.get(_LAST_VERSION, 0) + 1
    cloud.store.change(
        Kind.MODEL_PACKAGE_GROUP, group.name, lambda g: g.with_state(**{_LAST_VERSION: version})
    )
    approval = request.get("ModelApprovalStatus", "PendingManualApproval")
    return f"{group.name}/{version}", {
        "ModelPackageGroupName": group.name,
        "ModelPackageVersion": version,
        "ModelApprovalStatus": approval,
        **_token_state(request),
    }


def _unversioned(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return request["ModelPackageName"], _token_state(request)


def _token_state(request: dict[str, Any]) -> dict[str, Any]:
    if "ClientToken" not in request:
        return {}
    return {"_client_token": request["ClientToken"], "_client_request": request}


def _is_versioned(package: Resource) -> bool:
    return "ModelPackageVersion" in package.state


def _summary(package: Resource) -> dict[str, Any]:
    view = package.view
    summary = {
        "ModelPackageName": package.name.split("/")[0],
        "ModelPackageArn": package.arn,
        "CreationTime": package.created,
        "ModelPackageStatus": package.status,
    }
    for name in (
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageDescription",
        "ModelApprovalStatus",
        "ModelLifeCycle",
        "ModelPackageRegistrationType",
    ):
        if name in view:
            summary[name] = view[name]
    return summary


_LISTING = Listing("ModelPackageSummaryList", _summary, default_order="Ascending")
