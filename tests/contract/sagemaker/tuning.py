"""Tuning jobs as the tests make them."""

from __future__ import annotations

from typing import Any

from .account import ROLE, TARGET, Account, wait_until

X = {"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}
DEPTH = {"Name": "depth", "MinValue": "1", "MaxValue": "9", "ScalingType": "Linear"}
KIND = {"Name": "kind", "Values": ["good", "bad"]}
ENDS = ("Completed", "Failed", "Stopped")


def definition(sagemaker: Account, **changes: Any) -> dict[str, Any]:
    """A TrainingJobDefinition over the image that is made to be tuned."""
    return {
        "StaticHyperParameters": {"epochs": "1"},
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": TARGET.tuned_image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": r"score=(\S+);"}],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{sagemaker.bucket}/tuned/"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **changes,
    }


def request(
    sagemaker: Account,
    name: str,
    *,
    jobs: int | None = 4,
    parallel: int = 2,
    ranges: dict[str, Any] | None = None,
    static: dict[str, str] | None = None,
    limits: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob; `config` and `changes` are members that replace others."""
    most = {} if jobs is None else {"MaxNumberOfTrainingJobs": jobs}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": parallel, **most, **(limits or {})},
            "ParameterRanges": ranges or {"ContinuousParameterRanges": [X]},
            **(config or {}),
        },
        "TrainingJobDefinition": definition(
            sagemaker, StaticHyperParameters=static or {"epochs": "1"}
        ),
        **changes,
    }


def tune(sagemaker: Account, name: str, **changes: Any) -> dict[str, Any]:
    """Create a tuning job and wait for its end; see `request` for what may change."""
    sagemaker.api.create_hyper_parameter_tuning_job(**request(sagemaker, name, **changes))
    return tuning_ends(sagemaker, name)


def describe(sagemaker: Account, name: str) -> dict[str, Any]:
    return sagemaker.api.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def tuning_ends(sagemaker: Account, name: str) -> dict[str, Any]:
    def ended() -> Any:
        found = describe(sagemaker, name)
        return found if found["HyperParameterTuningJobStatus"] in ENDS else None

    return wait_until(ended, f"tuning job {name} ends")


def trials(sagemaker: Account, name: str, **how: Any) -> list[dict[str, Any]]:
    """All trials of a tuning job."""
    pages = sagemaker.api.get_paginator(
        "list_training_jobs_for_hyper_parameter_tuning_job"
    ).paginate(HyperParameterTuningJobName=name, **how)
    return [trial for page in pages for trial in page["TrainingJobSummaries"]]


def value(trial: dict[str, Any]) -> float:
    """The objective of a trial."""
    return trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
