"""SageMaker training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.aws.translate import ours_if_exists, refusals, sagemaker_errors
from chalicelib.errors import ResourceNotFound


class JobStatus(StrEnum):
    """As the API spells them."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


@dataclass(frozen=True)
class TrainingJob:
    """`reason` is the FailureReason, or empty. `billable_seconds` are those of each instance: of a
    spot job, fewer than its `training_seconds`. Both are 0 until the job has ended."""

    name: str
    status: str
    secondary: str
    reason: str
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = ""
    instance_count: int = 1
    spot: bool = False
    training_seconds: int = 0
    billable_seconds: int = 0
    created: datetime | None = None


class Training(Protocol):
    """What flow 1 needs of training jobs."""

    def create(self, request: Mapping[str, Any]) -> None:
        """CreateTrainingJob; a job of that name is success.

        Raises LimitReached, Throttled, RequestRefused, AccessDenied.
        """

    def describe(self, name: str) -> TrainingJob | None:
        """The job, or None."""


class SageMakerTraining:
    """`client` is boto3's `sagemaker` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def create(self, request: Mapping[str, Any]) -> None:
        with sagemaker_errors(), refusals(missing_is_final=True), ours_if_exists():
            self._client.create_training_job(**request)

    def describe(self, name: str) -> TrainingJob | None:
        try:
            with sagemaker_errors():
                raw = self._client.describe_training_job(TrainingJobName=name)
        except ResourceNotFound:
            return None
        return TrainingJob(
            name,
            raw["TrainingJobStatus"],
            raw.get("SecondaryStatus", ""),
            raw.get("FailureReason", ""),
            dict(raw.get("HyperParameters", {})),
            str(raw.get("ResourceConfig", {}).get("InstanceType", "")),
            int(raw.get("ResourceConfig", {}).get("InstanceCount", 1)),
            bool(raw.get("EnableManagedSpotTraining")),
            int(raw.get("TrainingTimeInSeconds", 0)),
            int(raw.get("BillableTimeInSeconds", 0)),
            raw.get("CreationTime"),
        )
