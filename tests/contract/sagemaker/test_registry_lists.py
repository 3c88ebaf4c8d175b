"""How groups and packages are listed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Running
from .registry import group, package, unversioned


def packages(sagemaker: Running, **query: Any) -> list[str]:
    """All pages."""
    found: list[str] = []
    while True:
        page = sagemaker.api.list_model_packages(**query)
        found += [item["ModelPackageArn"] for item in page["ModelPackageSummaryList"]]
        if "NextToken" not in page:
            return found
        query["NextToken"] = page["NextToken"]


def test_versions_are_listed_from_first_to_last_in_pages(sagemaker: Running) -> None:
    name = group(sagemaker, "many")
    arns = [package(sagemaker, name) for _ in range(11)]
    one = sagemaker.api.list_model_packages(ModelPackageGroupName=name)
    assert len(one["ModelPackageSummaryList"]) == 10
    assert packages(sagemaker, ModelPackageGroupName=name, MaxResults=3) == arns
    backwards = {"SortBy": "Name", "SortOrder": "Descending", "MaxResults": 4}
    assert packages(sagemaker, ModelPackageGroupName=name, **backwards) == arns[::-1]
    arn = sagemaker.api.describe_model_package_group(ModelPackageGroupName=name)
    by_arn = packages(sagemaker, ModelPackageGroupName=arn["ModelPackageGroupArn"])
    assert by_arn == arns


def test_packages_are_filtered(sagemaker: Running) -> None:
    name = group(sagemaker, "filters")
    pending = package(sagemaker, name)
    approved = package(sagemaker, name, ModelApprovalStatus="Approved")
    alone = unversioned(sagemaker)
    of_group = {"ModelPackageGroupName": name}
    assert packages(sagemaker, **of_group, ModelApprovalStatus="Approved") == [approved]
    assert packages(sagemaker, **of_group, NameContains="FILTERS") == [pending, approved]
    assert packages(sagemaker, **of_group, NameContains="x1") == []
    assert alone in packages(sagemaker, MaxResults=100)
    both = packages(sagemaker, ModelPackageType="Both", MaxResults=100)
    assert {pending, approved, alone} <= set(both)
    created = sagemaker.api.describe_model_package(ModelPackageName=approved)["CreationTime"]
    assert packages(sagemaker, **of_group, CreationTimeBefore=created) == [pending]
    assert packages(sagemaker, **of_group, CreationTimeAfter=created) == []


def test_number_of_a_version_is_no_part_of_its_name(sagemaker: Running) -> None:
    name = f"plain-{uuid.uuid4().hex[:6]}".translate(str.maketrans("1", "2"))
    sagemaker.api.create_model_package_group(ModelPackageGroupName=name)
    package(sagemaker, name)
    assert packages(sagemaker, ModelPackageGroupName=name, NameContains="1") == []


def test_summaries_of_packages(sagemaker: Running) -> None:
    name = group(sagemaker, "summary")
    life = {"Stage": "Development", "StageStatus": "InProgress"}
    arn = package(sagemaker, name, ModelPackageDescription="text", ModelLifeCycle=life)
    listed = sagemaker.api.list_model_packages(ModelPackageGroupName=name)
    (summary,) = listed["ModelPackageSummaryList"]
    del summary["CreationTime"]
    assert summary == {
        "ModelPackageGroupName": name,
        "ModelPackageVersion": 1,
        "ModelPackageArn": arn,
        "ModelPackageDescription": "text",
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelLifeCycle": life,
    }


def test_packages_of_a_group_that_is_not_there(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.api.list_model_packages(ModelPackageGroupName="absent")


def test_groups_are_listed_in_pages(sagemaker: Running) -> None:
    part = uuid.uuid4().hex[:6]
    names = [group(sagemaker, f"{part}-{letter}") for letter in "abc"]

    def listed(**query: Any) -> tuple[list[str], str | None]:
        found = sagemaker.api.list_model_package_groups(NameContains=part, **query)
        groups = found["ModelPackageGroupSummaryList"]
        return [g["ModelPackageGroupName"] for g in groups], found.get("NextToken")

    assert listed()[0] == names
    assert listed(SortBy="Name", SortOrder="Descending")[0] == names[::-1]
    first, token = listed(MaxResults=2)
    assert (first, listed(MaxResults=2, NextToken=token)) == (names[:2], (names[2:], None))
