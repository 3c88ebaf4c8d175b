"""CreateTransformJob, DescribeTransformJob, ListTransformJobs, StopTransformJob."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import transform
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import MissingResource, ResourceInUse, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.operations import models
from localcloud.sagemaker.operations._unsupported import only, refuse, unsupported
from localcloud.sagemaker.state_changes import publish_transform_job
from localcloud.sagemaker.store import Kind, Resource

_LARGEST_BUFFER = 100  # MB over all concurrent transforms


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    _check(cloud, request)
    job = cloud.create(
        Kind.TRANSFORM_JOB,
        request["TransformJobName"],
        request,
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


def _check(cloud: Cloud, request: dict[str, Any]) -> None:
    refuse(request, ("DataProcessing", "DataCaptureConfig"))
    source = request["TransformInput"]["DataSource"].get("S3DataSource")
    if source is None:
        raise unsupported("TransformInput.DataSource other than S3DataSource")
    only(source["S3DataType"], ("S3Prefix", "ManifestFile"), "TransformInput S3DataType")
    only(request["TransformInput"].get("SplitType"), ("None",), "TransformInput.SplitType")
    only(request["TransformInput"].get("CompressionType"), ("None",), "CompressionType")
    if request.get("BatchStrategy") == "SingleRecord":
        raise ValidationException("BatchStrategy SingleRecord needs a SplitType other than None.")
    if request["TransformResources"]["InstanceCount"] > 1:
        raise unsupported("TransformResources.InstanceCount greater than 1")
    payload, concurrent = (
        request.get("MaxPayloadInMB", 6),
        request.get("MaxConcurrentTransforms", 1),
    )
    if payload * concurrent > _LARGEST_BUFFER:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_LARGEST_BUFFER} MB."
        )
    models.get(cloud, request["ModelName"])


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
