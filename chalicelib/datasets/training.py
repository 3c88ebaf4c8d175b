"""The training job: made, waited for, taken up."""

from __future__ import annotations

import re
from dataclasses import replace

from chalicelib.aws.training import JobStatus, TrainingJob
from chalicelib.datasets import publishing
from chalicelib.datasets.checking import start_attempt
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.registering import register
from chalicelib.datasets.request import job_request
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import RequestRefused

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
        published = publishing.awaited(parts, state)
        return published if isinstance(published, Move) else go(register(parts, published))
    if job.status in (JobStatus.FAILED, JobStatus.STOPPED):
        return _ended(parts, state, job)
    return rest(replace(state, message=f"training job {name}: {job.secondary or job.status}"))


def _ended(parts: Parts, state: State, job: TrainingJob) -> Move:
    message = _why(job)
    told = publishing.tell_failure(parts, state, job, message)
    if _OF_THE_SERVICE.search(job.reason) and state.tries < SERVICE_RETRIES:
        parts.logger.warning("training job is tried again", job=job.name, reason=job.reason)
        return go(start_attempt(parts, replace(state, tries=state.tries + 1), state.attempt + 1))
    if publishing.left_something(parts, state):
        published = publishing.awaited(parts, told)
        if isinstance(published, Move):
            return published
        told = published
    return go(told.settle(Phase.FAILED, Outcome.FAILED, message))


def _why(job: TrainingJob) -> str:
    """What became of a job that did not complete, and what can be done."""
    again = "`pigeonhole retrain` goes on from its last checkpoint"
    if job.secondary == "MaxRuntimeExceeded":
        return (
            f"training job {job.name} was stopped after the longest time that a job may run "
            f"(PIGEONHOLE_TRAINING_MAX_RUNTIME_SECONDS): {again}"
        )
    if job.secondary == "MaxWaitTimeExceeded":
        return (
            f"training job {job.name} was stopped: spot capacity did not come in time "
            f"(PIGEONHOLE_TRAINING_MAX_WAIT_SECONDS). Later, or with "
            f'"instances": {{"spot": false}} in dataset.json: {again}'
        )
    if job.status == JobStatus.STOPPED:
        said = f"training job {job.name} was stopped ({job.secondary}) {job.reason}".rstrip()
        return f"{said}: {again}"
    return f"training job {job.name} failed: {job.reason}"
