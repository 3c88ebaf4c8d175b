"""CreateModelPackageGroup, DescribeModelPackageGroup, ListModelPackageGroups,
DeleteModelPackageGroup.
"""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ConflictException, MissingResource, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.packages import arn_of, user_context
from localcloud.sagemaker.store import Kind, Resource


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    group = cloud.create(
        Kind.MODEL_PACKAGE_GROUP,
        request["ModelPackageGroupName"],
        request,
        lambda existing: ValidationException(f"Model Package Group already exists: {existing.arn}"),
        status="Completed",
    )
    return {"ModelPackageGroupArn": group.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    group = get(cloud, request["ModelPackageGroupName"])
    return {
        **group.view,
        "ModelPackageGroupArn": group.arn,
        "ModelPackageGroupStatus": group.status,
        "CreationTime": group.created,
        "CreatedBy": user_context(group.request.get("_caller")),
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.MODEL_PACKAGE_GROUP))


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    with cloud.store.transaction():
        group = get(cloud, request["ModelPackageGroupName"])
        packages = cloud.store.all(Kind.MODEL_PACKAGE)
        if any(p.state.get("ModelPackageGroupName") == group.name for p in packages):
            raise ConflictException(
                f"Model Package Group cannot be deleted because it still contains Model Packages: "
                f"{group.arn}"
            )
        cloud.store.delete(Kind.MODEL_PACKAGE_GROUP, group.name)
    return {}


def get(cloud: Cloud, name_or_arn: str) -> Resource:
    """The group of a name or an ARN. Raises MissingResource."""
    arn = arn_of(cloud, name_or_arn, Kind.MODEL_PACKAGE_GROUP)
    group = cloud.store.by_arn(arn)
    if group is None or group.kind != Kind.MODEL_PACKAGE_GROUP:
        raise MissingResource(f"ModelPackageGroup {arn} does not exist.")
    return group


def group_name(name_or_arn: str) -> str:
    """The name in a name or an ARN."""
    return name_or_arn.rsplit("/", 1)[-1]


def _summary(group: Resource) -> dict[str, Any]:
    summary = {
        "ModelPackageGroupName": group.name,
        "ModelPackageGroupArn": group.arn,
        "CreationTime": group.created,
        "ModelPackageGroupStatus": group.status,
    }
    if "ModelPackageGroupDescription" in group.request:
        summary["ModelPackageGroupDescription"] = group.request["ModelPackageGroupDescription"]
    return summary


_LISTING = Listing("ModelPackageGroupSummaryList", _summary, default_order="Ascending")
