"""The states of a training job.

    InProgress   Starting → Downloading → Training → Uploading
                 (managed spot: Training → Interrupted → Starting → Downloading → Training …)
    Stopping     Stopping: after StopTrainingJob, MaxRuntimeInSeconds or MaxWaitTimeInSeconds
    Stopped      Stopped, MaxRuntimeExceeded, MaxWaitTimeExceeded
    Completed, Failed

Source: DescribeTrainingJob in the API reference, "Managed Spot Training Lifecycle" in the
developer guide. The status messages are those that AWS has been seen to write; where none is known
(spot), the sentences of the API reference stand in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.jobs import LOST_PROCESS
from localcloud.sagemaker.state_changes import publish_training_job
from localcloud.sagemaker.store import Kind, Resource

NO_CAPACITY = "Insufficient capacity error from EC2 while launching instances, retrying!"
SPOT_SHARE = 0.3
"""What a second on spot instances is billed as. AWS bills by the market; savings of up to 90 % is
all that is documented, so one price is as good as another."""

_RUNNING = ("InProgress", "Stopping")
_ENDS = ("Completed", "Failed", "Stopped")
_ON_INSTANCES = ("Downloading", "Training", "Uploading", "Stopping")
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "The job stopped because the managed spot training instances were interrupted.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "The job stopped because it exceeded the maximum allowed wait time.",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


def enter(
    cloud: Cloud,
    name: str,
    status: str,
    secondary: str,
    *,
    only_from: tuple[str, ...] = _RUNNING,
    message: str | None = None,
    **state: Any,
) -> Resource | None:
    """Move a job on, keep its SecondaryStatusTransitions, and publish the event.

    A secondary status that it has already gets another message (`message`) and no new transition.
    Returns None when the job is not in one of `only_from`: somebody else moved it.
    """

    def change(job: Resource) -> Resource | None:
        if job.status not in only_from:
            return None
        now = cloud.clock.now()
        steps = _moved(
            job.state.get("SecondaryStatusTransitions", []),
            secondary,
            message or state.get("FailureReason") or _MESSAGES[secondary],
            now,
        )
        times: dict[str, Any] = {}
        if status in _ENDS:
            steps[-1]["EndTime"] = now
            times["TrainingEndTime"] = now
            if "TrainingStartTime" in job.state:
                spot = bool(job.request.get("EnableManagedSpotTraining"))
                times |= seconds_of(steps, spot=spot)
        return replace(job, status=status, modified=now).with_state(
            SecondaryStatus=secondary, SecondaryStatusTransitions=steps, **times, **state
        )

    job = cloud.store.change(Kind.TRAINING_JOB, name, change)
    if job is not None:
        publish_training_job(cloud, job)
    return job


def _moved(
    past: Sequence[dict[str, Any]], secondary: str, message: str, now: float
) -> list[dict[str, Any]]:
    steps = [dict(step) for step in past]
    if steps and steps[-1]["Status"] == secondary:
        steps[-1]["StatusMessage"] = message
        return steps
    if steps:
        steps[-1].setdefault("EndTime", now)
    return [*steps, {"Status": secondary, "StartTime": now, "StatusMessage": message}]


def seconds_of(steps: Sequence[dict[str, Any]], *, spot: bool) -> dict[str, int]:
    """TrainingTimeInSeconds and BillableTimeInSeconds of a job with these transitions.

    Training time is what the job spent on instances, all attempts together, and that is billed,
    spot instances at SPOT_SHARE of it. Whole seconds, at least 1. Waiting for instances counts for
    neither (not documented by AWS).
    """
    on_instances = sum(
        step["EndTime"] - step["StartTime"] for step in steps if step["Status"] in _ON_INSTANCES
    )
    training = max(1, math.ceil(on_instances))
    billable = max(1, math.ceil(on_instances * SPOT_SHARE)) if spot else training
    return {"TrainingTimeInSeconds": training, "BillableTimeInSeconds": billable}


def retry(cloud: Cloud, job: Resource) -> bool:
    """After an InternalServerError: back to Starting if the job's RetryStrategy has a retry left.

    Says whether it had. The retries are counted in the job's state, so that a kill forgets none.
    """
    allowed = job.request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    current = cloud.store.get(Kind.TRAINING_JOB, job.name)
    used = current.state.get("_retries", 0) if current is not None else 0
    if used >= allowed:
        return False
    moved = enter(
        cloud, job.name, "InProgress", "Starting", only_from=("InProgress",), _retries=used + 1
    )
    return moved is not None


def recover(cloud: Cloud) -> None:
    """After a restart: no process of a job is left, so tell that of each job that was under way,
    or begin anew those that may be retried.
    """
    for job in cloud.store.all(Kind.TRAINING_JOB, "InProgress"):
        if retry(cloud, job):
            cloud.training.start(job.name)
        else:
            enter(cloud, job.name, "Failed", "Failed", FailureReason=LOST_PROCESS)
    for job in cloud.store.all(Kind.TRAINING_JOB, "Stopping"):
        enter(cloud, job.name, "Stopped", "Stopped")
