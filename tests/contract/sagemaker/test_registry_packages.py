"""Model packages: what can be registered, shown, changed, and is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import TARGET
from .conftest import Running
from .fakes import ACCOUNT
from .registry import (
    CONTAINER,
    INSTANCES,
    SPECIFICATION,
    container,
    described,
    group,
    package,
    specification,
    unversioned,
)

KIND = "SageMaker Model Package State Change"
ME = {"IamIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:root"}}
REPORT = {"ContentType": "application/json", "S3Uri": "s3://b/report.json"}


def test_everything_that_is_registered_is_shown(sagemaker: Running) -> None:
    given: dict[str, Any] = {
        "ModelPackageDescription": "of tests",
        "ModelMetrics": {"ModelQuality": {"Statistics": REPORT}, "Bias": {"Report": REPORT}},
        "DriftCheckBaselines": {"ModelQuality": {"Statistics": REPORT}},
        "MetadataProperties": {"CommitId": "abc", "GeneratedBy": "test"},
        "CustomerMetadataProperties": {"accuracy": "0.9"},
        "Domain": "COMPUTER_VISION",
        "Task": "IMAGE_CLASSIFICATION",
        "SamplePayloadUrl": "s3://b/sample.tar.gz",
        "SourceUri": "s3://b/code",
        "SkipModelValidation": "All",
        "ModelPackageRegistrationType": "Registered",
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "InProgress"},
        "ModelCard": {"ModelCardContent": json.dumps({"a": 1}), "ModelCardStatus": "Draft"},
        "AdditionalInferenceSpecifications": [
            {"Name": "small", "Containers": [container(sagemaker)]}
        ],
    }
    found = described(sagemaker, package(sagemaker, group(sagemaker, "whole"), **given))
    assert {name: found[name] for name in given} == given
    assert found["InferenceSpecification"] == specification(sagemaker)
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert found["ModelPackageStatus"] == "Completed"
    assert found["ModelPackageStatusDetails"]["ValidationStatuses"] == []


@pytest.mark.skipif(TARGET.real, reason="names the caller of the local cloud")
def test_who_registered_and_who_changed_it(sagemaker: Running) -> None:
    name = group(sagemaker, "by")
    arn = package(sagemaker, name)
    before = described(sagemaker, arn)
    assert before["CreatedBy"] == ME
    assert not {"LastModifiedBy", "LastModifiedTime"} & before.keys()
    sagemaker.api.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    after = described(sagemaker, arn)
    assert after["LastModifiedBy"] == ME
    assert after["LastModifiedTime"] >= after["CreationTime"]
    shown = sagemaker.api.describe_model_package_group(ModelPackageGroupName=name)
    assert shown["CreatedBy"] == ME


def test_packages_are_found_by_arn_and_name(sagemaker: Running) -> None:
    name = group(sagemaker, "found")
    arn = package(sagemaker, name)
    assert described(sagemaker, f"{name}/1")["ModelPackageArn"] == arn
    alone = unversioned(sagemaker)
    assert described(sagemaker, alone.rsplit("/", 1)[1])["ModelPackageArn"] == alone
    with pytest.raises(ClientError, match="does not exist"):
        described(sagemaker, f"{name}/2")
    elsewhere = arn.replace(":us-east-1:", ":us-west-2:")
    with pytest.raises(ClientError, match="ARN should be scoped to correct region: us-east-1"):
        described(sagemaker, elsewhere)


def test_card_can_be_left_out(sagemaker: Running) -> None:
    card = {"ModelCardContent": "{}", "ModelCardStatus": "Approved"}
    arn = package(sagemaker, group(sagemaker, "card"), ModelCard=card)
    assert described(sagemaker, arn, IncludedData="AllData")["ModelCard"] == card
    left = described(sagemaker, arn, IncludedData="MetadataOnly")["ModelCard"]
    assert left == {**card, "ModelCardContent": ""}


def test_update_changes_what_is_named_and_nothing_else(sagemaker: Running) -> None:
    arn = package(
        sagemaker,
        group(sagemaker, "changed"),
        ModelPackageDescription="stays",
        CustomerMetadataProperties={"a": "1", "b": "2"},
    )
    life = {"Stage": "Production", "StageStatus": "Approved", "StageDescription": "live"}
    sagemaker.api.update_model_package(
        ModelPackageArn=arn,
        ModelLifeCycle=life,
        SourceUri="s3://b/other",
        CustomerMetadataProperties={"b": "3"},
        CustomerMetadataPropertiesToRemove=["a", "never"],
        AdditionalInferenceSpecificationsToAdd=[
            {"Name": "x", "Containers": [container(sagemaker)]}
        ],
    )
    found = described(sagemaker, arn)
    assert found["ModelPackageDescription"] == "stays"
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert (found["ModelLifeCycle"], found["SourceUri"]) == (life, "s3://b/other")
    assert found["CustomerMetadataProperties"] == {"b": "3"}
    assert [item["Name"] for item in found["AdditionalInferenceSpecifications"]] == ["x"]


def test_all_metadata_can_be_removed(sagemaker: Running) -> None:
    name = group(sagemaker, "bare")
    arn = package(sagemaker, name, CustomerMetadataProperties={"a": "1"})
    sagemaker.api.update_model_package(
        ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["a"]
    )
    assert "CustomerMetadataProperties" not in described(sagemaker, arn)


def test_update_with_a_token_is_made_once(sagemaker: Running) -> None:
    arn = package(sagemaker, group(sagemaker, "once"))
    change = {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved", "ClientToken": "t-1"}
    sagemaker.api.update_model_package(**change)
    sagemaker.api.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    sagemaker.api.update_model_package(**change)
    assert described(sagemaker, arn)["ModelApprovalStatus"] == "Rejected"
    with pytest.raises(sagemaker.api.exceptions.ConflictException):
        sagemaker.api.update_model_package(**{**change, "ModelApprovalStatus": "Rejected"})


def test_approval_is_told_each_time(sagemaker: Running) -> None:
    arn = package(sagemaker, group(sagemaker, "told"))
    for status in ("Approved", "Rejected", "Approved"):
        sagemaker.api.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
    told = [d["ModelApprovalStatus"] for d in sagemaker.events.details(KIND, ModelPackageArn=arn)]
    assert told == ["PendingManualApproval", "Approved", "Rejected", "Approved"]


def test_clone_by_source_uri_takes_the_specification(sagemaker: Running) -> None:
    name = group(sagemaker, "copies")
    first = package(sagemaker, name)
    request = {"ModelPackageGroupName": name, "SourceUri": first}
    clone = sagemaker.api.create_model_package(**request)["ModelPackageArn"]
    assert described(sagemaker, clone)["InferenceSpecification"] == specification(sagemaker)
    model = sagemaker.model(name="m")
    arn = sagemaker.api.describe_model(ModelName=model)["ModelArn"]
    request = {"ModelPackageGroupName": name, "SourceUri": arn}
    of_model = sagemaker.api.create_model_package(**request)["ModelPackageArn"]
    (copied,) = described(sagemaker, of_model)["InferenceSpecification"]["Containers"]
    assert copied["Image"] == CONTAINER["Image"]
    assert copied["ModelDataUrl"].endswith("model.tar.gz")
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.api.create_model_package(**{**request, "SourceUri": first[:-1] + "9"})


def test_unversioned_packages_have_no_approval(sagemaker: Running) -> None:
    arn = unversioned(sagemaker)
    assert "ModelApprovalStatus" not in described(sagemaker, arn)
    with pytest.raises(ClientError, match="not versioned"):
        sagemaker.api.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    with pytest.raises(sagemaker.api.exceptions.ConflictException):
        unversioned(sagemaker, ModelPackageName=arn.rsplit("/", 1)[1])


def test_batch_describe_gives_summaries_and_errors(sagemaker: Running) -> None:
    name = group(sagemaker, "batch")
    arns = [package(sagemaker, name), package(sagemaker, name, ModelApprovalStatus="Approved")]
    absent = arns[0][:-1] + "7"
    found = sagemaker.api.batch_describe_model_package(ModelPackageArnList=[*arns, absent])
    summaries = found["ModelPackageSummaries"]
    assert {arn: s["ModelPackageVersion"] for arn, s in summaries.items()} == {
        arns[0]: 1,
        arns[1]: 2,
    }
    assert summaries[arns[1]]["ModelApprovalStatus"] == "Approved"
    assert summaries[arns[0]]["InferenceSpecification"] == specification(sagemaker)
    error = found["BatchDescribeModelPackageErrorMap"][absent]
    assert (error["ErrorCode"], "does not exist" in error["ErrorResponse"]) == (
        "ValidationException",
        True,
    )


def test_tags_of_a_version_are_its_groups(sagemaker: Running) -> None:
    tags = [{"Key": "a", "Value": "1"}]
    arn = package(sagemaker, group(sagemaker, "tags", Tags=tags))
    assert sagemaker.api.list_tags(ResourceArn=arn)["Tags"] == tags
    with pytest.raises(ClientError, match="put them on its group"):
        sagemaker.api.add_tags(ResourceArn=arn, Tags=tags)
    alone = unversioned(sagemaker, Tags=tags)
    assert sagemaker.api.list_tags(ResourceArn=alone)["Tags"] == tags


TWICE = [{"Name": "x", "Containers": [CONTAINER]}] * 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ModelPackageName": "both"}, "Cannot determine which one to use"),
        ({"Tags": [{"Key": "a", "Value": "1"}]}, "put them on its group"),
        ({"AdditionalInferenceSpecifications": TWICE}, "must be unique"),
        ({"ModelCard": {"ModelCardContent": "no json"}}, "no JSON object"),
        ({"ModelPackageGroupName": "absent-group"}, "does not exist"),
        ({"SecurityConfig": {"KmsKeyId": "k"}}, "not supported by the local cloud"),
        ({"CertifyForMarketplace": True}, "not supported by the local cloud"),
        ({"ManagedStorageType": "Restricted"}, "not supported by the local cloud"),
    ],
)
def test_create_model_package_refuses(
    sagemaker: Running, changes: dict[str, Any], said: str
) -> None:
    name = group(sagemaker, "refused")
    with pytest.raises(ClientError, match=said) as caught:
        package(sagemaker, name, **changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    listed = sagemaker.api.list_model_packages(ModelPackageGroupName=name)
    assert listed["ModelPackageSummaryList"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"InferenceSpecification": SPECIFICATION}, "is required for unversioned"),
        ({"ModelApprovalStatus": "Approved"}, "does not apply to unversioned"),
    ],
)
def test_unversioned_packages_are_refused(
    sagemaker: Running, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ClientError, match=said):
        unversioned(sagemaker, **changes)


def test_package_without_any_name_is_refused(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="Missing ARN"):
        sagemaker.api.create_model_package(InferenceSpecification={**SPECIFICATION, **INSTANCES})


def test_update_model_package_refuses(sagemaker: Running) -> None:
    arn = package(
        sagemaker,
        group(sagemaker, "full"),
        CustomerMetadataProperties={str(number): "x" for number in range(50)},
        AdditionalInferenceSpecifications=[{"Name": "x", "Containers": [container(sagemaker)]}],
    )
    with pytest.raises(ClientError, match="at most 50"):
        sagemaker.api.update_model_package(
            ModelPackageArn=arn, CustomerMetadataProperties={"more": "x"}
        )
    with pytest.raises(ClientError, match="unique"):
        sagemaker.api.update_model_package(
            ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=TWICE[:1]
        )
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.api.update_model_package(
            ModelPackageArn=arn + "9", ModelApprovalStatus="Approved"
        )


@pytest.mark.parametrize("operation", ["get", "put", "delete"])
def test_policies_of_groups_are_not_there(sagemaker: Running, operation: str) -> None:
    call = getattr(sagemaker.api, f"{operation}_model_package_group_policy")
    policy = {"ResourcePolicy": "{}"} if operation == "put" else {}
    with pytest.raises(ClientError) as caught:
        call(ModelPackageGroupName="any", **policy)
    assert caught.value.response["Error"]["Code"] == "NotImplementedException"
