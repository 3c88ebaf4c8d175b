"""SageMaker batch transform jobs, and the models that they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.aws.translate import ours_if_exists, refusals, sagemaker_errors
from chalicelib.errors import ResourceNotFound


@dataclass(frozen=True)
class TransformJob:
    """`status` as the API spells it (`JobStatus`); `reason` is the FailureReason, or empty."""

    name: str
    status: str
    reason: str


class Transform(Protocol):
    """What flow 3 needs. Names are ours, so "already there" and "already gone" are success.

    What creates raises LimitReached, Throttled, RequestRefused, AccessDenied.
    """

    def ensure_model(
        self, name: str, image: str, model_data_url: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        """CreateModel of an artifact."""

    def delete_model(self, name: str) -> None:
        """DeleteModel."""

    def create(self, request: Mapping[str, Any]) -> None:
        """CreateTransformJob."""

    def describe(self, name: str) -> TransformJob | None:
        """The job, or None."""


class SageMakerTransform:
    """`client` is boto3's `sagemaker` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ensure_model(
        self, name: str, image: str, model_data_url: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        with sagemaker_errors(), refusals(), ours_if_exists():
            self._client.create_model(
                ModelName=name,
                PrimaryContainer={"Image": image, "ModelDataUrl": model_data_url},
                ExecutionRoleArn=role_arn,
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )

    def delete_model(self, name: str) -> None:
        try:
            with sagemaker_errors():
                self._client.delete_model(ModelName=name)
        except ResourceNotFound:
            return

    def create(self, request: Mapping[str, Any]) -> None:
        with sagemaker_errors(), refusals(), ours_if_exists():
            self._client.create_transform_job(**request)

    def describe(self, name: str) -> TransformJob | None:
        try:
            with sagemaker_errors():
                raw = self._client.describe_transform_job(TransformJobName=name)
        except ResourceNotFound:
            return None
        return TransformJob(name, raw["TransformJobStatus"], raw.get("FailureReason", ""))
