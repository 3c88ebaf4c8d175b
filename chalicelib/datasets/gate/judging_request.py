"""CreateTrainingJob's request for a judging job: it trains nothing, and takes minutes at most."""

from __future__ import annotations

from typing import Any

from chalicelib import names
from chalicelib.datasets.checking import read_report
from chalicelib.datasets.cost.choices import DEFAULT_PRESET, Instances
from chalicelib.datasets.jobs.request import channel, volume
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Champion, State
from chalicelib.settings import Settings

LONGEST_SECONDS = 3600
CPU_INSTANCE_TYPE = "ml.m5.xlarge"  # where the stage names none
METRICS = {"heldout:accuracy": "heldout_accuracy", "champion:accuracy": "champion_accuracy"}


def judging_request(parts: Parts, state: State, champion: Champion, name: str) -> dict[str, Any]:
    """The request for the job `name` that compares the state's model with the champion.

    Its data is that of the model's own version: of its rows, those count that neither model was
    trained on.
    """
    settings, uri, dataset = parts.settings, parts.storage.uri, state.dataset
    preflight = names.preflight_prefix(dataset, state.version or "")
    report = read_report(parts, state) or {}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image_cpu,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": metric, "Regex": rf"\b{written}=([-+.0-9eE]+);"}
                for metric, written in METRICS.items()
            ],
        },
        "RoleArn": settings.training_role_arn,
        "HyperParameters": {
            "task": "judge",
            "challenger": state.training_job or "",
            "champion": champion.training_job,
            "preset": str(report.get("preset") or DEFAULT_PRESET),
            "dataset": dataset,
            "dataset_version": state.version or "",
            "code_version": settings.code_version,
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": uri(names.code_key(settings.code_version)),
        },
        "InputDataConfig": [
            channel("train", "ManifestFile", uri(preflight + "train.manifest")),
            channel("version", "S3Prefix", uri(preflight + "version.json")),
            channel("champion", "S3Prefix", uri(names.model_key(dataset, champion.training_job))),
            channel(
                "challenger", "S3Prefix", uri(names.model_key(dataset, state.training_job or ""))
            ),
        ],
        "OutputDataConfig": {
            "S3OutputPath": uri(names.models_prefix(dataset)).rstrip("/"),
            "CompressionType": "GZIP",
        },
        "ResourceConfig": {
            "InstanceType": cpu_instance_type(settings),
            "InstanceCount": 1,
            "VolumeSizeInGB": volume(report),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": LONGEST_SECONDS},
        "RetryStrategy": {"MaximumRetryAttempts": 2},  # SageMaker's own, of internal errors
        "Tags": [{"Key": key, "Value": value} for key, value in parts.tags(dataset).items()],
    }


def cpu_instance_type(settings: Settings) -> str:
    """The stage's instance type without a GPU: ONNX Runtime judges on processors."""
    listed = [settings.training_cpu_instance_type, *settings.training_instance_type.split(",")]
    found = [kind.strip() for kind in listed if kind.strip()]
    return next(
        (kind for kind in found if not Instances(kind, 1, spot=False).gpu), CPU_INSTANCE_TYPE
    )
