"""SageMaker's events when trouble is in force, and what the bus remembers of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.events import EventBus, Published
from localcloud.trouble import Rule, Rules

TRAINING = "SageMaker Training Job State Change"
ENDPOINT = "SageMaker Endpoint State Change"
QUEUE = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}


class Remote:
    """EventBridge with one rule that matches everything, and SQS with one queue."""

    def __init__(self) -> None:
        self.arrived: list[Any] = []
        self.failures = 0

    def get_paginator(self, operation: str) -> Pages:
        pages = {
            "list_rules": {"Rules": [{"Name": "all", "EventPattern": "{}"}]},
            "list_targets_by_rule": {"Targets": [QUEUE]},
        }
        return Pages(pages[operation])

    def test_event_pattern(self, **_: Any) -> dict[str, bool]:
        return {"Result": True}

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "q"}

    def send_message(self, MessageBody: str, **_: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise ClientError({"Error": {"Code": "Busy", "Message": "busy"}}, "SendMessage")
        self.arrived.append(json.loads(MessageBody)["detail"]["n"])


class Pages:
    def __init__(self, page: dict[str, Any]) -> None:
        self._page = page

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self._page]


class World:
    """A bus whose clock a test moves."""

    def __init__(self, folder: Path) -> None:
        self.remote = Remote()
        self.rules = Rules()
        self.now = 1000.0
        self.path = folder / "events.db"
        self.bus = self.open()

    def open(self) -> EventBus:
        return EventBus(
            self.path,
            lambda _: self.remote,
            "000000000000",
            "us-east-1",
            now=lambda: self.now,
            trouble=self.rules,
        )

    def publish(self, *numbers: int, kind: str = TRAINING) -> None:
        for n in numbers:
            self.bus.publish(kind, [f"arn:{n}"], {"n": n})

    def arrives(self, *numbers: int) -> None:
        wait_for(lambda: self.remote.arrived == list(numbers))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.bus.start()
    yield made
    made.bus.close()


def told(events: list[Published]) -> list[tuple[int, str, list[str]]]:
    return [(e.detail["n"], e.trouble, [d.outcome for d in e.deliveries]) for e in events]


def test_events_and_their_deliveries_are_remembered(world: World) -> None:
    world.publish(1, 2)
    world.arrives(1, 2)
    wait_for(lambda: world.bus.waiting() == 0)
    newest, oldest = world.bus.recent(2)
    assert told([newest, oldest]) == [(2, "", ["delivered"]), (1, "", ["delivered"])]
    assert (newest.detail_type, newest.resources, newest.at) == (TRAINING, ["arn:2"], 1000.0)
    assert newest.deliveries[0].target == QUEUE["Arn"]
    assert told(world.bus.recent(1)) == [(2, "", ["delivered"])]


def test_only_the_last_events_are_remembered(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.publish(*range(510))
    assert len(world.bus.recent(10_000)) == 500
    world.bus.close()
    world.bus = world.open()  # they outlive the process
    assert [event.detail["n"] for event in world.bus.recent(2)] == [509, 508]
    world.bus.close()


def test_failures_are_remembered_once(world: World) -> None:
    world.remote.failures = 2
    world.publish(1)
    wait_for(lambda: world.remote.failures == 1 and world.bus.retrying() == 1)
    world.now += 60
    world.publish(2)
    wait_for(lambda: world.remote.failures == 0)
    world.now += 60
    world.publish(3)
    wait_for(lambda: world.bus.waiting() == 0)
    first = told(world.bus.recent(3))[2]
    assert first[2][-1] == "delivered"
    assert len(first[2]) == 2
    assert first[2][0].startswith("failed: ")


def test_what_failed_for_a_day_is_given_up(world: World) -> None:
    world.remote.failures = 2
    world.publish(1)
    wait_for(lambda: world.bus.retrying() == 1)
    world.now += 24 * 3600
    world.publish(2)
    wait_for(lambda: world.bus.waiting() == 0)
    assert world.remote.arrived == [2]
    assert told(world.bus.recent(2))[1][2][-1].startswith("given up: ")


def test_an_event_comes_twice(world: World) -> None:
    world.rules.add(Rule("events-twice", TRAINING))
    world.publish(1, 2)
    wait_for(lambda: sorted(world.remote.arrived) == [1, 1, 2])
    wait_for(lambda: world.bus.waiting() == 0)
    assert told(world.bus.recent(2))[1] == (1, "twice", ["delivered", "delivered"])


def test_an_event_never_comes(world: World) -> None:
    world.rules.add(Rule("events-never", "SageMaker Training*"))
    world.publish(1)
    world.publish(2)
    world.arrives(2)
    assert told(world.bus.recent(2))[1] == (1, "never", [])


def test_an_event_comes_late(world: World) -> None:
    world.rules.add(Rule("events-late", seconds=30))
    world.publish(1, 2)
    world.arrives(2)
    world.now += 29
    world.publish(3)
    world.arrives(2, 3)
    world.now += 1
    world.publish(4)
    wait_for(lambda: sorted(world.remote.arrived) == [1, 2, 3, 4])
    assert told(world.bus.recent(4))[3][1] == "late"


def test_an_event_comes_after_the_next_one_of_its_type(world: World) -> None:
    world.rules.add(Rule("events-reorder", TRAINING))
    world.publish(1)
    world.publish(2, kind=ENDPOINT)
    world.arrives(2)
    assert world.bus.waiting() == 1
    world.publish(3)
    world.arrives(2, 3, 1)


def test_a_held_event_comes_when_no_other_does(world: World) -> None:
    world.rules.add(Rule("events-reorder", TRAINING, seconds=5))
    world.publish(1)
    world.publish(2, kind=ENDPOINT)
    world.arrives(2)
    world.now += 5
    world.publish(3, kind=ENDPOINT)
    wait_for(lambda: sorted(world.remote.arrived) == [1, 2, 3])


def test_rules_may_name_a_resource(world: World) -> None:
    world.rules.add(Rule("events-never", f"{TRAINING} mine"))
    world.bus.publish(TRAINING, ["arn:aws:sagemaker:r:0:training-job/yours"], {"n": 1})
    world.bus.publish(TRAINING, ["arn:aws:sagemaker:r:0:training-job/mine"], {"n": 2})
    world.publish(3)
    world.arrives(1, 3)


def test_held_and_late_events_outlive_the_process(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.rules.add(Rule("events-reorder", TRAINING))
    world.rules.add(Rule("events-late", ENDPOINT, seconds=30))
    world.publish(1)
    world.publish(2, kind=ENDPOINT)
    world.bus.close()
    world.now += 60
    world.bus = world.open()
    world.bus.start()
    wait_for(lambda: sorted(world.remote.arrived) == [1, 2])
    world.bus.close()
