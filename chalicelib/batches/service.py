"""The reconciler of batches: looks at S3, SageMaker and the item, and takes the next steps.

Safe to call twice at once and to kill anywhere: the item changes by conditional writes alone, and
every effect before a write (shards, messages, model, job) is the same when it is done again:

    1. a run that is under way is brought to its end first, whatever arrives meanwhile
    2. new content (or a new _READY): wait for quiet, choose the model, write shards, start the job
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.queues import LONGEST_DELAY, Queues
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Table
from chalicelib.aws.training import JobStatus
from chalicelib.aws.transform import Transform, TransformJob
from chalicelib.batches import inbox as inboxes
from chalicelib.batches import results
from chalicelib.batches.requests import transform_request
from chalicelib.batches.state import BatchState, Phase
from chalicelib.clock import Clock, iso
from chalicelib.errors import (
    AccessDenied,
    BatchNotFound,
    DatasetNotChosen,
    DatasetNotFound,
    InputRefused,
    NoModel,
    RequestRefused,
    RevisionConflict,
    Unavailable,
)
from chalicelib.predict.choice import Champion, Choice
from chalicelib.sagemaker_names import SageMakerNames
from chalicelib.settings import Settings
from chalicelib.uploads import unfinished

TRIES = 5  # how often a race is lost before SQS brings the message again
WRITE_TIMEOUT = timedelta(minutes=20)  # longer than the work function may run
WRITE_TRIES = 3


class Batches:
    """Flow 3 but for the writing of results, which `chalicelib.batches.writer` does."""

    def __init__(
        self,
        *,
        settings: Settings,
        table: Table,
        storage: Storage,
        queues: Queues,
        transform: Transform,
        choice: Choice,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._settings = settings
        self._names = SageMakerNames(settings.stage)
        self._table = table
        self._storage = storage
        self._queues = queues
        self._transform = transform
        self._choice = choice
        self._clock = clock
        self._log = logger

    def status(self, batch: str) -> dict[str, Any]:
        """For the HTTP API. Raises NameRefused, BatchNotFound."""
        names.check_name(names.Owner.BATCH, batch)
        item = self._table.get(names.batch_id(batch))
        if item is None:
            prefix = names.inbox_prefix(batch)
            raise BatchNotFound(
                f"Nothing has come for batch {batch!r}: put images under {prefix} in the data "
                f"bucket, then an empty {prefix}{names.READY}."
            )
        return BatchState.load(item.state).status()

    def reconcile(self, batch: str) -> None:
        """Take every step that can be taken now."""
        names.check_name(names.Owner.BATCH, batch)
        for attempt in range(1, TRIES + 1):
            try:
                while self._step(batch):
                    pass
            except RevisionConflict:  # another function was faster: look again at what it left
                if attempt == TRIES:
                    raise
            else:
                return

    def _step(self, batch: str) -> bool:
        """One step; whether there may be another."""
        item = self._table.get(names.batch_id(batch))
        revision = item.revision if item else 0
        state = BatchState.load(item.state) if item else BatchState(batch)
        if state.phase is Phase.CLASSIFYING:
            return self._classify(state, revision)
        if state.phase is Phase.WRITING:
            return self._write(state, revision)
        return self._begin(state, revision)

    # 1. under way

    def _classify(self, state: BatchState, revision: int) -> bool:
        name = self._job_name(state)
        job = self._transform.describe(name)
        if job is None:
            return self._start_job(state, revision, name)
        if job.status in (JobStatus.IN_PROGRESS, JobStatus.STOPPING):
            return False  # its end is an event, and the sweep looks too
        return self._put(
            replace(
                state,
                phase=Phase.WRITING,
                message="The images are classified; the results are being written.",
                job_status=job.status,
                job_reason=job.reason,
                asked_at="",
                asked=0,
            ),
            revision,
        )

    def _start_job(self, state: BatchState, revision: int, name: str) -> bool:
        settings, run = self._settings, state.run or ""
        dataset, training_job = state.dataset or "", state.training_job or ""
        tags = {"pigeonhole:stage": settings.stage, "pigeonhole:batch": state.batch}
        request = transform_request(
            job=name,
            batch=state.batch,
            run=run,
            bucket=settings.bucket,
            instance_type=settings.transform_instance_type,
            tags=tags,
        )
        model = self._storage.uri(names.model_key(dataset, training_job))
        try:
            self._transform.ensure_model(
                name, settings.serving_image, model, settings.transform_role_arn, tags
            )
            self._transform.create(request)
        except Unavailable as error:  # the account's limit, say: the job starts when there is room
            message = f"Waiting to start the transform job, SageMaker says: {error}"
            self._log.warning("transform job waits", batch=state.batch, job=name, reason=str(error))
            self._put(
                self._woken(replace(state, message=message), self._settings.retry_seconds), revision
            )
        except RequestRefused as error:
            self._transform.delete_model(name)
            ready = names.inbox_prefix(state.batch) + names.READY
            reason = f"SageMaker refuses the transform job: {error} Put {ready} to try again."
            self._log.error("batch failed", batch=state.batch, job=name, reason=str(error))
            failed = replace(state, phase=Phase.FAILED, message=reason)
            self._point_to(failed)
            return self._put(failed, revision)
        except AccessDenied as error:
            denied = replace(state, message=f"AWS denies a permission: {error}")
            if denied != state:
                self._put(denied, revision)
            raise  # for SQS to retry, and to park in the end: the sweep looks again
        else:
            self._log.info("transform job started", batch=state.batch, job=name, run=run)
        return False

    def _write(self, state: BatchState, revision: int) -> bool:
        written = results.written(self._storage, state)
        if written is not None:
            return self._finish(state, revision, written)
        now = self._clock()
        if state.asked_at and now - datetime.fromisoformat(state.asked_at) < WRITE_TIMEOUT:
            return False
        if state.asked >= WRITE_TRIES:
            reason = (
                f"The results could not be written in {WRITE_TRIES} tries; the log of the function "
                f"`work` says why. Put {names.inbox_prefix(state.batch)}{names.READY} to try again."
            )
            self._transform.delete_model(self._job_name(state))
            return self._put(replace(state, phase=Phase.FAILED, message=reason), revision)
        self._queues.work("results", batch=state.batch, run=state.run)
        self._put(replace(state, asked_at=iso(now), asked=state.asked + 1), revision)
        return False

    def _finish(self, state: BatchState, revision: int, written: results.Written) -> bool:
        self._transform.delete_model(self._job_name(state))
        done = state.job_status == JobStatus.COMPLETED
        finished = replace(
            state,
            phase=Phase.DONE if done else Phase.FAILED,
            message=written.message,
            results=self._storage.uri(names.results_prefix(state.batch, written.run)),
            counts=written.counts,
        )
        self._point_to(finished)
        return self._put(finished, revision)

    def _point_to(self, state: BatchState) -> None:
        """results/<batch>/latest.json: the status as it stands now that all else is written."""
        now = iso(self._clock())
        self._storage.put_json(names.latest_key(state.batch), replace(state, updated=now).status())

    # 2. a new run

    def _begin(self, state: BatchState, revision: int) -> bool:
        inbox = inboxes.look(self._storage, state.batch)
        told = inbox.ready is not None and inbox.ready != state.ready
        content = inbox.content
        nothing_new = state.settled and (content == state.listing or not inbox.images)
        nothing_at_all = not revision and not inbox.images  # came and went before anybody looked
        if not told and (nothing_new or nothing_at_all):
            return False
        if not told and not inbox.images and state.results:
            kept = "The folder was emptied; its last results stay."
            return self._put(replace(state, phase=Phase.DONE, message=kept), revision)
        if not told:
            wait = self._quiet_in(inbox, state.batch)
            if wait > 0:
                return self._wait(state, revision, wait)
        fresh = BatchState(
            state.batch,
            ready=inbox.ready if told else state.ready,
            listing=content,
            started=iso(self._clock()),
        )
        try:
            if not inbox.images:
                raise InputRefused(
                    f"There is no file under {names.inbox_prefix(state.batch)}. Put images there, "
                    f"then {names.READY} again."
                )
            champion = self._champion(inboxes.wanted_dataset(self._storage, inbox), state.batch)
        except InputRefused as error:
            return self._refuse(fresh, revision, str(error))
        except (DatasetNotFound, NoModel) as error:
            ready = names.inbox_prefix(state.batch) + names.READY
            return self._refuse(fresh, revision, f"{error} Then put {ready} again.")
        return self._start(fresh, revision, inbox, champion)

    def _quiet_in(self, inbox: inboxes.Inbox, batch: str) -> int:
        """Seconds until the folder counts as complete; 0 when it does."""
        quiet = timedelta(seconds=self._settings.quiet_seconds)
        if inbox.newest is not None:
            left = (inbox.newest + quiet - self._clock()).total_seconds()
            if left > 0:
                return int(left) + 1
        if unfinished(self._storage, names.inbox_prefix(batch), self._clock()):
            return max(1, self._settings.quiet_seconds)
        return 0

    def _wait(self, state: BatchState, revision: int, seconds: int) -> bool:
        prefix = names.inbox_prefix(state.batch)
        message = (
            f"Files are arriving. Starts {self._settings.quiet_seconds} s after the last one, or "
            f"at once when {prefix}{names.READY} is put."
        )
        waiting = replace(state, phase=Phase.WAITING, message=message)
        later = self._woken(waiting, seconds)
        if later != state:
            self._put(later, revision)
        return False

    def _champion(self, dataset: str | None, batch: str) -> Champion:
        try:
            return self._choice.champion(dataset)
        except DatasetNotChosen as error:
            prefix = names.inbox_prefix(batch)
            raise InputRefused(
                f"Several datasets have a model ({', '.join(error.choices)}). Say which: put "
                f'{prefix}batch.json with {{"dataset": "{error.choices[0]}"}} in it, then '
                f"{prefix}{names.READY} again."
            ) from error

    def _refuse(self, state: BatchState, revision: int, reason: str) -> bool:
        self._log.warning("batch refused", batch=state.batch, reason=reason)
        refused = replace(state, phase=Phase.REFUSED, message=reason)
        self._point_to(refused)
        self._put(refused, revision)
        return False

    def _start(
        self, fresh: BatchState, revision: int, inbox: inboxes.Inbox, champion: Champion
    ) -> bool:
        batch, run = fresh.batch, inboxes.run_of(inbox.images, champion.training_job)
        attempt, job = self._attempt(batch, run)
        state = replace(
            fresh,
            run=run,
            attempt=attempt,
            dataset=champion.dataset,
            training_job=champion.training_job,
            message=f"{len(inbox.images):,} files are being classified.",
        )
        if job is not None and job.status == JobStatus.COMPLETED:
            written = results.written(self._storage, state)
            if written is not None:  # these very files, by this very model
                state = replace(state, job_status=job.status)
                again = f"These files are already classified by this model. {written.message}"
                return self._finish(state, revision, replace(written, message=again))
        elif not inboxes.put_shards(self._storage, batch, run, inbox.images):
            # No file has a usable name: there is nothing to classify, only results to write.
            state = replace(state, job_status=JobStatus.COMPLETED)
            return self._put(replace(state, phase=Phase.WRITING), revision)
        return self._put(replace(state, phase=Phase.CLASSIFYING), revision)

    def _attempt(self, batch: str, run: str) -> tuple[int, TransformJob | None]:
        """The attempt to make, and its job where it runs or has run well already."""
        attempt = 1
        while True:
            job = self._transform.describe(self._names.transform(batch, run, attempt))
            if job is None or job.status not in (
                JobStatus.FAILED,
                JobStatus.STOPPED,
                JobStatus.STOPPING,
            ):
                return attempt, job
            attempt += 1

    # the item

    def _job_name(self, state: BatchState) -> str:
        return self._names.transform(state.batch, state.run or "", state.attempt)

    def _woken(self, state: BatchState, seconds: int) -> BatchState:
        """The state with a wake-up under way: one at a time, however many events ask for it."""
        now = self._clock()
        if state.wake_at and datetime.fromisoformat(state.wake_at) > now + timedelta(seconds=2):
            return state
        seconds = min(seconds, LONGEST_DELAY)
        self._queues.wake(names.batch_id(state.batch), seconds)
        return replace(state, wake_at=iso(now + timedelta(seconds=seconds)))

    def _put(self, state: BatchState, revision: int) -> bool:
        updated = replace(state, updated=iso(self._clock())).dump()
        self._table.put(names.batch_id(state.batch), updated, revision)
        return True
