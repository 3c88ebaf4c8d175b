"""Models, against S3 for real: the artifact must be there."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, TARGET
from .conftest import Running


def test_create_model_and_describe_model(sagemaker: Running) -> None:
    url = sagemaker.artifact(name="x")
    container = {"Image": TARGET.server_image, "ModelDataUrl": url, "Environment": {"A": "b"}}
    made = sagemaker.api.create_model(
        ModelName="described", ExecutionRoleArn=ROLE, PrimaryContainer=container
    )
    found = sagemaker.api.describe_model(ModelName="described")
    assert found["ModelArn"] == made["ModelArn"]
    assert found["PrimaryContainer"] == container
    assert found["ExecutionRoleArn"] == ROLE
    assert "Tags" not in found


def test_create_model_twice_is_refused(sagemaker: Running) -> None:
    request = {
        "ModelName": "twice",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": TARGET.server_image},
    }
    arn = sagemaker.api.create_model(**request)["ModelArn"]
    with pytest.raises(ClientError) as caught:
        sagemaker.api.create_model(**request)
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'Cannot create already existing model "{arn}".',
    }


def test_create_model_without_its_data_is_refused(sagemaker: Running) -> None:
    url = f"s3://{sagemaker.bucket}/nowhere/model.tar.gz"
    with pytest.raises(ClientError, match=f"Could not find model data at {url}"):
        sagemaker.api.create_model(
            ModelName="no-data",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": TARGET.server_image, "ModelDataUrl": url},
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"PrimaryContainer": {"Image": "i", "Mode": "MultiModel"}},
        {"PrimaryContainer": None, "Containers": [{"Image": "a"}, {"Image": "b"}]},
    ],
)
def test_create_model_says_what_is_not_supported(sagemaker: Running, changes: dict) -> None:
    request = {"ModelName": "odd", "ExecutionRoleArn": ROLE, **changes}
    with pytest.raises(ClientError, match="not supported by the local cloud"):
        sagemaker.api.create_model(**{k: v for k, v in request.items() if v})


def test_list_models(sagemaker: Running) -> None:
    for letter in "abc":
        sagemaker.api.create_model(
            ModelName=f"listed-{letter}",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": TARGET.server_image},
        )
    listed = sagemaker.api.list_models(NameContains="listed", SortBy="Name", MaxResults=2)
    assert [m["ModelName"] for m in listed["Models"]] == ["listed-c", "listed-b"]
    rest = sagemaker.api.list_models(
        NameContains="listed", SortBy="Name", MaxResults=2, NextToken=listed["NextToken"]
    )
    assert [m["ModelName"] for m in rest["Models"]] == ["listed-a"]
    assert "NextToken" not in rest


def test_delete_model(sagemaker: Running) -> None:
    name = sagemaker.model(name="x")
    arn = sagemaker.api.describe_model(ModelName=name)["ModelArn"]
    sagemaker.api.delete_model(ModelName=name)
    for call in (sagemaker.api.describe_model, sagemaker.api.delete_model):
        with pytest.raises(ClientError) as caught:
            call(ModelName=name)
        message = caught.value.response["Error"]["Message"]
        assert message == f'Could not find model "{arn}".'
