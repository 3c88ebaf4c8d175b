"""SageMaker models, endpoint configs, endpoints, and the call that asks one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from botocore.exceptions import ClientError

from chalicelib.aws.translate import (
    error_code,
    error_message,
    ours_if_exists,
    refusals,
    sagemaker_errors,
)
from chalicelib.errors import ModelError, ModelNotReady, ResourceNotFound, Unavailable

VARIANT = "AllTraffic"
MOST_LISTED = 1000  # endpoint configs looked at, the oldest first
_BUSY = re.compile(r"in-progress|in progress", re.IGNORECASE)


class EndpointStatus(StrEnum):
    """As the API spells them."""

    OUT_OF_SERVICE = "OutOfService"
    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"


@dataclass(frozen=True)
class Serverless:
    """Containers that come with the requests and go when there are none."""

    memory_mb: int
    max_concurrency: int

    def __str__(self) -> str:
        return f"serverless, {self.memory_mb} MB, {self.max_concurrency} at once"


@dataclass(frozen=True)
class Instances:
    """Machines that run, and cost, all the time."""

    instance_type: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} x {self.instance_type}"


Capacity = Serverless | Instances


@dataclass(frozen=True)
class Endpoint:
    """`config` is the endpoint config that it serves now, `pending` the one that it is being
    updated to; `serverless` is told of one in service."""

    name: str
    status: str
    config: str
    reason: str
    serverless: bool = True
    pending: str = ""


@dataclass(frozen=True)
class Answer:
    """What a container answered."""

    body: bytes
    content_type: str


class Endpoints(Protocol):
    """What flow 1 needs of hosting.

    Names are ours, so "already there" and "already gone" are success. What creates raises
    LimitReached, Throttled, RequestRefused, AccessDenied.
    """

    def ensure_model(
        self, name: str, package_arn: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        """CreateModel from a package of the registry."""

    def ensure_config(
        self, name: str, model: str, capacity: Capacity, tags: Mapping[str, str]
    ) -> None:
        """CreateEndpointConfig."""

    def capacity(self, config: str) -> Capacity | None:
        """DescribeEndpointConfig: what the config runs on; None where there is none."""

    def configs(self, part: str) -> list[str]:
        """ListEndpointConfigs: the names that have this part, the oldest first."""

    def delete_config(self, name: str) -> None:
        """DeleteEndpointConfig."""

    def delete_model(self, name: str) -> None:
        """DeleteModel."""

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        """CreateEndpoint."""

    def update(self, name: str, config: str) -> None:
        """UpdateEndpoint. Raises ResourceNotFound, and as what creates."""

    def delete(self, name: str) -> None:
        """DeleteEndpoint."""

    def describe(self, name: str) -> Endpoint | None:
        """The endpoint, or None."""


class Runtime(Protocol):
    """InvokeEndpoint."""

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Ask the model.

        Raises ModelError, ResourceNotFound, and Unavailable (also ModelNotReady, Throttled).
        """


