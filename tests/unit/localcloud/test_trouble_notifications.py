"""What becomes of S3's notifications on their way, without MiniStack."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from localcloud.ministack.hooks import Functions, Notifications
from localcloud.trouble import Rule, Rules


def payload(key: str, bucket: str = "b", event: str = "ObjectCreated:Put") -> dict[str, Any]:
    s3 = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"Records": [{"eventName": event, "s3": s3}]}


class World:
    def __init__(self) -> None:
        self.rules = Rules()
        self.notifications = Notifications(self.rules)
        self.arrived: list[str] = []
        self.came = threading.Event()
        self._deliver = self.notifications.wrap(self._arrive)

    def _arrive(self, arn: str, content: dict[str, Any], region: str, *, bucket_name: str) -> None:
        assert (arn, region, bucket_name) == ("arn", "region", "b")
        records = content.get("Records")
        self.arrived.append(records[0]["s3"]["object"]["key"] if records else content["Event"])
        self.came.set()

    def send(self, *keys: str, **members: Any) -> list[str]:
        for key in keys:
            self.give(payload(key, **members))
        return self.arrived

    def give(self, content: dict[str, Any]) -> None:
        self._deliver("arn", content, "region", bucket_name="b")


@pytest.fixture
def world() -> World:
    return World()


def test_without_rules_everything_arrives_in_order(world: World) -> None:
    assert world.send("a", "b", "c") == ["a", "b", "c"]


def test_never_and_twice(world: World) -> None:
    world.rules.add(Rule("events-never", "s3:ObjectCreated:*"))
    world.rules.add(Rule("events-twice", "s3:ObjectCreated:Put b c+d"))
    assert world.send("a", "b+c%2Bd", "e") == ["b+c%2Bd", "b+c%2Bd", "e"]


def test_out_of_order_means_after_the_next_of_the_same_bucket(world: World) -> None:
    world.rules.add(Rule("events-reorder", "s3:*", times=2))
    assert world.send("a", "b") == []
    assert world.send("other", bucket="elsewhere") == ["other"]
    assert world.send("c", event="ObjectRemoved:Delete") == ["other", "c", "a", "b"]
    assert world.send("d") == ["other", "c", "a", "b", "d"]


def test_what_is_held_comes_by_itself_in_the_end(world: World) -> None:
    world.rules.add(Rule("events-reorder", seconds=0.01))
    world.send("a")
    assert world.came.wait(20)
    assert world.send("b") == ["a", "b"]


def test_what_is_late_comes_late_or_when_the_cloud_stops(world: World) -> None:
    world.rules.add(Rule("events-late", "s3:ObjectCreated:Put a", seconds=0.01))
    world.rules.add(Rule("events-late", "s3:ObjectCreated:Put b", seconds=3600))
    world.rules.add(Rule("events-reorder", "s3:ObjectCreated:Put c", seconds=3600))
    world.send("a")
    assert world.came.wait(20)
    assert world.send("b", "c") == ["a"]
    world.notifications.deliver_all()
    assert world.arrived == ["a", "b", "c"]


def test_the_test_event_is_left_alone(world: World) -> None:
    world.rules.add(Rule("events-never", times=None))
    world.give({"Event": "s3:TestEvent"})
    assert world.arrived == ["s3:TestEvent"]


@pytest.mark.parametrize(("when", "ran"), [("before", 0), ("after", 1)])
def test_a_function_that_dies(when: str, ran: int) -> None:
    rules, runs = Rules(), []
    logged: list[tuple[Any, ...]] = []

    def run(func: Any, config: Any, event: Any, *_: Any) -> dict[str, Any]:
        runs.append(event)
        return {"body": "done", "error": event == "fails"}

    functions = Functions(rules, lambda *line: logged.append(line))
    running = functions.wrap(run)
    rules.add(Rule("function-dies", "mine", when=when))
    assert running({}, {"FunctionName": "other"}, "a", "id", 0.0)["body"] == "done"
    died = running({}, {"FunctionName": "mine"}, "b", "id", 0.0)
    assert died["error"]
    assert died["body"]["errorType"] == "Runtime.ExitError"
    assert len(runs) == 1 + ran
    assert len(logged) == 1 - ran
    assert running({}, {"FunctionName": "mine"}, "c", "id", 0.0)["body"] == "done"


def test_a_function_that_failed_keeps_its_own_error() -> None:
    rules = Rules()
    running = Functions(rules, lambda *_: None).wrap(lambda *_: {"error": True, "body": "own"})
    rules.add(Rule("function-dies", when="after"))
    assert running({}, {"FunctionName": "mine"}, "a", "id", 0.0) == {"error": True, "body": "own"}
