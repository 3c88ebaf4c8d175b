"""Wait for what a drop or a batch comes to, showing what happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cli.api import Api, ApiError, BatchStatus, DatasetStatus
from cli.console import Waiting
from cli.training_log import TrainingLog

Sleep = Callable[[], None]
T = TypeVar("T")
RETRIES = 5

PHASES = {
    "Waiting": "Waiting until the upload is taken up",
    "Checking": "Checking every row before anything is paid for",
    "Refused": "Refused",
    "Training": "Training",
    "Failed": "Failed",
    "Judging": "Judging the new model on held-out rows",
    "PendingApproval": "Waiting for a person's approval",
    "Rejected": "Rejected",
    "Verifying": "Verifying the model behind an endpoint of its own",
    "Deploying": "Deploying",
    "Live": "Live",
    "Classifying": "Classifying",
    "Writing": "Writing the results",
    "Done": "Done",
}


def pause(seconds: float) -> Sleep:
    """The real way to wait between two looks."""
    return lambda: time.sleep(seconds)


def follow_dataset(
    api: Api, logs: Any, name: str, *, ready: str, waiting: Waiting, sleep: Sleep
) -> DatasetStatus:
    """The status once the drop that ended with the `_READY` of this VersionId is through.

    Each new phase and each line that the training job logs is shown.
    """
    log: TrainingLog | None = None
    job: str | None = None
    waiting.say(PHASES["Waiting"])
    while True:
        status = _patient(lambda: api.dataset(name), sleep)
        if status is not None and status.ready == ready:
            if status.phase in ("Training", "Judging") and status.training_job != job:
                job = status.training_job
                log = TrainingLog(logs, job) if job else None
            if not status.settled:
                waiting.say(_phase(status.phase, status.training_job))
            _show(log, waiting)
            if status.settled:
                return status
        else:
            waiting.say(waiting.text)
        sleep()


def follow_batch(api: Api, name: str, *, ready: str, waiting: Waiting, sleep: Sleep) -> BatchStatus:
    """The status once the batch that ended with the `_READY` of this VersionId is through."""
    waiting.say(PHASES["Waiting"])
    while True:
        status = _patient(lambda: api.batch(name), sleep)
        if status is not None and status.ready == ready:
            if status.settled:
                return status
            waiting.say(PHASES.get(status.phase, status.phase))
        else:
            waiting.say(waiting.text)
        sleep()


def _show(log: TrainingLog | None, waiting: Waiting) -> None:
    if log is not None:
        for line in log.new_lines():
            waiting.line(line)


def _phase(phase: str, job: str | None) -> str:
    text = PHASES.get(phase, phase)
    return f"{text} ({job})" if phase == "Training" and job else text


def _patient(call: Callable[[], T], sleep: Sleep) -> T:
    """A look may fail for a moment (a cold function, a restart) without ending the wait."""
    for _ in range(RETRIES):
        try:
            return call()
        except ApiError as error:
            if error.http_status < 500:
                raise
        sleep()
    return call()
