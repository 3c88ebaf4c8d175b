"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob, DeleteTrainingJob."""

from __future__ import annotations

import threading
from typing import Any

from localcloud.sagemaker import training
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ResourceInUse, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.store import Kind, Resource

_TIDY = 30.0  # seconds; a moment as a rule


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    cloud.roles.check_assumable(request["RoleArn"])
    return {"TrainingJobArn": launch(cloud, request).arn}


def launch(cloud: Cloud, request: dict[str, Any], **state: Any) -> Resource:
    """Create a job and start it; `state`: what else DescribeTrainingJob shows, say TuningJobArn."""
    training.check(request)
    full = training.with_defaults(request)
    job = cloud.create(
        Kind.TRAINING_JOB,
        request["TrainingJobName"],
        full,
        lambda existing: ResourceInUse(
            "Training job names must be unique within an AWS account and region, and a training "
            f"job with this name already exists ({existing.arn})"
        ),
        status="InProgress",
        state=state,
    )
    training.enter(cloud, job.name, "InProgress", "Starting")
    cloud.training.start(job.name)
    return job


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    return {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **job.view,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.TRAINING_JOB))


def stop(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    moved = training.enter(cloud, job.name, "Stopping", "Stopping", only_from=("InProgress",))
    if moved is None:
        now = _get(cloud, request)
        if now.status != "Stopping":
            raise ValidationException(
                f"The request was rejected because the training job is in status {now.status}."
            )
    cloud.training.stop(job.name)
    return {}


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a job that is over; its name may be used again. What it left in S3 stays.

    The service model has no code for a job that is not over but ResourceInUse; the message is ours.
    """
    job = _get(cloud, request)
    if job.status in ("InProgress", "Stopping"):
        raise ResourceInUse(
            f"Training job {job.name} cannot be deleted while it is in status {job.status}."
        )
    # The job's thread tidies up after the job's end: the name is free when it has.
    over = threading.Event()
    cloud.training.when_over(job.name, over.set)
    over.wait(_TIDY)
    cloud.store.delete(Kind.TRAINING_JOB, job.name)
    return {}


def _get(cloud: Cloud, request: dict[str, Any]) -> Resource:
    job = cloud.store.get(Kind.TRAINING_JOB, request["TrainingJobName"])
    if job is None:
        raise MissingResource("Requested resource not found.")
    return job


def _summary(job: Resource) -> dict[str, Any]:
    summary = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.state.get("SecondaryStatus", "Starting"),
    }
    if "TrainingEndTime" in job.state:
        summary["TrainingEndTime"] = job.state["TrainingEndTime"]
    return summary


_LISTING = Listing("TrainingJobSummaries", _summary, default_order="Ascending")
