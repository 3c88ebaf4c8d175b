"""Wait for what a drop or a batch comes to, showing what happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cli.api import Api, ApiError, BatchStatus, DatasetStatus
from cli.console import Waiting
from cli.errors import CliError
from cli.target import Target
from cli.training_log import TrainingLog

Sleep = Callable[[], None]
T = TypeVar("T")
RETRIES = 5
LOOK_SECONDS = 1.0  # between two looks at `_READY`, each of which is a request to S3
GONE_LOOKS = 30

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


def goes_on(target: Target) -> str:
    """What to say when the person stops watching."""
    return (
        f"No longer watching. It goes on in the cloud; `pigeonhole status{target.option}` shows it."
    )


class Ready:
    """The `_READY` whose end is waited for.

    The service takes up the newest `_READY` alone: one that a later one replaces may never be seen
    in a status. The later one is followed then, and its outcome is the outcome.

    version: the VersionId that was put. newest: gives the VersionId of the `_READY` that is there
    now, or None where it was deleted. noun: what ends with a `_READY`, say "drop".
    """

    def __init__(
        self,
        version: str,
        newest: Callable[[], str | None],
        noun: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version = version
        self._newest = newest
        self._noun = noun
        self._clock = clock
        self._next_look = clock()
        self._gone = 0

    def taken_up(self, seen: str | None, waiting: Waiting) -> bool:
        """Is the status that names `seen` about this `_READY`, or about the one that replaced it?

        Raises CliError when `_READY` was deleted and is not taken up.
        """
        if seen != self.version and self._clock() >= self._next_look:
            self._look(waiting)
            self._next_look = self._clock() + LOOK_SECONDS
        return seen == self.version

    def _look(self, waiting: Waiting) -> None:
        newest = self._newest()
        # It may have been listed before it was deleted: its status may still come.
        self._gone = self._gone + 1 if newest is None else 0
        if self._gone >= GONE_LOOKS:
            raise CliError(
                f"The _READY that ended this {self._noun} was deleted before it was taken up. "
                "Run the command again."
            )
        if newest is not None and newest != self.version:
            self.version = newest
            waiting.line(f"A later {self._noun} has replaced this one; following the later one.")


class Asked:
    """What was asked for by a call, which has answered: every status from now on speaks of it."""

    def taken_up(self, seen: str | None, waiting: Waiting) -> bool:
        """As `Ready`'s."""
        return True


def follow_dataset(
    api: Api, logs: Any, name: str, *, ready: Ready | Asked, waiting: Waiting, sleep: Sleep
) -> DatasetStatus:
    """The status once the drop that ended with this `_READY`, or a later one, is through.

    Each new phase and each line that the training job logs is shown.
    """
    log: TrainingLog | None = None
    job: str | None = None
    waiting.say(PHASES["Waiting"])
    while True:
        status = patient(lambda: api.dataset(name), sleep)
        if ready.taken_up(status.ready if status else None, waiting) and status:
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


def follow_batch(
    api: Api, name: str, *, ready: Ready, waiting: Waiting, sleep: Sleep
) -> BatchStatus:
    """The status once the batch that ended with this `_READY`, or a later one, is through."""
    waiting.say(PHASES["Waiting"])
    while True:
        status = patient(lambda: api.batch(name), sleep)
        if ready.taken_up(status.ready if status else None, waiting) and status:
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


def patient(call: Callable[[], T], sleep: Sleep) -> T:
    """A look may fail for a moment (a cold function, a restart) without ending the wait."""
    for _ in range(RETRIES):
        try:
            return call()
        except ApiError as error:
            if error.http_status < 500:
                raise
        sleep()
    return call()
