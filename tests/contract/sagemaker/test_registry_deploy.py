"""From a model package to a model, and to an endpoint and a transform job that answer."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import ROLE
from .conftest import Running
from .registry import CONTAINER, group, package
from .transforms import completed, request


def model_of(sagemaker: Running, arn: str, **container: Any) -> str:
    name = f"packaged-{uuid.uuid4().hex[:6]}"
    sagemaker.api.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": arn, **container},
    )
    return name


def containers(sagemaker: Running, name: str) -> list[dict[str, Any]]:
    return [{**CONTAINER, "ModelDataUrl": sagemaker.artifact(name=name)}]


def test_transform_job_of_an_approved_package(sagemaker: Running) -> None:
    specification = {"Containers": containers(sagemaker, "packaged")}
    arn = package(
        sagemaker,
        group(sagemaker, "transform"),
        InferenceSpecification=specification,
        ModelApprovalStatus="Approved",
    )
    name = f"of-package-{uuid.uuid4().hex[:6]}"
    sagemaker.put(f"in/{name}/a", "1")
    model = model_of(sagemaker, arn)
    sagemaker.api.create_transform_job(**request(sagemaker, name, model))
    assert completed(sagemaker, sagemaker.transform_ends(name)) == {"a.out": "packaged:1"}


def test_model_of_an_additional_specification(sagemaker: Running) -> None:
    arn = package(
        sagemaker,
        group(sagemaker, "additional"),
        InferenceSpecification={"Containers": containers(sagemaker, "usual")},
        AdditionalInferenceSpecifications=[
            {"Name": "other", "Containers": containers(sagemaker, "other")}
        ],
        ModelApprovalStatus="Approved",
    )
    model = model_of(sagemaker, arn, InferenceSpecificationName="other")
    name = f"additional-{uuid.uuid4().hex[:6]}"
    sagemaker.api.create_endpoint(EndpointName=name, EndpointConfigName=sagemaker.config(model))
    assert sagemaker.endpoint_settles(name)["EndpointStatus"] == "InService"
    answer = sagemaker.runtime.invoke_endpoint(EndpointName=name, Body=b"x")
    assert answer["Body"].read() == b"other:x"
    with pytest.raises(ClientError, match="no inference specification absent"):
        model_of(sagemaker, arn, InferenceSpecificationName="absent")


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_package_that_is_not_approved_makes_no_model(sagemaker: Running, status: str) -> None:
    arn = package(sagemaker, group(sagemaker, "waits"), ModelApprovalStatus=status)
    with pytest.raises(ClientError, match="Approved") as caught:
        model_of(sagemaker, arn)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_package_that_cannot_be_served_makes_no_model(sagemaker: Running) -> None:
    name = group(sagemaker, "unserved")
    source = {"S3Uri": "s3://b/p/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    folder = {"Image": CONTAINER["Image"], "ModelDataSource": {"S3DataSource": source}}
    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([CONTAINER, CONTAINER], "pipeline"),
        ([folder], "container has ModelDataSource.* is not supported"),
        ([{"ModelDataUrl": "s3://b/m.tar.gz"}], "names no Image"),
    ]
    for given, said in cases:
        arn = package(
            sagemaker,
            name,
            InferenceSpecification={"Containers": given},
            ModelApprovalStatus="Approved",
        )
        with pytest.raises(ClientError, match=said):
            model_of(sagemaker, arn)
