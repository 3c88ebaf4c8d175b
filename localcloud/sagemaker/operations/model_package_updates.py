"""UpdateModelPackage: approval, metadata and what else of a version may change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localcloud.sagemaker import packages
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ConflictException, MissingResource, ValidationException
from localcloud.sagemaker.operations.model_packages import check_card, check_names
from localcloud.sagemaker.packages import shown
from localcloud.sagemaker.state_changes import publish_model_package
from localcloud.sagemaker.store import Kind, Resource

_MOST_PROPERTIES = 50
_KEPT_TOKENS = 20  # how long AWS remembers a ClientToken is not documented


def update(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    check_card(request)
    package = packages.get(cloud, request["ModelPackageArn"])
    if not packages.versioned(package):
        raise ValidationException(
            f"{package.arn} is not versioned: only a versioned model package can be updated."
        )
    with cloud.store.transaction():
        if _done_before(packages.get(cloud, package.arn), request):
            return {"ModelPackageArn": package.arn}
        changed = cloud.store.change(
            Kind.MODEL_PACKAGE, package.name, lambda found: _changed(cloud, found, request)
        )
    if changed is None:
        raise MissingResource(f"ModelPackage {package.arn} does not exist.")
    publish_model_package(cloud, changed)
    return {"ModelPackageArn": changed.arn}


def _done_before(package: Resource, request: dict[str, Any]) -> bool:
    """Whether this ClientToken has made this change already. Raises ConflictException."""
    token = request.get("ClientToken")
    for kept, earlier in package.state.get("_update_tokens", []):
        if token is not None and kept == token:
            if earlier != request:
                raise ConflictException(f"ClientToken {token} was used with other parameters.")
            return True
    return False


def _changed(cloud: Cloud, package: Resource, request: dict[str, Any]) -> Resource:
    now = cloud.clock.now()
    changes: dict[str, Any] = shown(
        request,
        "ModelApprovalStatus",
        "ApprovalDescription",
        "ModelPackageRegistrationType",
        "InferenceSpecification",
        "SourceUri",
        "ModelCard",
        "ModelLifeCycle",
    )
    changes |= {
        "LastModifiedTime": now,
        "LastModifiedBy": packages.user_context(request.get("_caller")),
        "CustomerMetadataProperties": _properties(package, request) or None,
    }
    if added := request.get("AdditionalInferenceSpecificationsToAdd"):
        additional = [*package.view.get("AdditionalInferenceSpecifications", []), *added]
        check_names(additional)
        changes["AdditionalInferenceSpecifications"] = additional
    if "ClientToken" in request:
        tokens = [*package.state.get("_update_tokens", []), [request["ClientToken"], request]]
        changes["_update_tokens"] = tokens[-_KEPT_TOKENS:]
    # What the request of the creation said is replaced by what is said now.
    first = {key: value for key, value in package.request.items() if key not in changes}
    return replace(package, modified=now, request=first).with_state(**changes)


def _properties(package: Resource, request: dict[str, Any]) -> dict[str, str]:
    """The metadata after the change; what is both given and to be removed is removed."""
    found = {
        **package.view.get("CustomerMetadataProperties", {}),
        **request.get("CustomerMetadataProperties", {}),
    }
    for key in request.get("CustomerMetadataPropertiesToRemove", []):
        found.pop(key, None)
    if len(found) > _MOST_PROPERTIES:
        raise ValidationException(
            f"CustomerMetadataProperties can have at most {_MOST_PROPERTIES} entries."
        )
    return found
