"""CreateTransformJob, DescribeTransformJob, ListTransformJobs, StopTransformJob."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import transform
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ResourceInUse, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import models
from localcloud.sagemaker.state_changes import publish_transform_job
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.transform.checks import check, with_defaults


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    check(request)
    model = models.get(cloud, request["ModelName"])
    cloud.roles.check_assumable(model.request["ExecutionRoleArn"])
    job = cloud.create(
        Kind.TRANSFORM_JOB,
        request["TransformJobName"],
        with_defaults(request),
        lambda existing: ResourceInUse(
            "Job name must be unique within an AWS account and region, and a job with this name "
            f"already exists ({existing.arn})"
        ),
        status="InProgress",
    )
    publish_transform_job(cloud, job)
    cloud.transform.start(job.name)
    return {"TransformJobArn": job.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    return {
        **job.view,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        "CreationTime": job.created,
    }


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    return _LISTING.answer(request, cloud.store.all(Kind.TRANSFORM_JOB))


def stop(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    if not transform.move(cloud, job.name, "Stopping", only_from=("InProgress",)):
        now = _get(cloud, request)
        if now.status != "Stopping":
            raise ValidationException(
                f"The request was rejected because the transform job is in status {now.status}."
            )
    cloud.transform.stop(job.name)
    return {}


def _get(cloud: Cloud, request: dict[str, Any]) -> Resource:
    name = request["TransformJobName"]
    job = cloud.store.get(Kind.TRANSFORM_JOB, name)
    if job is None:
        raise MissingResource(f"Could not find requested job with name: {name}")
    return job


def _summary(job: Resource) -> dict[str, Any]:
    summary = {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TransformJobStatus": job.status,
    }
    for name in ("TransformEndTime", "FailureReason"):
        if name in job.state:
            summary[name] = job.state[name]
    return summary


_LISTING = Listing("TransformJobSummaries", _summary)
