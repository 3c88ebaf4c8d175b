"""CreateTrainingJob's request: all that a training job is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chalicelib import names
from chalicelib.datasets.checking import read_report
from chalicelib.datasets.cost.choices import Instances, choices
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import State

VOLUME_GB = 30  # at least; SageMaker takes 16 TB at most
MOST_VOLUME_GB = 16384
# Of disk for a byte of data: the data as it lies in S3, and as pixels where memory does not hold
# them. A gzipped CSV grows about sixfold when it is unpacked, and halves when it becomes pixels.
VOLUME_FOR_DATA = 5
# SageMaker's own, after an InternalServerError; the job goes on from its checkpoint.
INTERNAL_ERROR_RETRIES = 2
# CloudWatch metric -> what stands before `=` in the job's log lines (docs/architecture.md).
METRICS = {
    "train:loss": "train_loss",
    "train:accuracy": "train_accuracy",
    "train:learning_rate": "learning_rate",
    "validation:loss": "validation_loss",
    "validation:accuracy": "validation_accuracy",
    "epoch:seconds": "seconds",
    "heldout:accuracy": "heldout_accuracy",
    "champion:accuracy": "champion_accuracy",
}


def job_request(parts: Parts, state: State) -> dict[str, Any]:
    """The request for the state's attempt. What dataset.json asks for stands in the preflight's
    report, where it was checked."""
    settings, storage = parts.settings, parts.storage
    report = read_report(parts, state) or {}
    chosen = choices(report, settings, state.instances)
    request: dict[str, Any] = {
        "TrainingJobName": state.training_job,
        "AlgorithmSpecification": {
            "TrainingImage": chosen.image(settings),
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": metric, "Regex": rf"\b{written}=([-+.0-9eE]+);"}
                for metric, written in METRICS.items()
            ],
        },
        "RoleArn": settings.training_role_arn,
        "HyperParameters": hyperparameters(parts, state, report),
        "InputDataConfig": _channels(parts, state, chosen.preset),
        "OutputDataConfig": {
            "S3OutputPath": storage.uri(names.models_prefix(state.dataset)).rstrip("/"),
            "CompressionType": "GZIP",  # serverless endpoints and batch transform take nothing else
        },
        "CheckpointConfig": {"S3Uri": storage.uri(_checkpoints(state)).rstrip("/")},
        "TensorBoardOutputConfig": {
            "S3OutputPath": storage.uri(names.reports_prefix(state.dataset)).rstrip("/")
        },
        "ResourceConfig": {
            "InstanceType": chosen.instances.type,
            "InstanceCount": chosen.instances.count,
            "VolumeSizeInGB": volume(report),
        },
        "RetryStrategy": {"MaximumRetryAttempts": INTERNAL_ERROR_RETRIES},
        "Tags": [{"Key": key, "Value": value} for key, value in parts.tags(state.dataset).items()],
    }
    return request | _stopping(parts, state, chosen.instances)


def _checkpoints(state: State) -> str:
    version = state.version or ""
    family = state.past_of(version).family or state.attempt
    return names.checkpoints_prefix(state.dataset, version, family)


def volume(report: Mapping[str, Any]) -> int:
    """GB of disk for the data that the preflight's report tells of."""
    size = int(report.get("bytes", 0))
    return min(MOST_VOLUME_GB, VOLUME_GB + math.ceil(VOLUME_FOR_DATA * size / 2**30))


def _stopping(parts: Parts, state: State, instances: Instances) -> dict[str, Any]:
    longest = parts.settings.training_max_runtime_seconds
    quote = state.costs.quote
    if quote is not None and quote.job == state.training_job:  # what its caps let it run
        longest = min(longest, quote.runtime_seconds)
    stopping = {"MaxRuntimeInSeconds": longest}
    if instances.spot:  # with the waiting for spare capacity; SageMaker wants it no less
        stopping["MaxWaitTimeInSeconds"] = max(longest, parts.settings.training_max_wait_seconds)
    return {"EnableManagedSpotTraining": instances.spot, "StoppingCondition": stopping}


def _channels(parts: Parts, state: State, preset: str) -> list[dict[str, Any]]:
    uri = parts.storage.uri
    preflight = names.preflight_prefix(state.dataset, state.version or "")
    channels = [
        channel("train", "ManifestFile", uri(preflight + "train.manifest")),
        channel("version", "S3Prefix", uri(preflight + "version.json")),
    ]
    if state.champion is not None:
        key = names.model_key(state.dataset, state.champion.training_job)
        # A channel without an object fails the job; without a comparison the gate asks a person.
        if parts.storage.head(key) is not None:
            channels.append(channel("champion", "S3Prefix", uri(key)))
    weights = names.weights_prefix(preset)
    if any(not found.key.endswith("/") for found in parts.storage.list(weights)):
        channels.append(channel("weights", "S3Prefix", uri(weights)))
    return channels


def channel(name: str, kind: str, uri: str) -> dict[str, Any]:
    """An entry of InputDataConfig; `kind` is its S3DataType."""
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def hyperparameters(parts: Parts, state: State, report: Mapping[str, Any]) -> dict[str, str]:
    """What the script is told; `report` is the preflight's."""
    chosen = choices(report, parts.settings, state.instances)
    given = {name: str(value) for name, value in report.get("hyperparameters", {}).items()}
    if chosen.instances.count > 1:  # the TensorFlow image then tells the hosts of each other
        given["sagemaker_multi_worker_mirrored_strategy_enabled"] = "true"
    return given | {
        "preset": chosen.preset,
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": parts.storage.uri(
            names.code_key(parts.settings.code_version)
        ),
        "dataset": state.dataset,
        "dataset_version": state.version or "",
        "code_version": parts.settings.code_version,
    }
