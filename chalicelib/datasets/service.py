"""Datasets: the way into flow 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.endpoints import Endpoints, Runtime
from chalicelib.aws.notifications import Notifications
from chalicelib.aws.queues import LONGEST_DELAY, Queues
from chalicelib.aws.registry import Approval, Registry
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Item, Table
from chalicelib.aws.training import Training
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import Clock, iso
from chalicelib.datasets import changes, checking, intake, quiet, retraining
from chalicelib.datasets.cost.ledger import Ledger
from chalicelib.datasets.gate import approval, earlier, judging
from chalicelib.datasets.gate.deciding import PersonsWord
from chalicelib.datasets.history import chronicle, telling
from chalicelib.datasets.history.rebuilding import rebuilt
from chalicelib.datasets.hosting import deployment, restoring, tidying
from chalicelib.datasets.jobs import publishing, training
from chalicelib.datasets.jobs.reports import Publisher
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from chalicelib.datasets.state import Move, Phase, State, rest
from chalicelib.datasets.writing import write
from chalicelib.errors import (
    AccessDenied,
    Conflict,
    DatasetNotFound,
    ReportNotFound,
    RevisionConflict,
    Unavailable,
)
from chalicelib.settings import Settings

STEPS: Mapping[Phase, Callable[[Parts, State], Move]] = {
    Phase.WAITING: intake.consider,
    Phase.CHECKING: checking.step,
    Phase.REFUSED: intake.consider,
    Phase.TRAINING: training.step,
    Phase.FAILED: intake.consider,
    Phase.JUDGING: judging.step,
    Phase.PENDING_APPROVAL: intake.consider,
    Phase.REJECTED: intake.consider,
    Phase.VERIFYING: deployment.verify,
    Phase.DEPLOYING: restoring.deploy,
    Phase.LIVE: intake.consider,
}
UNMOVED_BY_FILES = (Phase.TRAINING, Phase.JUDGING, Phase.VERIFYING, Phase.DEPLOYING)
MOST_STEPS = 30  # in one call; who needs more is woken again


class Datasets:
    """All datasets of a stage. Every method takes or gives the dataset's bare name."""

    def __init__(
        self,
        *,
        settings: Settings,
        table: Table,
        storage: Storage,
        queues: Queues,
        training: Training,
        registry: Registry,
        endpoints: Endpoints,
        runtime: Runtime,
        notifications: Notifications,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._table = table
        self._notifications = notifications
        self._parts = Parts(
            settings,
            storage,
            queues,
            training,
            registry,
            endpoints,
            runtime,
            clock,
            logger,
            Ledger(table),
        )

    def reconcile(self, name: str) -> None:
        """Take every next step there is. Safe to call twice at once and after any death."""
        for _ in range(MOST_STEPS):
            try:
                if not self._step(name):
                    self._deliver(name)
                    return
            except RevisionConflict:
                continue  # somebody else was first: look again from where they left it
            except Exception:
                with suppress(*AWS_TROUBLE):
                    self._deliver(name)  # what was written before it is told all the same
                raise
        self._parts.queues.wake(names.dataset_id(name), 1)

    def watch(self, name: str) -> None:
        """Reconcile because files came or went.

        A hundred thousand of them may: who has a job to finish looks at them after it, and a check
        under way is held against them once in a while.
        """
        item = self._table.get(names.dataset_id(name))
        state = State(name) if item is None else State.from_json(item.state)
        if state.phase in UNMOVED_BY_FILES or quiet.woken_soon(self._parts, state):
            return
        if item is not None and state.phase is Phase.CHECKING:
            after = self._woken(rest(state, wake=quiet.CHECK_AGAIN))
            if after != state:
                with suppress(RevisionConflict):  # the message is on its way
                    self._write(state, after, item.revision)
            return
        self.reconcile(name)

    def preflight(self, fields: Mapping[str, Any]) -> None:
        """Check a version's CSVs and report (in the `work` function), then wake the reconciler."""
        asked = Asked.of(fields)
        dataset = names.check_name(names.Owner.DATASET, asked.dataset)
        parts = self._parts
        piece = parts.settings.preflight_piece_bytes
        Preflight(parts.storage, parts.clock, parts.logger, piece).run(asked)
        parts.queues.wake(names.dataset_id(dataset))

    def publish(self, fields: Mapping[str, Any]) -> None:
        """Publish a job's reports (in the `work` function), then wake the reconciler."""
        dataset = names.check_name(names.Owner.DATASET, str(fields["dataset"]))
        job = str(fields["job"])
        run = self._parts.names.parse_job(job)
        if run is None or run.name != dataset:
            self._parts.logger.error("no job of this dataset", dataset=dataset, job=job)
            return
        Publisher(self._parts.storage, self._parts.clock, self._parts.logger).run(dataset, job)
        self._parts.queues.wake(names.dataset_id(dataset))

    def status(self, name: str) -> dict[str, Any]:
        """The dataset status of docs/architecture.md. Raises DatasetNotFound, NameRefused."""
        return self._status(State.from_json(self._item(name).state))

    def list(self) -> list[dict[str, Any]]:
        """The status of every dataset, by name."""
        items = self._table.items(f"{names.Owner.DATASET}/")
        return [self._status(State.from_json(item.state)) for item in items]

    def retrain(
        self, name: str, request: str | None = None, who: str = "somebody"
    ) -> dict[str, Any]:
        """Train the present version once more; of the same `request`, if it has an id, once.

        `who` asks for it, as the history tells. Raises DatasetNotFound, NameRefused, Conflict.
        """
        for _ in range(MOST_STEPS):
            item = self._item(name)
            state = State.from_json(item.state)
            asked = retraining.asked(state, request, who)
            try:
                if asked != state:
                    self._write(state, asked, item.revision)
            except RevisionConflict:
                continue
            self._parts.queues.wake(names.dataset_id(name))
            return self._status(asked)
        raise Conflict(f"{name} is changing too fast: try again")

    def rollback(self, name: str, to: str | None, who: str, reason: str) -> dict[str, Any]:
        """Bring an earlier model live again; the status, whose `change` tells how far it is.

        `to`: a version (its beginning will do) or a training job; None: the champion before. A
        training job under way goes on meanwhile. Raises DatasetNotFound, NameRefused, Conflict.
        """
        for _ in range(MOST_STEPS):
            item = self._item(name)
            state = State.from_json(item.state)
            target = earlier.find(self._parts, state, to)
            if changes.is_live(state, target):
                self._parts.queues.wake(names.dataset_id(name))  # to see that it still is
                said = f"{target.training_job} is live already: nothing was changed"
                return {**self._status(state), "message": said}
            earlier.check(self._parts, state, target)
            asked = changes.rolled_back(self._parts, state, target, who, reason)
            try:
                self._write(state, asked, item.revision)
            except RevisionConflict:
                continue
            self._parts.queues.wake(names.dataset_id(name))
            return self._status(asked)
        raise Conflict(f"{name} is changing too fast: try again")

    def approve(
        self, name: str, who: str, reason: str = "", version: str | None = None
    ) -> dict[str, Any]:
        """What waits for a person goes on, or what the gate turned down goes live; the status.

        `version` may be left out where one alone waits. Raises DatasetNotFound, NameRefused,
        VersionNotFound, Conflict.
        """
        return self._decide(name, PersonsWord.of(Approval.APPROVED, who, reason), version)

    def reject(
        self, name: str, who: str, reason: str = "", version: str | None = None
    ) -> dict[str, Any]:
        """What waits for a person, or is on its way, does not go live; the status. As `approve`."""
        return self._decide(name, PersonsWord.of(Approval.REJECTED, who, reason), version)

    def _decide(self, name: str, word: PersonsWord, version: str | None) -> dict[str, Any]:
        for _ in range(MOST_STEPS):
            item = self._item(name)
            state = State.from_json(item.state)
            taken = approval.carry_out(self._parts, state, word, version)
            try:
                if taken.state != state:
                    self._write(state, taken.state, item.revision)
            except RevisionConflict:
                continue
            if taken.again:
                continue
            self._parts.queues.wake(names.dataset_id(name))
            return self._status(taken.state)
        raise Conflict(f"{name} is changing too fast: try again")

    def history(self, name: str, limit: int, after: str | None) -> dict[str, Any]:
        """What happened to its versions, the newest first.

        Raises DatasetNotFound, NameRefused, VersionNotFound.
        """
        state = State.from_json(self._item(name).state)
        return chronicle.listed(self._parts, state, limit, after)

    def version(self, name: str, version: str, link: Callable[[str], str]) -> dict[str, Any]:
        """All of one version; `link` makes a URL of a key.

        Raises DatasetNotFound, NameRefused, VersionNotFound, Conflict.
        """
        state = State.from_json(self._item(name).state)
        return chronicle.version(self._parts, state, version, link)

    def report_key(self, name: str) -> str:
        """The key of the report that the status names, else of the champion's.

        Raises DatasetNotFound, NameRefused, ReportNotFound.
        """
        state = State.from_json(self._item(name).state)
        uri = state.report
        if uri is None and state.champion is not None:
            uri = state.past_of(state.champion.version).report
        if uri is None:
            raise ReportNotFound(f"there is no report on {name} yet: its data was not checked")
        return uri.removeprefix(self._parts.storage.uri(""))

    def _step(self, name: str) -> bool:
        """One step; is there another one to take at once?"""
        item = self._table.get(names.dataset_id(name))
        try:
            state = rebuilt(self._parts, name) if item is None else State.from_json(item.state)
        except Unavailable as error:
            self._parts.logger.warning("the item cannot be rebuilt yet", reason=str(error))
            self._parts.queues.wake(names.dataset_id(name), self._parts.settings.retry_seconds)
            return False
        try:
            seen = publishing.noticed(self._parts, state)
            move = tidying.step(self._parts, seen) or STEPS[state.phase](self._parts, seen)
        except Unavailable as error:
            self._parts.logger.warning("AWS refuses for now", dataset=name, reason=str(error))
            move = rest(
                replace(state, message=f"waiting for AWS: {error}"),
                wake=self._parts.settings.retry_seconds,
            )
        except AccessDenied as error:
            denied = replace(state, message=f"AWS denies a permission: {error}")
            if denied != state:
                self._write(state, denied, 0 if item is None else item.revision)
            raise  # for SQS to retry, and to park in the end: the sweep looks again
        if move.wake is None and not move.again and tidying.unfinished(move.state):
            move = replace(move, wake=self._parts.settings.retry_seconds)
        after = self._woken(move)
        if item is None and not move.again and after.settled and after.champion is None:
            return False  # nothing was ever there: leave no item behind
        if after != state or item is None:
            written = self._write(state, after, 0 if item is None else item.revision)
            self._tell(state, after)
            if move.then is not None:
                self._follow(move.then, replace(state, wake_at=after.wake_at), written)
        return move.again

    def _deliver(self, name: str) -> None:
        """Pay what the item owes: notices, records. What was written alone is told."""
        paid: telling.Paid | None = None
        for _ in range(MOST_STEPS):
            item = self._table.get(names.dataset_id(name))
            state = None if item is None else State.from_json(item.state)
            if item is None or state is None:
                return
            after = state
            try:
                if paid is None:
                    if not state.owes_something:
                        return
                    if (left := telling.lease_seconds(self._parts, state)) > 0:
                        # Whoever tells may die: then somebody has to come by.
                        self._parts.queues.wake(item.id, math.ceil(left))
                    after = telling.leased(self._parts, state)
                    if mine := after != state:
                        item = self._write(state, after, item.revision)
                        state = after
                    paid = telling.deliver(self._parts, self._notifications, state, tell=mine)
                after = paid.off(state)
                if after != state:
                    self._write(state, after, item.revision)
                return
            except RevisionConflict:
                continue

    def _follow(self, then: Callable[[], None], before: State, written: Item) -> None:
        """Do what comes behind the write; where it fails, take the write back for the next one."""
        try:
            then()
        except Exception:
            with suppress(RevisionConflict):
                self._write(before, before, written.revision)
            raise

    def _woken(self, move: Move) -> State:
        """Send the delayed message, unless one is on its way that comes soon enough."""
        state = move.state
        if move.wake is None:
            return state
        seconds = max(1, min(LONGEST_DELAY, move.wake))
        if state.wake_at is not None:
            left = -self._parts.seconds_since(state.wake_at)
            if quiet.EARLY_SECONDS < left <= seconds + 1:
                return state
        self._parts.queues.wake(names.dataset_id(state.dataset), seconds)
        return replace(state, wake_at=iso(self._parts.clock() + timedelta(seconds=seconds)))

    def _write(self, before: State, after: State, revision: int) -> Item:
        return write(self._parts, self._table, before, after, revision)

    def _tell(self, before: State, after: State) -> None:
        if (before.phase, before.settled, before.message) != (
            after.phase,
            after.settled,
            after.message,
        ):
            self._parts.logger.info(
                after.message, dataset=after.dataset, phase=after.phase, outcome=after.outcome
            )

    def _item(self, name: str) -> Item:
        id = names.dataset_id(names.check_name(names.Owner.DATASET, name))
        item = self._table.get(id)
        if item is None:
            raise DatasetNotFound(
                f"there is no dataset {name}: put CSVs or images under {names.dataset_prefix(name)}"
            )
        return item

    def _status(self, state: State) -> dict[str, Any]:
        called = self._parts.names
        return state.status(
            called.next_endpoint(state.dataset)
            if state.stand_in
            else called.endpoint(state.dataset)
        )
