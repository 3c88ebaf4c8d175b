"""The model registry: a group a dataset, a package a trained model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from botocore.exceptions import ClientError

from chalicelib.aws.translate import error_code, ours_if_exists, refusals, sagemaker_errors
from chalicelib.errors import ResourceNotFound, Unavailable

NEWEST = 100  # packages looked at when one is searched
LONGEST_DESCRIPTION = 1024  # characters of an ApprovalDescription, on one line
LONGEST_PROPERTY = 256


class Approval(StrEnum):
    """As the API spells them."""

    PENDING = "PendingManualApproval"
    APPROVED = "Approved"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class Package:
    """A model package; `properties` are its CustomerMetadataProperties, `description` the
    ApprovalDescription. `modified_by`: the ARN (or name) of who changed it last, where the registry
    tells."""

    arn: str
    approval: str
    description: str
    properties: Mapping[str, str]
    modified_by: str = ""


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

    def decide(
        self,
        arn: str,
        approval: Approval,
        description: str,
        properties: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
    ) -> None:
        """Set the approval status with the reason; `properties` are added to those that are there,
        those named in `remove` go."""

    def find(self, group: str, properties: Mapping[str, str]) -> Package | None:
        """The newest package of the group that has these properties, among its newest hundred."""

    def search(self, group: str, fits: Callable[[Package], bool]) -> Package | None:
        """The newest package of the group that fits, among its newest hundred."""

    def approved(self, group: str) -> list[str]:
        """The ARNs of the group's packages that are approved, the newest first, a hundred at
        most."""


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
            _name_of(raw.get("LastModifiedBy") or {}),
        )

    def decide(
        self,
        arn: str,
        approval: Approval,
        description: str,
        properties: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
    ) -> None:
        request: dict[str, Any] = {
            "ModelPackageArn": arn,
            "ModelApprovalStatus": str(approval),
            "ApprovalDescription": " ".join(description.split())[:LONGEST_DESCRIPTION],
        }
        if properties:
            request["CustomerMetadataProperties"] = dict(properties)
        if remove:
            request["CustomerMetadataPropertiesToRemove"] = list(remove)
        try:
            with sagemaker_errors():
                self._client.update_model_package(**request)
        except ClientError as error:
            if error_code(error) != "ConflictException":
                raise
            raise Unavailable(f"{arn} is being changed by somebody else: try again") from error

    def find(self, group: str, properties: Mapping[str, str]) -> Package | None:
        return self.search(group, lambda found: properties.items() <= found.properties.items())

    def search(self, group: str, fits: Callable[[Package], bool]) -> Package | None:
        for arn in self._newest(group):
            package = self.describe(arn)
            if package is not None and fits(package):
                return package
        return None

    def approved(self, group: str) -> list[str]:
        return list(self._newest(group, ModelApprovalStatus=str(Approval.APPROVED)))

    def _newest(self, group: str, **wanted: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": NEWEST, "PageSize": NEWEST},
            **wanted,
        )
        try:
            with sagemaker_errors():
                for page in pages:
                    for raw in page["ModelPackageSummaryList"]:
                        yield raw["ModelPackageArn"]
        except ResourceNotFound:  # no group yet
            return


def metadata(text: str) -> str:
    """Text as a value of CustomerMetadataProperties: what SageMaker does not take becomes `_`.

    It takes letters, digits, spaces and `_.:/=+-@`, 256 at most and one at least.
    """
    return re.sub(r"[^\w .:/=+\-@]", "_", " ".join(text.split()))[:LONGEST_PROPERTY] or "-"


def _name_of(user: Mapping[str, Any]) -> str:
    """Of a UserContext: the Studio user's name, else the IAM identity's ARN; empty without both."""
    identity = user.get("IamIdentity") or {}
    return str(user.get("UserProfileName") or identity.get("Arn") or "")
