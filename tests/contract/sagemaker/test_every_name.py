"""Names: which ones SageMaker takes, and what it says of those that are not there or taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, TARGET, Account

SIZE = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
Create = Callable[[Account, str], Any]


def training_job(account: Account, name: str) -> None:
    account.api.create_training_job(**account.training_request(name))


def model(account: Account, name: str) -> None:
    account.api.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TARGET.server_image}
    )


def config(account: Account, name: str) -> None:
    variant = {"VariantName": "a", "ModelName": a_model(account), "ServerlessConfig": SIZE}
    account.api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def endpoint(account: Account, name: str) -> None:
    try:
        config(account, "for-names")
    except ClientError as error:
        if "already existing" not in str(error):
            raise
    account.api.create_endpoint(EndpointName=name, EndpointConfigName="for-names")


def group(account: Account, name: str) -> None:
    account.api.create_model_package_group(ModelPackageGroupName=name)


def transform_job(account: Account, name: str) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{account.bucket}/none/"}}
    account.api.create_transform_job(
        TransformJobName=name,
        ModelName=a_model(account),
        TransformInput={"DataSource": source},
        TransformOutput={"S3OutputPath": f"s3://{account.bucket}/out/"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )


def a_model(account: Account) -> str:
    try:
        model(account, "for-names")
    except ClientError as error:
        if "already existing" not in str(error):
            raise
    return "for-names"


CREATES: dict[str, Create] = {
    "training_job": training_job,
    "model": model,
    "endpoint_config": config,
    "endpoint": endpoint,
    "model_package_group": group,
    "transform_job": transform_job,
}
TAKEN = {
    "training_job": "ResourceInUse",
    "model": "ValidationException",
    "endpoint_config": "ValidationException",
    "endpoint": "ValidationException",
    "model_package_group": "ValidationException",
    "transform_job": "ResourceInUse",
}
MEMBERS = {
    "training_job": "TrainingJobName",
    "model": "ModelName",
    "endpoint_config": "EndpointConfigName",
    "endpoint": "EndpointName",
    "model_package_group": "ModelPackageGroupName",
    "transform_job": "TransformJobName",
}
ABSENT = [
    (call, kind)
    for kind in CREATES
    for call in (f"describe_{kind}", f"delete_{kind}", f"stop_{kind}")
    if not (call.startswith("delete") and kind.endswith("job"))
    and not (call.startswith("stop") and not kind.endswith("job"))
]


@pytest.mark.parametrize("kind", CREATES)
@pytest.mark.parametrize("name", ["with_underscore", "-leading", "trailing-", "dot.ted", "x" * 64])
def test_name_that_no_resource_can_have(sagemaker: Account, kind: str, name: str) -> None:
    with pytest.raises(ClientError, match="failed to satisfy constraint") as caught:
        CREATES[kind](sagemaker, name)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("kind", CREATES)
def test_the_longest_name_and_the_same_once_more(sagemaker: Account, kind: str) -> None:
    longest = 63 if not TARGET.real else 56  # there, the tests put a prefix before it
    name = f"{kind.replace('_', '-')}-".ljust(longest, "x")
    CREATES[kind](sagemaker, name)
    with pytest.raises(ClientError, match=r"(?i)already exist") as caught:
        CREATES[kind](sagemaker, name)
    assert caught.value.response["Error"]["Code"] == TAKEN[kind]


@pytest.mark.parametrize(("call", "kind"), ABSENT)
def test_resource_that_is_not_there(sagemaker: Account, call: str, kind: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker.api, call)(**{MEMBERS[kind]: "never-made"})
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] in ("ValidationException", "ResourceNotFound")
    assert error["Error"]["Message"]