class SageMakerEndpoints:
    """`client` is boto3's `sagemaker` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ensure_model(
        self, name: str, package_arn: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        with sagemaker_errors(), refusals(), ours_if_exists():
            self._client.create_model(
                ModelName=name,
                PrimaryContainer={"ModelPackageName": package_arn},
                ExecutionRoleArn=role_arn,
                Tags=_tags(tags),
            )

    def ensure_config(
        self, name: str, model: str, capacity: Capacity, tags: Mapping[str, str]
    ) -> None:
        with sagemaker_errors(), refusals(), ours_if_exists():
            self._client.create_endpoint_config(
                EndpointConfigName=name,
                ProductionVariants=[
                    {"VariantName": VARIANT, "ModelName": model, **_variant(capacity)}
                ],
                Tags=_tags(tags),
            )

    def capacity(self, config: str) -> Capacity | None:
        try:
            with sagemaker_errors():
                raw = self._client.describe_endpoint_config(EndpointConfigName=config)
        except ResourceNotFound:
            return None
        [variant] = raw["ProductionVariants"]
        size = variant.get("ServerlessConfig")
        if size is None:
            return Instances(variant["InstanceType"], int(variant["InitialInstanceCount"]))
        return Serverless(int(size["MemorySizeInMB"]), int(size["MaxConcurrency"]))

    def configs(self, part: str) -> list[str]:
        pages = self._client.get_paginator("list_endpoint_configs").paginate(
            NameContains=part,
            SortBy="CreationTime",
            SortOrder="Ascending",
            PaginationConfig={"PageSize": 100, "MaxItems": MOST_LISTED},
        )
        with sagemaker_errors():
            return [raw["EndpointConfigName"] for page in pages for raw in page["EndpointConfigs"]]

    def delete_config(self, name: str) -> None:
        with suppress(ResourceNotFound), sagemaker_errors(), refusals():
            self._client.delete_endpoint_config(EndpointConfigName=name)

    def delete_model(self, name: str) -> None:
        with suppress(ResourceNotFound), sagemaker_errors(), refusals():
            self._client.delete_model(ModelName=name)

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        with sagemaker_errors(), refusals(), ours_if_exists():
            self._client.create_endpoint(
                EndpointName=name, EndpointConfigName=config, Tags=_tags(tags)
            )

    def update(self, name: str, config: str) -> None:
        with sagemaker_errors(), refusals(), _unless_busy(name):
            self._client.update_endpoint(EndpointName=name, EndpointConfigName=config)

    def delete(self, name: str) -> None:
        try:
            with sagemaker_errors(), _unless_busy(name):
                self._client.delete_endpoint(EndpointName=name)
        except ResourceNotFound:
            return

    def describe(self, name: str) -> Endpoint | None:
        try:
            with sagemaker_errors():
                raw = self._client.describe_endpoint(EndpointName=name)
        except ResourceNotFound:
            return None
        return Endpoint(
            name,
            raw["EndpointStatus"],
            raw.get("EndpointConfigName", ""),
            raw.get("FailureReason", ""),
            all("CurrentServerlessConfig" in v for v in raw.get("ProductionVariants") or ()),
            (raw.get("PendingDeploymentSummary") or {}).get("EndpointConfigName", ""),
        )


class SageMakerRuntime:
    """`client` is boto3's `sagemaker-runtime` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> Answer:
        try:
            with sagemaker_errors():
                raw = self._client.invoke_endpoint(
                    EndpointName=endpoint, Body=body, ContentType=content_type, Accept=accept
                )
        except ClientError as error:
            if error_code(error) == "ModelError":
                raise _model_error(error) from error
            if error_code(error) == "ModelNotReadyException":
                raise ModelNotReady(f"{endpoint} is starting") from error
            if error_code(error) in (
                "ServiceUnavailable",
                "InternalFailure",
                "InternalDependencyException",
            ):
                raise Unavailable(error_message(error)) from error
            if error_code(error) == "ValidationError" and "not found" in error_message(error):
                raise ResourceNotFound(error_message(error)) from error
            raise
        return Answer(raw["Body"].read(), raw.get("ContentType", ""))


def _model_error(error: ClientError) -> ModelError:
    return ModelError(
        error_message(error),
        int(error.response.get("OriginalStatusCode", 500)),
        str(error.response.get("OriginalMessage", "")),
    )


@contextmanager
def _unless_busy(name: str) -> Iterator[None]:
    """An endpoint that is being created or updated takes no change: worth another try later."""
    try:
        yield
    except ClientError as error:
        if error_code(error) == "ValidationException" and _BUSY.search(error_message(error)):
            raise Unavailable(f"{name} takes no change now: {error_message(error)}") from error
        raise


def _variant(capacity: Capacity) -> dict[str, Any]:
    if isinstance(capacity, Instances):
        return {
            "InstanceType": capacity.instance_type,
            "InitialInstanceCount": capacity.count,
        }
    return {
        "ServerlessConfig": {
            "MemorySizeInMB": capacity.memory_mb,
            "MaxConcurrency": capacity.max_concurrency,
        }
    }


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
