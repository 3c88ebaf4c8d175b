"""Events of SageMaker on their way to rules' targets, on a real MiniStack."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.events import EventBus
from localcloud.home import ACCOUNT

from .clouds import REGION, LocalCloud, make_function, wait_for

KIND = "SageMaker Training Job State Change"
FUNCTION = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
"""
Queue = tuple[str, str]


@pytest.fixture
def bus(cloud: LocalCloud, tmp_path: Path) -> Iterator[EventBus]:
    made = EventBus(tmp_path / "events.db", cloud.client, ACCOUNT, REGION)
    made.start()
    yield made
    made.close()


@pytest.fixture
def queue(cloud: LocalCloud) -> Callable[[], Queue]:
    """Makes a queue; returns its URL and ARN."""

    def make() -> Queue:
        sqs = cloud.client("sqs")
        url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    return make


@pytest.fixture
def rule(cloud: LocalCloud) -> Iterator[Callable[..., str]]:
    """Makes a rule on the default bus with one target."""
    events = cloud.client("events")
    made: list[str] = []

    def make(arn: str, pattern: dict[str, Any], **target: Any) -> str:
        name = f"r-{uuid.uuid4().hex[:8]}"
        events.put_rule(Name=name, EventPattern=json.dumps(pattern), State="ENABLED")
        events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": arn, **target}])
        made.append(name)
        return name

    yield make
    for name in made:
        events.remove_targets(Rule=name, Ids=["t"])
        events.delete_rule(Name=name)


def received(cloud: LocalCloud, url: str) -> list[Any]:
    """Every message that is in the queue now."""
    sqs = cloud.client("sqs")
    found: list[Any] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def drained(bus: EventBus) -> None:
    wait_for(lambda: bus.waiting() == 0, "the events to be delivered")


def test_an_event_reaches_the_queue_whose_pattern_it_matches(
    cloud: LocalCloud, bus: EventBus, queue: Callable[[], Queue], rule: Callable[..., str]
) -> None:
    url, arn = queue()
    ours = {"TrainingJobName": [{"prefix": "pigeonhole-"}], "TrainingJobStatus": ["Completed"]}
    rule(arn, {"source": ["aws.sagemaker"], "detail-type": [KIND], "detail": ours})
    job = "arn:aws:sagemaker:us-east-1:000000000000:training-job/pigeonhole-a"
    for name, status in [
        ("pigeonhole-a", "Completed"),
        ("other-a", "Completed"),
        ("pigeonhole-a", "Failed"),
    ]:
        bus.publish(KIND, [job], {"TrainingJobName": name, "TrainingJobStatus": status})
    drained(bus)
    (event,) = received(cloud, url)
    assert event.pop("id")
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "source": "aws.sagemaker",
        "detail-type": KIND,
        "account": ACCOUNT,
        "region": REGION,
        "resources": [job],
        "detail": {"TrainingJobName": "pigeonhole-a", "TrainingJobStatus": "Completed"},
    }


def test_disabled_rules_get_nothing(
    cloud: LocalCloud, bus: EventBus, queue: Callable[[], Queue], rule: Callable[..., str]
) -> None:
    url, arn = queue()
    name = rule(arn, {"source": ["aws.sagemaker"]})
    cloud.client("events").disable_rule(Name=name)
    bus.publish(KIND, [], {})
    drained(bus)
    assert received(cloud, url) == []


def test_input_and_input_path_are_honoured(
    cloud: LocalCloud, bus: EventBus, queue: Callable[[], Queue], rule: Callable[..., str]
) -> None:
    (fixed, fixed_arn), (part, part_arn) = queue(), queue()
    rule(fixed_arn, {"source": ["aws.sagemaker"]}, Input='{"sweep": true}')
    rule(part_arn, {"source": ["aws.sagemaker"]}, InputPath="$.detail")
    bus.publish(KIND, [], {"n": 1})
    drained(bus)
    assert received(cloud, fixed) == [{"sweep": True}]
    assert received(cloud, part) == [{"n": 1}]


def test_a_function_is_invoked(
    cloud: LocalCloud, bus: EventBus, queue: Callable[[], Queue], rule: Callable[..., str]
) -> None:
    url, _ = queue()
    arn = make_function(cloud, "seen", FUNCTION, "sqs:SendMessage", SEEN=url)
    rule(arn, {"source": ["aws.sagemaker"]})
    bus.publish(KIND, [], {"n": 2})
    (event,) = wait_for(lambda: received(cloud, url), "the function to be invoked")
    assert event["detail"] == {"n": 2}


@pytest.mark.parametrize(
    "gone",
    [
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:gone",
    ],
)
def test_an_event_for_what_does_not_exist_goes_to_the_dead_letter_queue_at_once(
    cloud: LocalCloud,
    bus: EventBus,
    queue: Callable[[], Queue],
    rule: Callable[..., str],
    gone: str,
) -> None:
    dead, dead_arn = queue()
    rule(gone, {"source": ["aws.sagemaker"]}, DeadLetterConfig={"Arn": dead_arn})
    bus.publish(KIND, [], {"n": 4})
    drained(bus)
    assert [e["detail"] for e in received(cloud, dead)] == [{"n": 4}]


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": [{"prefix": "aws."}]},
        {"source": [{"anything-but": ["aws.ec2"]}]},
        {"source": [{"wildcard": "aws.*"}]},
        {"source": [{"equals-ignore-case": "AWS.SageMaker"}]},
        {"detail-type": [KIND], "detail": {"source": ["mine"]}},
    ],
)
def test_patterns_that_do_not_name_sagemaker_are_heard_too(
    cloud: LocalCloud,
    bus: EventBus,
    queue: Callable[[], Queue],
    rule: Callable[..., str],
    pattern: dict[str, Any],
) -> None:
    url, arn = queue()
    rule(arn, pattern)
    bus.publish(KIND, [], {"source": "mine"})
    drained(bus)
    assert [e["detail"] for e in received(cloud, url)] == [{"source": "mine"}]


def test_what_was_published_before_a_kill_is_delivered_after_it(
    cloud: LocalCloud, queue: Callable[[], Queue], rule: Callable[..., str], tmp_path: Path
) -> None:
    url, arn = queue()
    rule(arn, {"source": ["aws.sagemaker"]})
    # Never started and never closed: as if the process had died right after publish returned.
    EventBus(tmp_path / "events.db", cloud.client, ACCOUNT, REGION).publish(KIND, [], {"n": 5})
    again = EventBus(tmp_path / "events.db", cloud.client, ACCOUNT, REGION)
    again.start()
    drained(again)
    again.close()
    assert [e["detail"] for e in received(cloud, url)] == [{"n": 5}]
