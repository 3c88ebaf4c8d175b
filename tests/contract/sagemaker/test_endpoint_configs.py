"""Endpoint configs: what the service refuses, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Running

SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}


def variant(sagemaker: Running, **changes: Any) -> dict[str, Any]:
    model = sagemaker.model(name="x")
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "ServerlessConfig": SERVERLESS,
        **changes,
    }


def test_create_and_describe_endpoint_config(sagemaker: Running) -> None:
    given = variant(sagemaker)
    made = sagemaker.api.create_endpoint_config(
        EndpointConfigName="described", ProductionVariants=[given]
    )
    found = sagemaker.api.describe_endpoint_config(EndpointConfigName="described")
    assert found["EndpointConfigArn"] == made["EndpointConfigArn"]
    assert found["ProductionVariants"] == [{**given, "InitialVariantWeight": 1.0}]
    with pytest.raises(ClientError, match="already existing endpoint configuration"):
        sagemaker.api.create_endpoint_config(
            EndpointConfigName="described", ProductionVariants=[given]
        )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ModelName": "never-made"}, 'Could not find model "arn:.*:model/.*never-made"'),
        ({"ServerlessConfig": {**SERVERLESS, "MemorySizeInMB": 2000}}, "must be one of"),
        ({"ServerlessConfig": {**SERVERLESS, "MaxConcurrency": 201}}, "less than or equal to 200"),
        ({"InstanceType": "ml.m5.large"}, "together with ServerlessConfig"),
        ({"ServerlessConfig": None}, "needs ServerlessConfig"),
    ],
)
def test_create_endpoint_config_refuses(
    sagemaker: Running, changes: dict[str, Any], problem: str
) -> None:
    given = {k: v for k, v in variant(sagemaker, **changes).items() if v is not None}
    with pytest.raises(ClientError, match=problem) as caught:
        sagemaker.api.create_endpoint_config(EndpointConfigName="bad", ProductionVariants=[given])
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_list_endpoint_configs(sagemaker: Running) -> None:
    names = [sagemaker.config(sagemaker.model(name="x")) for _ in range(2)]
    listed = sagemaker.api.list_endpoint_configs(MaxResults=2)["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in listed] == names[::-1]


def test_delete_endpoint_config(sagemaker: Running) -> None:
    name = sagemaker.config(sagemaker.model(name="x"))
    sagemaker.api.delete_endpoint_config(EndpointConfigName=name)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.api.describe_endpoint_config(EndpointConfigName=name)
