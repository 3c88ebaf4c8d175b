"""The model registry: a group a dataset, a package a trained model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.aws.translate import ours_if_exists, refusals, sagemaker_errors
from chalicelib.errors import ResourceNotFound

NEWEST = 100  # packages looked at when one is searched


class Approval(StrEnum):
    """As the API spells them."""

    PENDING = "PendingManualApproval"
    APPROVED = "Approved"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class Package:
    """A model package; `properties` are its CustomerMetadataProperties."""

    arn: str
    approval: str
    description: str
    properties: Mapping[str, str]


class Registry(Protocol):
    """What flow 1 needs of the model registry."""

    def ensure_group(self, group: str, tags: Mapping[str, str]) -> None:
        """CreateModelPackageGroup; one of that name is success."""

    def register(self, request: Mapping[str, Any]) -> str:
        """CreateModelPackage (with its ClientToken); the package's ARN.

        Raises LimitReached, Throttled, RequestRefused, AccessDenied.
        """

    def describe(self, arn: str) -> Package | None:
        """The package, or None."""

    def decide(self, arn: str, approval: Approval, description: str) -> None:
        """Set the approval status with the reason."""

    def find(self, group: str, properties: Mapping[str, str]) -> Package | None:
        """The newest package of the group that has these properties, among its newest hundred."""


class SageMakerRegistry:
    """`client` is boto3's `sagemaker` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ensure_group(self, group: str, tags: Mapping[str, str]) -> None:
        with sagemaker_errors(), ours_if_exists():
            self._client.create_model_package_group(
                ModelPackageGroupName=group,
                ModelPackageGroupDescription="Models that Pigeonhole trained",
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )

    def register(self, request: Mapping[str, Any]) -> str:
        with sagemaker_errors(), refusals():
            return str(self._client.create_model_package(**request)["ModelPackageArn"])

    def describe(self, arn: str) -> Package | None:
        try:
            with sagemaker_errors():
                raw = self._client.describe_model_package(ModelPackageName=arn)
        except ResourceNotFound:
            return None
        return Package(
            arn,
            raw["ModelApprovalStatus"],
            raw.get("ApprovalDescription", ""),
            dict(raw.get("CustomerMetadataProperties", {})),
        )

    def decide(self, arn: str, approval: Approval, description: str) -> None:
        with sagemaker_errors():
            self._client.update_model_package(
                ModelPackageArn=arn,
                ModelApprovalStatus=str(approval),
                ApprovalDescription=description[:1024],
            )

    def find(self, group: str, properties: Mapping[str, str]) -> Package | None:
        for arn in self._newest(group):
            package = self.describe(arn)
            if package is not None and properties.items() <= package.properties.items():
                return package
        return None

    def _newest(self, group: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": NEWEST},
        )
        try:
            with sagemaker_errors():
                for page in pages:
                    for raw in page["ModelPackageSummaryList"]:
                        yield raw["ModelPackageArn"]
        except ResourceNotFound:  # no group yet
            return
