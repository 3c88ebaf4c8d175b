from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from localcloud.events import (
    EventBus,
    Undeliverable,
    backoff,
    input_of,
    is_of_another_service,
)

EVENT: dict[str, Any] = {"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}
QUEUE = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, '{"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}'),
        ({"Input": '{"sweep": true}'}, '{"sweep": true}'),
        (
            {"InputPath": "$"},
            '{"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}',
        ),
        ({"InputPath": "$.detail.deep"}, '{"n": 1}'),
        ({"InputPath": "$.source"}, '"aws.sagemaker"'),
        ({"InputPath": "$.nothing.here"}, "null"),
    ],
)
def test_what_a_target_gets(target: dict[str, Any], expected: str) -> None:
    assert input_of({**QUEUE, **target}, EVENT) == expected


@pytest.mark.parametrize(
    "target", [{"InputTransformer": {"InputTemplate": "x"}}, {"InputPath": "$.resources[0]"}]
)
def test_what_is_not_built_is_said(target: dict[str, Any]) -> None:
    with pytest.raises(Undeliverable, match="not built here"):
        input_of({**QUEUE, **target}, EVENT)


def test_pauses_grow_to_a_minute() -> None:
    pauses = [backoff(n) for n in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == backoff(10_000) == 60


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ({"source": ["aws.ec2", "mine"]}, True),
        ({"source": ["aws.ec2", "aws.sagemaker"]}, False),
        ({"source": [{"prefix": "aws."}]}, False),
        ({"source": ["mine", {"wildcard": "aws.*"}]}, False),
        ({"detail": {"source": ["mine"]}}, False),
        ({"$or": [{"source": ["mine"]}, {"detail-type": ["x"]}]}, False),
    ],
)
def test_only_rules_that_list_other_services_are_passed_over(
    pattern: dict[str, Any], answer: bool
) -> None:
    assert is_of_another_service(json.dumps(pattern)) is answer


def test_a_pattern_that_is_none_is_left_to_eventbridge() -> None:
    assert not is_of_another_service("[1, 2")
    assert not is_of_another_service("[1, 2]")


class Bus:
    """One rule that matches everything and one queue: EventBridge and SQS at once."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Any:
        pages = {
            "list_rules": {
                "Rules": [{"Name": "all", "EventPattern": '{"account": ["000000000000"]}'}]
            },
            "list_targets_by_rule": {"Targets": [QUEUE]},
        }
        return Pages(pages[operation])

    def test_event_pattern(self, **_: Any) -> dict[str, bool]:
        return {"Result": True}

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "q"}

    def send_message(self, MessageBody: str, **_: Any) -> None:
        self.sent.append(json.loads(MessageBody))


class Pages:
    def __init__(self, page: dict[str, Any]) -> None:
        self._page = page

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self._page]


def test_a_failing_write_leaves_no_transaction_open_and_loses_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remote = Bus()
    path = tmp_path / "events.db"
    bus = EventBus(path, lambda _: remote, "000000000000", "us-east-1")
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as other:
        other.execute(
            "create trigger full before insert on deliveries "
            "begin select raise(abort, 'the disk is full'); end"
        )
        bus.publish("SageMaker Model State Change", [], {"n": 1})
        bus.start()
        try:
            wait_for(lambda: "the disk is full" in caplog.text)
            other.execute("drop trigger full")  # locked out while a transaction is open
            wait_for(lambda: bool(remote.sent))
        finally:
            bus.close()
    assert [event["detail"] for event in remote.sent] == [{"n": 1}]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
