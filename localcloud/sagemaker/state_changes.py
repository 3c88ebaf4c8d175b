"""SageMaker's state-change events, in the spelling AWS publishes them with.

It differs from the API's and from event to event: training jobs have their times as strings of
epoch milliseconds, endpoints as numbers and their status in UPPER_SNAKE, transform jobs and model
packages in ISO 8601. Source: "Events from SageMaker AI" in the developer guide, and the schemas
that AWS CDK ships.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.store import Resource


def publish_training_job(cloud: Cloud, job: Resource) -> None:
    """`SageMaker Training Job State Change`, for changes of the secondary status too."""
    view = job.view
    detail: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "CreationTime": _millis_text(job.created),
        "LastModifiedTime": _millis_text(job.modified),
        "Tags": cloud.store.tags(job.arn),
    }
    for name in (
        "SecondaryStatus",
        "HyperParameters",
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "VpcConfig",
        "StoppingCondition",
        "ModelArtifacts",
        "FailureReason",
    ):
        if name in view:
            detail[name] = view[name]
    for name in ("TrainingStartTime", "TrainingEndTime"):
        if name in view:
            detail[name] = _millis_text(view[name])
    detail["SecondaryStatusTransitions"] = [
        {
            key: int(value * 1000) if key in ("StartTime", "EndTime") else value
            for key, value in step.items()
        }
        for step in view.get("SecondaryStatusTransitions", [])
    ]
    cloud.events.publish("SageMaker Training Job State Change", [job.arn], detail)


def publish_tuning_job(cloud: Cloud, job: Resource, counters: dict[str, Any]) -> None:
    """`SageMaker HyperParameter Tuning Job State Change`.

    counters: TrainingJobStatusCounters and ObjectiveStatusCounters
    """
    detail: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": job.arn,
        "HyperParameterTuningJobStatus": job.status,
        "CreationTime": _millis_text(job.created),
        "LastModifiedTime": _millis_text(job.modified),
        **counters,
        "Tags": cloud.store.tags(job.arn),
    }
    for name in ("TrainingJobDefinition", "TrainingJobDefinitions", "FailureReason"):
        if name in job.view:
            detail[name] = job.view[name]
    cloud.events.publish("SageMaker HyperParameter Tuning Job State Change", [job.arn], detail)


def publish_transform_job(cloud: Cloud, job: Resource) -> None:
    """`SageMaker Transform Job State Change`."""
    view = job.view
    detail: dict[str, Any] = {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        "CreationTime": _iso(job.created),
        "Tags": cloud.store.tags(job.arn),
    }
    for name in (
        "ModelName",
        "MaxConcurrentTransforms",
        "MaxPayloadInMB",
        "BatchStrategy",
        "Environment",
        "TransformInput",
        "TransformOutput",
        "TransformResources",
        "FailureReason",
    ):
        if name in view:
            detail[name] = view[name]
    for name in ("TransformStartTime", "TransformEndTime"):
        if name in view:
            detail[name] = _iso(view[name])
    cloud.events.publish("SageMaker Transform Job State Change", [job.arn], detail)


def publish_endpoint(cloud: Cloud, endpoint: Resource) -> None:
    """`SageMaker Endpoint State Change`; its status reads IN_SERVICE for the API's InService."""
    view = endpoint.view
    detail: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": view.get("EndpointConfigName"),
        "ProductionVariants": _variants(view.get("ProductionVariants", [])),
        "EndpointStatus": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", endpoint.status).upper(),
        "CreationTime": round(endpoint.created * 1000.0),
        "LastModifiedTime": round(endpoint.modified * 1000.0),
        "Tags": cloud.store.tags(endpoint.arn),
    }
    if "FailureReason" in view:
        detail["FailureReason"] = view["FailureReason"]
    cloud.events.publish("SageMaker Endpoint State Change", [endpoint.arn], detail)


def publish_model_package(cloud: Cloud, package: Resource) -> None:
    """`SageMaker Model Package State Change`, on creation and on every update."""
    view = package.view
    detail: dict[str, Any] = {
        "ModelPackageArn": package.arn,
        "CreationTime": _iso(package.created),
        "LastModifiedTime": _iso(package.modified),
        "ModelPackageStatus": package.status,
        "Tags": cloud.store.tags(package.arn),
    }
    for name in (
        "ModelPackageName",
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageDescription",
        "InferenceSpecification",
        "ModelPackageStatusDetails",
        "ModelApprovalStatus",
        "ApprovalDescription",
        "MetadataProperties",
        "CustomerMetadataProperties",
        "ModelMetrics",
        "CertifyForMarketplace",
    ):
        if name in view:
            detail[name] = view[name]
    cloud.events.publish("SageMaker Model Package State Change", [package.arn], detail)


def _variants(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = []
    for variant in variants:
        images = [
            {
                key: round(value * 1000.0) if key == "ResolutionTime" else value
                for key, value in image.items()
            }
            for image in variant.get("DeployedImages", [])
        ]
        shown.append({**variant, "DeployedImages": images})
    return shown


def _millis_text(seconds: float) -> str:
    return str(int(seconds * 1000))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
