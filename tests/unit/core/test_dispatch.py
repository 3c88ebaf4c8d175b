"""Who is called for which message, what is retried, what is dropped."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from chalicelib.delivery import Invocation
from chalicelib.dispatch import Dispatcher
from chalicelib.names import Owner
from tests.fakes.aws import MemoryQueues, MemorySourceQueue, MemoryStorage, MemoryTable

EVENTS = Path(__file__).parents[2] / "events"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUN = Invocation("reconcile", "request-1", "/aws/lambda/reconcile")


class Office:
    """A dispatcher whose reconcilers and workers write down what they are asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.reconciled: list[str] = []
        self.retrained: list[tuple[str, str, str]] = []
        self.worked: list[Mapping[str, Any]] = []
        self.broken: set[str] = set()
        self.reason = "no"
        self.before: Callable[[str], None] = lambda id: None
        self.storage = MemoryStorage("bucket", lambda: NOW)
        self.table = MemoryTable()
        self.queues = MemoryQueues()
        self.source = MemorySourceQueue()
        self.log = io.StringIO()
        self.dispatcher = Dispatcher(
            stage="local",
            reconcilers={
                Owner.DATASET: lambda name: self._reconcile(f"dataset/{name}"),
                Owner.BATCH: lambda name: self._reconcile(f"batch/{name}"),
            },
            watchers={Owner.DATASET: lambda name: self._reconcile(f"watched/{name}")},
            workers={"preflight": self._work},
            retrain=self._retrain,
            storage=self.storage,
            table=self.table,
            queues=self.queues,
            events=self.source,
            work=self.source,
            retry_seconds=10,
            clock=lambda: self.now,
            logger=Logger(service=f"test-{uuid4()}", stream=self.log),
        )

    def _reconcile(self, id: str) -> None:
        self.before(id)
        self.reconciled.append(id)
        if id in self.broken:
            raise RuntimeError(self.reason)

    def _retrain(self, name: str, request: str, by: str) -> None:
        if name in self.broken:
            raise RuntimeError(self.reason)
        self.retrained.append((name, request, by))

    def _work(self, fields: Mapping[str, Any]) -> None:
        self.worked.append(fields)
        if fields["dataset"] in self.broken:
            raise RuntimeError("no")

    def events(self, *bodies: str, receives: int = 1) -> list[str]:
        """Deliver; the numbers of the messages that are to be retried."""
        answer = self.dispatcher.reconcile_batch(records(*bodies, receives=receives), RUN)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def work(self, *bodies: str, receives: int = 1) -> list[str]:
        answer = self.dispatcher.work_batch(records(*bodies, receives=receives), RUN)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def records(*bodies: str, receives: int = 1) -> list[dict[str, Any]]:
    return [
        {
            "messageId": str(i),
            "body": body,
            "receiptHandle": f"handle {i}",
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }
        for i, body in enumerate(bodies)
    ]


def created(key: str) -> str:
    detail = {"bucket": {"name": "bucket"}, "object": {"key": key, "versionId": "v"}}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": detail}]})


def wake(id: str) -> str:
    return json.dumps({"reconcile": id})


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.mark.parametrize(
    ("recorded", "id"),
    [
        ("s3-object-created", "watched/fashion-mnist"),
        ("training-job-failed", "dataset/fashion-mnist"),
        ("endpoint-in-service", "dataset/fashion-mnist"),
        ("model-package-approved", "dataset/fashion-mnist"),
        ("transform-job-completed", "batch/holiday"),
        ("wake", "dataset/fashion-mnist"),
    ],
)
def test_each_event_reconciles_its_owner(office: Office, recorded: str, id: str) -> None:
    assert office.events((EVENTS / f"{recorded}.json").read_text()) == []
    assert office.reconciled == [id]


def test_files_alone_are_watched_and_anything_else_reconciles(office: Office) -> None:
    files = [created(f"datasets/fm/{i}.csv") for i in range(3)]
    office.events(*files)
    office.events(files[0], wake("dataset/fm"), files[1])
    office.events(wake("dataset/fm"), files[0])
    assert office.reconciled == ["watched/fm", "dataset/fm", "dataset/fm"]


def test_s3s_test_event_is_swallowed(office: Office) -> None:
    assert office.events((EVENTS / "s3-test-event.json").read_text()) == []
    assert office.reconciled == []
    assert office.log.getvalue() == ""


def test_a_burst_reconciles_each_owner_once(office: Office) -> None:
    office.events(*[created(f"inbox/holiday/{i}.png") for i in range(10)], wake("dataset/fm"))
    assert office.reconciled == ["batch/holiday", "dataset/fm"]


