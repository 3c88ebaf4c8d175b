"""Messages are held while a function works on them, and no longer."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from chalicelib.delivery import Delivery, Invocation, Message
from chalicelib.errors import DatasetNotFound, NameRefused
from tests.fakes.aws import MemorySourceQueue

MESSAGE = Message("1", "body", "handle", 1)


def delivery(source: MemorySourceQueue, seconds: float, *messages: Message) -> Delivery:
    return Delivery(
        messages,
        queue=source,
        seconds=seconds,
        invocation=Invocation("reconcile", "request-1", "/aws/lambda/reconcile"),
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        logger=Logger(service=f"test-{uuid4()}", stream=io.StringIO()),
    )


def test_the_lease_is_renewed_while_the_function_works_and_not_after() -> None:
    source, renewed = MemorySourceQueue(), threading.Event()
    source.when_held = lambda: renewed.set() if source.holds > 3 else None
    threads = threading.active_count()
    with delivery(source, 0.01, MESSAGE) as held:
        held.begin([MESSAGE])
        assert renewed.wait(10)
        held.done([MESSAGE])
    assert threading.active_count() == threads
    assert held.failed == []


def test_a_lease_that_cannot_be_renewed_stops_nothing() -> None:
    source = MemorySourceQueue()
    source.refuses = True
    with delivery(source, 10, MESSAGE) as held:
        held.begin([MESSAGE])
        held.done([MESSAGE])
    assert held.failed == []


def test_the_only_message_costs_one_call() -> None:
    source = MemorySourceQueue()
    with delivery(source, 10, MESSAGE) as held:
        held.begin([MESSAGE])
        held.done([MESSAGE])
    assert (source.holds, source.deleted) == (1, [])


@pytest.mark.parametrize("error", [NameRefused("A_B"), DatasetNotFound("no letters")])
def test_what_can_never_be_done_is_given_up_at_once(error: Exception) -> None:
    source = MemorySourceQueue()
    with delivery(source, 10, MESSAGE) as held:
        held.fail([MESSAGE], error)
    assert held.failed == []
    [(body, told)] = source.parked
    assert (body, told["cause"]) == ("body", f"{type(error).__name__}: {error}")


def test_what_was_parked_is_not_parked_again_when_another_kills_the_function() -> None:
    source = MemorySourceQueue()
    deadly = Message("2", "deadly", "deadly handle", 1)
    with delivery(source, 10, MESSAGE, deadly) as held:
        held.fail([MESSAGE], NameRefused("A_B"))
        assert source.deleted == ["handle"]
