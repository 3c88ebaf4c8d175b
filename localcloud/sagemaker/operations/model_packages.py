"""CreateModelPackage, DescribeModelPackage, BatchDescribeModelPackage, ListModelPackages,
DeleteModelPackage.

The numbers of a group's versions are never used twice. Neither the image nor the model data of a
package is looked at before a model is made of it (AWS looks at once, unless SkipModelValidation
is All), and ImageDigest and ModelDataETag are not filled in.
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.sagemaker import packages
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import (
    ConflictException,
    MissingResource,
    SageMakerError,
    ValidationException,
)
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import model_package_groups as groups
from localcloud.sagemaker.packages import shown
from localcloud.sagemaker.state_changes import publish_model_package
from localcloud.sagemaker.store import Kind, Resource

_LAST_VERSION = "_last_version"


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    _check(request)
    with cloud.store.transaction():
        earlier = _same_token(cloud, request)
        if earlier is not None:
            return {"ModelPackageArn": earlier.arn}
        made_from = _copied(cloud, request)
        versioned = "ModelPackageGroupName" in request
        name, state = _next_version(cloud, request) if versioned else _unversioned(request)
        package = cloud.create(
            Kind.MODEL_PACKAGE,
            name,
            request,
            lambda existing: ConflictException(f"Model Package already exists: {existing.arn}"),
            status="Completed",
            state={
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
                **made_from,
                **state,
            },
        )
    publish_model_package(cloud, package)
    return {"ModelPackageArn": package.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """IncludedData MetadataOnly: how AWS "sanitizes" a card is not documented; we empty it."""
    package = packages.get(cloud, request["ModelPackageName"])
    view = package.view
    view.pop("ClientToken", None)
    if request.get("IncludedData") == "MetadataOnly" and "ModelCard" in view:
        view["ModelCard"] = {**view["ModelCard"], "ModelCardContent": ""}
    return {
        **view,
        **_name(package),
        "ModelPackageArn": package.arn,
        "ModelPackageStatus": package.status,
        "CreationTime": package.created,
        "CreatedBy": packages.user_context(package.request.get("_caller")),
    }


def batch_describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """Of versioned packages; the others are among the errors."""
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for arn in request["ModelPackageArnList"]:
        try:
            found[arn] = _batch_summary(packages.get(cloud, arn))
        except SageMakerError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}


def _batch_summary(package: Resource) -> dict[str, Any]:
    if not packages.versioned(package):
        raise MissingResource(f"ModelPackage {package.arn} is no versioned one.")
    return {
        "ModelPackageArn": package.arn,
        "ModelPackageStatus": package.status,
        "CreationTime": package.created,
        **shown(
            package.view,
            "ModelPackageGroupName",
            "ModelPackageVersion",
            "ModelPackageDescription",
            "InferenceSpecification",
            "ModelApprovalStatus",
            "ModelPackageRegistrationType",
        ),
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """Without a group and a type the service lists the unversioned ones alone."""
    found = cloud.store.all(Kind.MODEL_PACKAGE)
    if "ModelPackageGroupName" in request:
        group = groups.get(cloud, request["ModelPackageGroupName"])
        found = [p for p in found if p.state.get("ModelPackageGroupName") == group.name]
    else:
        wanted = request.get("ModelPackageType", "Unversioned")
        if wanted != "Both":
            found = [p for p in found if packages.versioned(p) == (wanted == "Versioned")]
    if "ModelApprovalStatus" in request:
        wanted = request["ModelApprovalStatus"]
        found = [p for p in found if p.view.get("ModelApprovalStatus") == wanted]
    part = request.get("NameContains", "").lower()
    found = [p for p in found if part in p.name.split("/")[0].lower()]
    return _LISTING.answer(request, found)


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    package = packages.get(cloud, request["ModelPackageName"])
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
    return packages.arn_of(cloud, name_or_arn)


def check_card(request: dict[str, Any]) -> None:
    """The content must be a JSON object; AWS checks it against the schema of model cards too.

    Raises ValidationException.
    """
    content = request.get("ModelCard", {}).get("ModelCardContent")
    if content is None:
        return
    try:
        if not isinstance(json.loads(content), dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise ValidationException(f"ModelCardContent is no JSON object: {error}") from error


def check_names(specifications: list[dict[str, Any]]) -> None:
    """AdditionalInferenceSpecifications: 15 at most, each with a name of its own.

    Raises ValidationException.
    """
    if len(specifications) > 15:
        raise ValidationException(
            "Total number of additional Inference Specifications can not exceed 15."
        )
    if len({item["Name"] for item in specifications}) < len(specifications):
        raise ValidationException("Names of AdditionalInferenceSpecifications must be unique.")


def _check(request: dict[str, Any]) -> None:
    check_card(request)
    check_names(request.get("AdditionalInferenceSpecifications", []))
    if "ModelPackageGroupName" in request:
        if "ModelPackageName" in request:
            raise ValidationException(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
                "Cannot determine which one to use."
            )
        if request.get("Tags"):
            raise ValidationException(
                "Tags are not allowed on a versioned model package: put them on its group."
            )
        return
    if "ModelPackageName" not in request:
        raise ValidationException("Missing ARN.")
    refused = [name for name in ("ModelApprovalStatus", "ModelLifeCycle") if name in request]
    if refused:
        raise ValidationException(f"{refused[0]} does not apply to unversioned model packages.")
    specification = request.get("InferenceSpecification", {})
    for name in ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"):
        if not specification.get(name) and "SourceUri" not in request:
            raise ValidationException(
                f"InferenceSpecification.{name} is required for unversioned model packages."
            )


def _copied(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """The inference specification of what SourceUri names, where none is given.

    "If you want to clone a model package, set it to the model package ARN. If you want to register
    a model, set it to the model ARN" (CreateModelPackage). What else is copied is not documented;
    we copy nothing else.
    """
    uri = request.get("SourceUri", "")
    if "InferenceSpecification" in request or not uri.startswith("arn:"):
        return {}
    source = cloud.store.by_arn(uri)
    if source is None or source.kind not in (Kind.MODEL, Kind.MODEL_PACKAGE):
        raise MissingResource(f"SourceUri: {uri} does not exist.")
    if source.kind == Kind.MODEL_PACKAGE:
        return shown(source.view, "InferenceSpecification")
    container = source.request.get("PrimaryContainer") or source.request["Containers"][0]
    if "ModelPackageName" in container:
        return shown(
            packages.get(cloud, container["ModelPackageName"]).view, "InferenceSpecification"
        )
    copied = shown(container, "Image", "ModelDataUrl", "Environment")
    return {"InferenceSpecification": {"Containers": [copied]}}


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


def _name(package: Resource) -> dict[str, Any]:
    """A version has none, as the developer guide's answers show ("View the Details of a Model
    Version"): clients then go by its ARN.
    """
    return {} if packages.versioned(package) else {"ModelPackageName": package.name}


def _summary(package: Resource) -> dict[str, Any]:
    return {
        **_name(package),
        "ModelPackageArn": package.arn,
        "CreationTime": package.created,
        "ModelPackageStatus": package.status,
        **shown(
            package.view,
            "ModelPackageGroupName",
            "ModelPackageVersion",
            "ModelPackageDescription",
            "ModelApprovalStatus",
            "ModelLifeCycle",
            "ModelPackageRegistrationType",
        ),
    }


_LISTING = Listing(
    "ModelPackageSummaryList",
    _summary,
    default_order="Ascending",
    orders={"Name": packages.by_name},
)
