"""Groups and model packages as the tests make them."""

from __future__ import annotations

import uuid
from typing import Any

from .account import TARGET, Account

CONTAINER = {"Image": TARGET.server_image, "ModelDataUrl": "s3://b/model.tar.gz"}
SPECIFICATION = {"Containers": [CONTAINER]}
UNVERSIONED = {
    **SPECIFICATION,
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
}


def group(account: Account, name: str, **changes: Any) -> str:
    """Make a group; returns its name, which begins with `name`."""
    name = f"{name}-{uuid.uuid4().hex[:6]}"
    account.api.create_model_package_group(ModelPackageGroupName=name, **changes)
    return name


def package(account: Account, group_name: str, **changes: Any) -> str:
    """Register a version; returns its ARN."""
    answer = account.api.create_model_package(
        **{
            "ModelPackageGroupName": group_name,
            "InferenceSpecification": SPECIFICATION,
            **changes,
        }
    )
    return str(answer["ModelPackageArn"])


def unversioned(account: Account, **changes: Any) -> str:
    """Register a package without a group; returns its ARN."""
    answer = account.api.create_model_package(
        **{
            "ModelPackageName": f"alone-{uuid.uuid4().hex[:6]}",
            "InferenceSpecification": UNVERSIONED,
            **changes,
        }
    )
    return str(answer["ModelPackageArn"])


def described(account: Account, arn: str, **changes: Any) -> dict[str, Any]:
    """DescribeModelPackage."""
    found = account.api.describe_model_package(ModelPackageName=arn, **changes)
    return dict(found)
