"""From messages to reconcilers.

The events queue: each message names somebody to reconcile. A burst of messages (a folder dropped)
names the same one many times, so it is reconciled once a batch. The work queue: each message is one
heavy step.

A message whose work failed is handed back alone, to come again and, in the end, to be parked in the
dead-letter queue with the reason (`delivery.py`). A message that says nothing we understand is
logged and dropped: another try would not understand it either. What the sweep asked for and failed
is dropped too, since the next sweep asks again; else who fails for days would be parked every five
minutes. One of them a day is like any other message, so that the cause lies there for people.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import events, names
from chalicelib.aws.queues import Queues
from chalicelib.aws.source_queue import SourceQueue
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Mark, Table
from chalicelib.clock import Clock, iso
from chalicelib.delivery import Delivery, Invocation, Message
from chalicelib.errors import InputRefused, NameRefused
from chalicelib.sagemaker_names import SageMakerNames

Reconcile = Callable[[str], None]
Work = Callable[[Mapping[str, Any]], None]
Retrain = Callable[[str, str, str], object]
Failures = dict[str, list[dict[str, str]]]
RECENT = timedelta(days=1)  # so long the sweep looks at who has settled
SWEEP_SECONDS = 300  # between two sweeps (.chalice/resources.yaml)
LOOKED_AT_SECONDS = 3600  # between two looks at who settled long ago
LASTING_SECONDS = 86400  # between two of the sweep's messages for one id that are parked
SWEPT_TRIES = 2  # of the others, until the next sweep asks


class Dispatcher:
    """`reconcilers` by owner take a name, and `watchers` where all that happened is that files came
    or went; `workers` by kind take the message's fields; `retrain` takes a dataset's name, the
    id of the request and who asks."""

    def __init__(
        self,
        *,
        stage: str,
        reconcilers: Mapping[names.Owner, Reconcile],
        watchers: Mapping[names.Owner, Reconcile],
        workers: Mapping[str, Work],
        retrain: Retrain,
        storage: Storage,
        table: Table,
        queues: Queues,
        events: SourceQueue,
        work: SourceQueue,
        retry_seconds: int,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._sagemaker = SageMakerNames(stage)
        self._reconcilers = reconcilers
        self._watchers = watchers
        self._workers = workers
        self._retrain = retrain
        self._storage = storage
        self._table = table
        self._queues = queues
        self._events_queue = events
        self._work_queue = work
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._log = logger

    def reconcile_batch(
        self, records: Iterable[Mapping[str, Any]], invocation: Invocation
    ) -> Failures:
        """Handle SQS records of the events queue; the failed ones in SQS's partial-batch form."""
        messages = [Message.of(record) for record in records]
        wanted: dict[str, list[Message]] = {}  # id → the messages that named it
        uploads: set[str] = set()  # ids that only files named, which came or went
        swept: list[Message] = []
        with self._delivery(self._events_queue, messages, invocation) as delivery:
            for message in messages:
                try:
                    found = events.parse(message.body)
                    if _are_swept(found):
                        swept.append(message)
                        if message.receives > SWEPT_TRIES:  # it killed the function each time
                            self._log.error("dropped until the next sweep", body=message.body)
                            continue
                    named = self._named(message, found)
                except Exception as error:
                    self._log.exception("a message could not be taken up", message_id=message.id)
                    delivery.fail([message], error)
                else:
                    for id, by_file in named:
                        if not by_file:
                            uploads.discard(id)
                        elif id not in wanted:
                            uploads.add(id)
                        wanted.setdefault(id, []).append(message)
            for id, named_by in _freshest_first(wanted):
                delivery.begin(named_by)
                try:
                    self._reconcile(id, id in uploads)
                except Exception as error:
                    self._log.exception("reconcile failed", id=id)
                    delivery.done(m for m in named_by if m in swept)
                    delivery.fail([m for m in named_by if m not in swept], error)
                else:
                    del wanted[id]
                    left = {message.id for others in wanted.values() for message in others}
                    delivery.done(m for m in named_by if m.id not in left)
        return _failures(delivery.failed)

    def work_batch(self, records: Iterable[Mapping[str, Any]], invocation: Invocation) -> Failures:
        """Handle SQS records of the work queue; the failed ones in SQS's partial-batch form."""
        messages = [Message.of(record) for record in records]
        with self._delivery(self._work_queue, messages, invocation) as delivery:
            for message in messages:
                delivery.begin([message])
                try:
                    self._work(message.body)
                except Exception as error:
                    self._log.exception("work failed", body=message.body)
                    delivery.fail([message], error)
                else:
                    delivery.done([message])
        return _failures(delivery.failed)

    def _delivery(
        self, queue: SourceQueue, messages: Iterable[Message], invocation: Invocation
    ) -> Delivery:
        return Delivery(
            messages,
            queue=queue,
            seconds=self._retry_seconds,
            invocation=invocation,
            clock=self._clock,
            logger=self._log,
        )

    def _reconcile(self, id: str, upload: bool) -> None:
        owner, name = names.parse_id(id)
        if upload and owner in self._watchers:
            self._watchers[owner](name)
        else:
            self._reconcilers[owner](name)

    def _named(self, message: Message, found: list[events.Event]) -> list[tuple[str, bool]]:
        """Whom the message's events name, and whether by a file that came or went."""
        named: list[tuple[str, bool]] = []
        for event in found:
            id = self._id(event, message)
            if id is not None:
                named.append((id, isinstance(event, events.ObjectEvent)))
        return named

    def _id(self, event: events.Event, message: Message) -> str | None:
        match event:
            case events.ObjectEvent():
                return self._owner_of(event)
            case events.StateChange():
                return self._owner_of_resource(event)
            case events.Wake(id, _):
                try:
                    names.parse_id(id)
                except NameRefused as error:
                    self._log.error("dropped a message", reason=str(error), body=message.body)
                    return None
                return id
            case events.Retrain(id, request, by):
                self._train_again(id, request or message.id, by)
            case events.Sweep():
                self._sweep()
            case events.Rubbish(reason):
                self._log.error("dropped a message", reason=reason, body=message.body[:4000])
        return None

    def _train_again(self, id: str, request: str, by: str) -> None:
        """What cannot be trained fails: the message is parked with the reason, for people to see.

        SQS repeats the id of a message that it delivers again, so that it is one request.
        """
        owner, name = names.parse_id(id)
        if owner is not names.Owner.DATASET:
            raise InputRefused(f"{id} cannot be trained: dataset/<name> can")
        self._retrain(name, request, by)

    def _owner_of(self, event: events.ObjectEvent) -> str | None:
        place = names.parse_key(event.key)
        if place.kind is names.Kind.MISPLACED and event.created:
            self._report_misplaced(event, place)
        return place.id

    def _owner_of_resource(self, change: events.StateChange) -> str | None:
        if change.resource is events.Resource.TRANSFORM_JOB:
            run = self._sagemaker.parse_transform(change.name)
            return None if run is None else run.id
        if change.resource is events.Resource.TRAINING_JOB:
            run = self._sagemaker.parse_training(change.name)
            return None if run is None else run.id
        dataset = self._sagemaker.parse_endpoint(change.name)
        return None if dataset is None else names.dataset_id(dataset)

    def _report_misplaced(self, event: events.ObjectEvent, place: names.Place) -> None:
        report = {
            "key": event.key,
            "version_id": event.version_id,
            "message": f"{event.key} is not used: {place.reason}. It stays where it was put.",
            "at": iso(self._clock()),
        }
        self._storage.put_json(names.misplaced_key(event.key), report)
        self._log.warning("misplaced object", report=report)

    def _sweep(self) -> None:
        """Wake, each by a message of its own, whoever may have missed an event.

        Those with something under way, those that changed of late or whose schedule is due, folders
        without an item, and each of the other datasets once an hour: a model may be approved late.
        """
        marks = self._table.marks()
        known = {mark.id for mark in marks}
        ids = {mark.id for mark in marks if self._due(mark)}
        for prefix, owner in (
            (names.DATASETS, names.Owner.DATASET),
            (names.INBOX, names.Owner.BATCH),
        ):
            ids |= {
                f"{owner}/{name}"
                for name in self._storage.folders(prefix)
                if names.name_problem(owner, name) is None and f"{owner}/{name}" not in known
            }
        for id in sorted(ids):
            self._queues.wake(id, swept=not self._turn(id, LASTING_SECONDS))

    def _due(self, mark: Mark) -> bool:
        if mark.unsettled is not False or mark.updated is None:  # or an older release wrote it
            return True
        if mark.due is not None and mark.due <= self._clock():
            return True
        if self._clock() - mark.updated <= RECENT:
            return True
        of_dataset = mark.id.startswith(f"{names.Owner.DATASET}/")
        return of_dataset and self._turn(mark.id, LOOKED_AT_SECONDS)

    def _turn(self, id: str, seconds: int) -> bool:
        """Is this sweep the one of so many seconds that is this one's turn?"""
        now = int(self._clock().timestamp()) // SWEEP_SECONDS
        own = zlib.crc32(id.encode())
        return (now - own) % (seconds // SWEEP_SECONDS) == 0

    def _work(self, body: str) -> None:
        try:
            message = json.loads(body)
            [(kind, fields)] = message.items()
            worker = self._workers[kind]
        except (ValueError, AttributeError, KeyError) as error:
            self._log.error("dropped a work message", reason=repr(error), body=body[:4000])
            return
        worker(fields)


def _are_swept(found: list[events.Event]) -> bool:
    return bool(found) and all(isinstance(e, events.Wake) and e.swept for e in found)


def _freshest_first(wanted: Mapping[str, list[Message]]) -> list[tuple[str, list[Message]]]:
    """What has failed before may fail again, and take the function with it."""
    return sorted(wanted.items(), key=lambda item: max(m.receives for m in item[1]))


def _failures(message_ids: Iterable[str]) -> Failures:
    return {"batchItemFailures": [{"itemIdentifier": id} for id in message_ids]}