def test_only_the_failed_messages_are_retried(office: Office) -> None:
    office.broken.add("dataset/b")
    assert office.events(wake("dataset/a"), wake("dataset/b"), created("datasets/b/x.csv")) == [
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    "body", ["rubbish", "{}", wake("model/x"), wake("dataset/A_B"), created("code/x"), "[1]"]
)
def test_what_nobody_understands_is_not_retried(office: Office, body: str) -> None:
    assert office.events(body) == []
    assert office.reconciled == []


def test_rubbish_is_in_the_log(office: Office) -> None:
    office.events("what is this")
    assert "what is this" in office.log.getvalue()


def test_other_peoples_jobs_are_left_alone(office: Office) -> None:
    event = json.loads((EVENTS / "training-job-failed.json").read_text())
    event["detail"]["TrainingJobName"] = "their-job-0123456789ab-1"
    assert office.events(json.dumps(event)) == []
    assert office.reconciled == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("datasets/rows.csv", "datasets/<name>/rows.csv"),
        ("datasets/Under_Score/rows.csv", "small letters"),
        ("datasets/fm-next/rows.csv", "-next"),
        ("inbox/a.png", "inbox/<name>/a.png"),
    ],
)
def test_misplaced_files_get_a_report_and_disturb_nobody(
    office: Office, key: str, hint: str
) -> None:
    assert office.events(created(key), wake("dataset/fm")) == []
    assert office.reconciled == ["dataset/fm"]
    [report] = office.storage.list("reports/misplaced/")
    written = office.storage.get_json(report.key)
    assert (written["key"], written["version_id"]) == (key, "v")
    assert hint in written["message"]
    assert hint in json.loads(office.log.getvalue().splitlines()[0])["report"]["message"]


def test_a_sweep_wakes_everybody_the_table_or_the_bucket_knows(office: Office) -> None:
    office.table.put("dataset/old", {}, 0)
    office.table.put("batch/done", {}, 0)
    for key in ("datasets/new/a.csv", "datasets/a.csv", "datasets/A_B/a.csv", "inbox/fresh/a.png"):
        office.storage.put_bytes(key, b"", "")
    office.events('{"sweep": true}')
    woken = [id for id, _ in office.queues.woken]
    assert woken == ["batch/done", "batch/fresh", "dataset/new", "dataset/old"]


def test_a_sweep_lets_those_sleep_that_settled_days_ago(office: Office) -> None:
    day = timedelta(days=1)
    for id, unsettled, age in (
        ("batch/settled-long-ago", False, 1.1 * day),
        ("batch/settled-today", False, 0.9 * day),
        ("dataset/settled-long-ago", False, 300 * day),
        ("dataset/under-way", True, 300 * day),
    ):
        state = {"unsettled": unsettled, "updated": (NOW - age).isoformat()}
        office.table.put(id, state, 0)
    for key in ("datasets/settled-long-ago/a.csv", "inbox/settled-long-ago/a.png"):
        office.storage.put_bytes(key, b"", "")
    office.events('{"sweep": true}')
    woken = [id for id, _ in office.queues.woken]
    assert woken == ["batch/settled-today", "dataset/under-way"]


def test_work_is_handed_to_its_worker_and_retried_alone(office: Office) -> None:
    office.broken.add("b")
    bodies = [json.dumps({"preflight": {"dataset": name}}) for name in ("a", "b")]
    assert office.work(*bodies) == ["1"]
    assert [fields["dataset"] for fields in office.worked] == ["a", "b"]


@pytest.mark.parametrize("body", ["x", "{}", "[]", '{"unknown": {}}', '{"a": {}, "b": {}}'])
def test_unknown_work_is_dropped_with_a_log_line(office: Office, body: str) -> None:
    assert office.work(body) == []
    assert office.worked == []
    assert "dropped" in office.log.getvalue()


def test_a_message_that_fails_comes_again_later_each_time(office: Office) -> None:
    office.broken.add("dataset/b")
    for receives, pause in ((1, 10), (2, 20), (4, 80)):
        assert office.events(wake("dataset/b"), receives=receives) == ["0"]
        assert office.source.held["handle 0"] == pause
    assert office.source.parked == []


def test_the_last_failure_is_parked_with_its_cause(office: Office) -> None:
    office.broken.add("dataset/b")
    assert office.events(wake("dataset/a"), wake("dataset/b"), receives=5) == []
    [(body, told)] = office.source.parked
    assert body == wake("dataset/b")
    assert told == {
        "cause": "RuntimeError: no",
        "message_id": "1",
        "function": "reconcile",
        "log_group": "/aws/lambda/reconcile",
        "request_id": "request-1",
        "time": NOW.isoformat(),
    }
    assert "gave up" in office.log.getvalue()


def test_work_that_fails_for_the_last_time_is_parked_too(office: Office) -> None:
    office.broken.add("b")
    assert office.work(json.dumps({"preflight": {"dataset": "b"}}), receives=5) == []
    assert [told["cause"] for _, told in office.source.parked] == ["RuntimeError: no"]


