"""Groups and model packages as the tests make them."""

from __future__ import annotations

import uuid
from typing import Any

from .account import TARGET, Account, pack

CONTAINER = {"Image": TARGET.server_image, "ModelDataUrl": "s3://b/model.tar.gz"}
SPECIFICATION = {"Containers": [CONTAINER]}  # for requests that are refused anyway
INSTANCES = {
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
    "SupportedContentTypes": ["text/plain"],
    "SupportedResponseMIMETypes": ["text/plain"],
}


def container(account: Account) -> dict[str, Any]:
    """One that can be served: the account's bucket has its model."""
    uri = f"s3://{account.bucket}/registry/model.tar.gz"
    if not account.keys("registry/"):
        account.put("registry/model.tar.gz", pack({"name": "packaged"}))
    return {"Image": TARGET.server_image, "ModelDataUrl": uri}


def specification(account: Account) -> dict[str, Any]:
    """The default of `package`."""
    return {"Containers": [container(account)]}


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
            "InferenceSpecification": specification(account),
            **changes,
        }
    )
    return str(answer["ModelPackageArn"])


def unversioned(account: Account, **changes: Any) -> str:
    """Register a package without a group; returns its ARN."""
    answer = account.api.create_model_package(
        **{
            "ModelPackageName": f"alone-{uuid.uuid4().hex[:6]}",
            "InferenceSpecification": {**specification(account), **INSTANCES},
            **changes,
        }
    )
    return str(answer["ModelPackageArn"])


def described(account: Account, arn: str, **changes: Any) -> dict[str, Any]:
    """DescribeModelPackage."""
    found = account.api.describe_model_package(ModelPackageName=arn, **changes)
    return dict(found)
