"""What a function cannot do is parked with its cause, listed, and sent back, on real queues."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.aws.source_queue import SourceQueue
from cli.dead_letters import DIED, DeadLetters, Queues, chosen
from cli.errors import UsageError
from tests.contract.sagemaker.conftest import client, wait_until

WAKE = json.dumps({"reconcile": "dataset/x"})
TOLD = {
    "cause": "RuntimeError: no",
    "function": "reconcile-1",
    "log_group": "/aws/lambda/reconcile-1",
    "request_id": "r1",
    "time": "2026-11-21T10:00:00+00:00",
}


@dataclass(frozen=True)
class Pair:
    """A queue, its dead-letter queue, and both ways of looking at them."""

    sqs: Any
    url: str
    dead_url: str

    @property
    def source(self) -> SourceQueue:
        return SourceQueue(self.sqs, self.url, self.dead_url)

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.sqs, [Queues("events", self.url, self.dead_url, "reconcile")])

    def receive(self, wait: int = 1) -> list[dict[str, Any]]:
        names = ["ApproximateReceiveCount"]
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=self.url, WaitTimeSeconds=wait, MessageSystemAttributeNames=names
        ).get("Messages", [])
        return found

    def bodies(self) -> list[str]:
        return [message["Body"] for message in self.receive()]


@pytest.fixture
def pair(s3_url: str) -> Pair:
    sqs, name = client("sqs", s3_url), f"q-{uuid.uuid4().hex[:8]}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1}
    attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "60"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return Pair(sqs, url, dead)


def test_a_parked_message_is_listed_with_its_cause_and_stays(pair: Pair) -> None:
    pair.source.park(WAKE, TOLD)
    for _ in range(2):
        [letter] = pair.letters.all()
        assert (letter.about, letter.cause, letter.request_id) == (
            "reconcile dataset/x",
            "RuntimeError: no",
            "r1",
        )
    assert pair.letters.count() == 1
    assert pair.bodies() == []


def test_a_message_that_sqs_gave_up_names_the_log(pair: Pair) -> None:
    pair.sqs.send_message(QueueUrl=pair.url, MessageBody=WAKE)
    [message] = pair.receive()
    pair.source.hold([message["ReceiptHandle"]], 0)  # the function died
    assert pair.bodies() == []  # the next receive moves it
    [letter] = pair.letters.all()
    assert (letter.cause, letter.log_group) == (DIED, "/aws/lambda/reconcile")


def test_replay_sends_what_says_the_same_once(pair: Pair) -> None:
    other = json.dumps({"reconcile": "dataset/y"})
    for body in (WAKE, other, WAKE):
        pair.source.park(body, TOLD)
    sent = pair.letters.replay(lambda letters: [x for x in letters if x.body == WAKE])
    assert len(sent) == 2
    assert pair.bodies() == [WAKE]
    [left] = pair.letters.all()
    assert left.body == other


def test_replay_of_an_unknown_id_sends_nothing(pair: Pair) -> None:
    pair.source.park(WAKE, TOLD)
    with pytest.raises(UsageError, match="no dead letter"):
        pair.letters.replay(lambda letters: chosen(letters, ["zzz"]))
    assert pair.bodies() == []
    [letter] = pair.letters.all()
    assert chosen([letter], [letter.id[:8]]) == [letter]


def test_a_held_message_comes_back_when_the_hold_ends(pair: Pair) -> None:
    pair.sqs.set_queue_attributes(QueueUrl=pair.url, Attributes={"RedrivePolicy": ""})
    pair.sqs.send_message(QueueUrl=pair.url, MessageBody=WAKE)
    [message] = pair.receive()
    pair.source.hold([message["ReceiptHandle"]], 1)
    [again] = wait_until(pair.receive, "the message once more")
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    pair.source.delete([again["ReceiptHandle"]])
    pair.source.delete([again["ReceiptHandle"]])  # gone already: no error
    assert pair.bodies() == []
