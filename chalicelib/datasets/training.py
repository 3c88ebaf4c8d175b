"""The training job, and its model's entry in the registry."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from chalicelib import names
from chalicelib.aws.registry import Approval
from chalicelib.aws.training import JobStatus, TrainingJob
from chalicelib.datasets.artifact import read_evaluation
from chalicelib.datasets.checking import start_attempt
from chalicelib.datasets.gate import Evaluation
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.request import job_request
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import InputRefused, RequestRefused

# Failures of the service, not of the data or the script. Tried once more, under the next number.
_OF_THE_SERVICE = re.compile(r"InternalServerError|CapacityError|insufficient capacity", re.I)
SERVICE_RETRIES = 1


def step(parts: Parts, state: State) -> Move:
    """Make the job where there is none, else take up how it stands."""
    name = state.training_job or ""
    job = parts.training.describe(name)
    if job is None:
        try:
            parts.training.create(job_request(parts, state))
        except RequestRefused as error:
            message = f"SageMaker refuses the training job {name}: {error}"
            return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
        return rest(replace(state, message=f"training job {name} is starting"))
    if job.status == JobStatus.COMPLETED:
        return go(_register(parts, state))
    if job.status in (JobStatus.FAILED, JobStatus.STOPPED):
        return go(_ended(parts, state, job))
    return rest(replace(state, message=f"training job {name}: {job.secondary or job.status}"))


def _ended(parts: Parts, state: State, job: TrainingJob) -> State:
    if _OF_THE_SERVICE.search(job.reason) and state.tries < SERVICE_RETRIES:
        parts.logger.warning("training job is tried again", job=job.name, reason=job.reason)
        return start_attempt(parts, replace(state, tries=state.tries + 1), state.attempt + 1)
    if job.status == JobStatus.STOPPED:
        message = f"training job {job.name} was stopped ({job.secondary}) {job.reason}".rstrip()
    else:
        message = f"training job {job.name} failed: {job.reason}"
    return state.settle(Phase.FAILED, Outcome.FAILED, message)


def _register(parts: Parts, state: State) -> State:
    """Copy the evaluation to the reports and enter the model in the registry, once."""
    job = state.training_job or ""
    try:
        raw = read_evaluation(parts.storage, names.output_key(state.dataset, job))
        evaluation = Evaluation.from_json(raw)
    except (InputRefused, KeyError, TypeError, ValueError) as error:
        message = f"training job {job} left no usable evaluation: {error}"
        return state.settle(Phase.FAILED, Outcome.FAILED, message)
    key = names.evaluation_key(state.dataset, job)
    parts.storage.put_json(key, raw)
    group = parts.names.group(state.dataset)
    parts.registry.ensure_group(group, parts.tags(state.dataset))
    found = parts.registry.find(group, {"training_job": job})
    arn = found.arn if found else parts.registry.register(_package(parts, state, evaluation))
    state = replace(
        state, phase=Phase.JUDGING, package=arn, message=f"{job} is being judged", tries=0
    )
    version = state.version or ""
    return state.remember(version, replace(state.past_of(version), package=arn))


def _package(parts: Parts, state: State, evaluation: Evaluation) -> dict[str, Any]:
    job = state.training_job or ""
    report = parts.storage.uri(names.evaluation_key(state.dataset, job))
    return {
        "ModelPackageGroupName": parts.names.group(state.dataset),
        "ModelPackageDescription": f"{state.dataset}, trained by {job}",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": parts.settings.serving_image,
                    "ModelDataUrl": parts.storage.uri(names.model_key(state.dataset, job)),
                }
            ],
            "SupportedContentTypes": [
                "image/png",
                "application/x-npy",
                "text/csv",
                "application/json",
            ],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": str(Approval.PENDING),
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": report}}
        },
        "CustomerMetadataProperties": {
            "dataset": state.dataset,
            "dataset_version": state.version or "",
            "training_job": job,
            "accuracy": f"{evaluation.accuracy:.6f}",
            "heldout_rows": str(evaluation.rows),
            "code_version": parts.settings.code_version,
        },
        # The same job asked for twice is one package.
        "ClientToken": hashlib.sha256(job.encode()).hexdigest()[:36],
    }
