"""The model registry: groups, versions, approval."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, TARGET
from .conftest import Running

KIND = "SageMaker Model Package State Change"


def group(sagemaker: Running, name: str) -> str:
    sagemaker.api.create_model_package_group(ModelPackageGroupName=name)
    return name


def package(sagemaker: Running, group_name: str, **changes: Any) -> str:
    container = {"Image": TARGET.server_image, "ModelDataUrl": "s3://b/model.tar.gz"}
    answer = sagemaker.api.create_model_package(
        ModelPackageGroupName=group_name,
        InferenceSpecification={"Containers": [container]},
        **changes,
    )
    return answer["ModelPackageArn"]


def test_create_and_describe_model_package_group(sagemaker: Running) -> None:
    made = sagemaker.api.create_model_package_group(
        ModelPackageGroupName="first", ModelPackageGroupDescription="of tests"
    )
    found = sagemaker.api.describe_model_package_group(ModelPackageGroupName="first")
    assert found["ModelPackageGroupArn"] == made["ModelPackageGroupArn"]
    assert found["ModelPackageGroupDescription"] == "of tests"
    assert found["ModelPackageGroupStatus"] == "Completed"
    with pytest.raises(ClientError, match="already exists"):
        group(sagemaker, "first")


def test_list_model_package_groups(sagemaker: Running) -> None:
    for name in ("listed-a", "listed-b"):
        group(sagemaker, name)
    found = sagemaker.api.list_model_package_groups(NameContains="listed")
    names = [g["ModelPackageGroupName"] for g in found["ModelPackageGroupSummaryList"]]
    assert names == ["listed-a", "listed-b"]


def test_delete_model_package_group_only_when_empty(sagemaker: Running) -> None:
    arn = package(sagemaker, group(sagemaker, "doomed"))
    with pytest.raises(sagemaker.api.exceptions.ConflictException):
        sagemaker.api.delete_model_package_group(ModelPackageGroupName="doomed")
    sagemaker.api.delete_model_package(ModelPackageName=arn)
    sagemaker.api.delete_model_package_group(ModelPackageGroupName="doomed")
    with pytest.raises(ClientError, match="does not exist") as caught:
        sagemaker.api.describe_model_package_group(ModelPackageGroupName="doomed")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_create_model_package_numbers_versions_and_tells(sagemaker: Running) -> None:
    name = group(sagemaker, "versions")
    first = package(sagemaker, name, CustomerMetadataProperties={"accuracy": "0.9"})
    second = package(sagemaker, name, ModelApprovalStatus="Approved")
    assert first.endswith(":model-package/versions/1")
    sagemaker.api.delete_model_package(ModelPackageName=second)
    assert package(sagemaker, name).endswith("/3")
    told = sagemaker.events.details(KIND, ModelPackageGroupName=name)
    assert [(d["ModelPackageVersion"], d["ModelApprovalStatus"]) for d in told] == [
        (1, "PendingManualApproval"),
        (2, "Approved"),
        (3, "PendingManualApproval"),
    ]
    assert told[0]["ModelPackageArn"] == first
    assert told[0]["CreationTime"].endswith("Z")


def test_describe_model_package(sagemaker: Running) -> None:
    arn = package(sagemaker, group(sagemaker, "shown"), ModelPackageDescription="text")
    found = sagemaker.api.describe_model_package(ModelPackageName=arn)
    assert found["ModelPackageGroupName"] == "shown"
    assert "ModelPackageName" not in found
    assert found["ModelPackageVersion"] == 1
    assert found["ModelPackageStatus"] == "Completed"
    assert found["ModelPackageStatusDetails"]["ValidationStatuses"] == []
    assert found["InferenceSpecification"]["Containers"][0]["Image"] == TARGET.server_image
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.api.describe_model_package(ModelPackageName=arn[:-1] + "9")


def test_client_token_makes_create_model_package_idempotent(sagemaker: Running) -> None:
    name = group(sagemaker, "token")
    first = package(sagemaker, name, ClientToken="abc-1")
    assert package(sagemaker, name, ClientToken="abc-1") == first
    with pytest.raises(sagemaker.api.exceptions.ConflictException):
        package(sagemaker, name, ClientToken="abc-1", ModelPackageDescription="other")
    assert package(sagemaker, name, ClientToken="abc-2").endswith("/2")
    assert len(sagemaker.events.details(KIND, ModelPackageGroupName=name)) == 2


def test_update_model_package_approves_and_tells(sagemaker: Running) -> None:
    arn = package(
        sagemaker, group(sagemaker, "approve"), CustomerMetadataProperties={"a": "1", "b": "2"}
    )
    sagemaker.api.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="better",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    found = sagemaker.api.describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ApprovalDescription"] == "better"
    assert found["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    told = sagemaker.events.details(KIND, ModelPackageArn=arn)
    assert [d["ModelApprovalStatus"] for d in told] == ["PendingManualApproval", "Approved"]


def test_list_model_packages(sagemaker: Running) -> None:
    name = group(sagemaker, "list")
    arns = [
        package(sagemaker, name, ModelApprovalStatus=status)
        for status in ("Approved", "Rejected", "Approved")
    ]

    def listed(**query: Any) -> list[str]:
        found = sagemaker.api.list_model_packages(**query)["ModelPackageSummaryList"]
        return [item["ModelPackageArn"] for item in found]

    assert listed(ModelPackageGroupName=name) == arns
    newest = listed(
        ModelPackageGroupName=name,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )
    assert newest == [arns[2]]
    assert arns[0] not in listed(MaxResults=100), "without a group: unversioned packages only"
    assert arns[0] in listed(ModelPackageType="Versioned", MaxResults=100)


def test_endpoint_of_an_approved_model_package(sagemaker: Running) -> None:
    name = group(sagemaker, "deploy")
    container = {"Image": TARGET.server_image, "ModelDataUrl": sagemaker.artifact(name="packaged")}
    arn = sagemaker.api.create_model_package(
        ModelPackageGroupName=name, InferenceSpecification={"Containers": [container]}
    )["ModelPackageArn"]
    request = {
        "ModelName": "packaged",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"ModelPackageName": arn},
    }
    with pytest.raises(ClientError, match="must be Approved"):
        sagemaker.api.create_model(**request)
    sagemaker.api.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.api.create_model(**request)
    config = sagemaker.config("packaged")
    sagemaker.api.create_endpoint(EndpointName="packaged", EndpointConfigName=config)
    assert sagemaker.endpoint_settles("packaged")["EndpointStatus"] == "InService"
    answer = sagemaker.runtime.invoke_endpoint(EndpointName="packaged", Body=b"x")
    assert answer["Body"].read() == b"packaged:x"


def test_tags_are_added_listed_and_deleted(sagemaker: Running) -> None:
    arn = sagemaker.api.create_model_package_group(
        ModelPackageGroupName="tagged", Tags=[{"Key": "a", "Value": "1"}]
    )["ModelPackageGroupArn"]
    sagemaker.api.add_tags(
        ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]
    )
    tags = sagemaker.api.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
    sagemaker.api.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.api.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.api.list_tags(ResourceArn=arn + "-not")
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    with pytest.raises(ClientError, match="at most 50"):
        sagemaker.api.add_tags(ResourceArn=arn, Tags=many)