def test_what_cannot_be_parked_is_left_to_sqs(office: Office) -> None:
    office.broken.add("dataset/b")
    office.source.refuses = True
    assert office.events(wake("dataset/b"), receives=5) == ["0"]


def test_a_cause_is_text_that_sqs_takes(office: Office) -> None:
    office.reason = "bad \x00 byte " + 2000 * "x"
    office.broken.add("dataset/b")
    office.events(wake("dataset/b"), receives=5)
    [(_, told)] = office.source.parked
    assert told["cause"].startswith("RuntimeError: bad ? byte x")
    assert len(told["cause"]) == 1000


def test_what_may_kill_the_function_comes_back_after_the_innocent(office: Office) -> None:
    """They wait while one is in hand: should that one kill the function, they are free first."""

    def killed(id: str) -> None:
        if id == "dataset/b":
            raise KeyboardInterrupt

    office.before = killed
    with pytest.raises(KeyboardInterrupt):
        office.events(*[wake(f"dataset/{name}") for name in "abc"])
    assert office.source.deleted == ["handle 0"]
    assert office.source.held["handle 1"] == 20
    assert office.source.held["handle 2"] == 10


def test_who_failed_before_is_handled_last(office: Office) -> None:
    old, new = records(wake("dataset/a"), receives=2), records(wake("dataset/b"))
    old[0]["messageId"] = "old"
    office.dispatcher.reconcile_batch([*old, *new], RUN)
    assert office.reconciled == ["dataset/b", "dataset/a"]


def test_a_sweep_wakes_whose_schedule_is_due(office: Office) -> None:
    long_ago = (NOW - timedelta(days=300)).isoformat()
    for id, due in (
        ("dataset/due", NOW),
        ("dataset/not-yet", NOW + timedelta(minutes=1)),
    ):
        state = {"unsettled": False, "updated": long_ago, "due": due.isoformat()}
        office.table.put(id, state, 0)
    office.events('{"sweep": true}')
    assert [id for id, _ in office.queues.woken] == ["dataset/due"]


def test_sweeps_look_at_every_dataset_once_an_hour(office: Office) -> None:
    long_ago = (NOW - timedelta(days=300)).isoformat()
    for id in ("dataset/a", "dataset/b", "dataset/c", "batch/a"):
        office.table.put(id, {"unsettled": False, "updated": long_ago}, 0)
    for _ in range(12):
        office.events('{"sweep": true}')
        office.now += timedelta(minutes=5)
    woken = sorted(id for id, _ in office.queues.woken)
    assert woken == ["dataset/a", "dataset/b", "dataset/c"]


def test_who_fails_for_days_is_parked_once_a_day(office: Office) -> None:
    office.table.put("dataset/b", {"unsettled": True, "updated": NOW.isoformat()}, 0)
    office.broken.add("dataset/b")
    for _ in range(2 * 24 * 12):
        office.events('{"sweep": true}')
        office.now += timedelta(minutes=5)
    assert len(office.queues.woken) == 2 * 24 * 12
    for number, (id, _) in enumerate(office.queues.woken):
        swept = number < len(office.queues.swept)  # in whichever order
        body = json.dumps({"reconcile": id} | ({"swept": True} if swept else {}))
        for receives in range(1, 6):
            if not office.events(body, receives=receives):
                break
    assert [told["cause"] for _, told in office.source.parked] == 2 * ["RuntimeError: no"]


def test_what_a_sweep_asks_for_fails_for_itself_alone(office: Office) -> None:
    office.broken.add("dataset/b")
    swept = json.dumps({"reconcile": "dataset/b", "swept": True})
    assert office.events(swept, wake("dataset/b"), wake("dataset/a")) == ["1"]
    assert office.events(wake("dataset/a"), swept, receives=5) == []
    assert office.source.parked == []
    assert office.reconciled == ["dataset/b", "dataset/a", "dataset/a"]


def test_people_may_ask_for_a_training_by_message(office: Office) -> None:
    asked = {"retrain": "dataset/fm", "id": "monday", "by": "the weekly rule"}
    assert office.events(json.dumps(asked), '{"retrain": "dataset/fm"}') == []
    assert office.retrained == [
        ("fm", "monday", "the weekly rule"),
        ("fm", "1", "a message"),  # without an id, the message's own
    ]


def test_a_training_that_fails_is_retried(office: Office) -> None:
    office.broken.add("broken")
    assert office.events(json.dumps({"retrain": "dataset/broken"})) == ["0"]


@pytest.mark.parametrize("id", ["batch/fm", "fm", "dataset/A_B"])
def test_a_training_that_cannot_be_is_parked_at_once(office: Office, id: str) -> None:
    assert office.events(json.dumps({"retrain": id})) == []
    [(_, told)] = office.source.parked
    assert id.rpartition("/")[2] in told["cause"]
    assert office.retrained == []
