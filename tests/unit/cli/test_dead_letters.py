"""What a dead letter was about, for people; and how they are read and sent back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.dead_letters import MOST_READ, DeadLetters, Queues, about

EVENTS = Path(__file__).parents[2] / "events"
COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"reconcile": "dataset/x"}', "reconcile dataset/x"),
        ('{"retrain": "dataset/x", "id": "monday"}', "retrain dataset/x"),
        ('{"sweep": true}', "sweep"),
        ('{"preflight": {"dataset": "x", "version": "v"}}', "preflight x"),
        ('{"results": {"batch": "b", "run": "r"}}', "results b"),
        ("not JSON", "not JSON"),
        ("[1]", "[1]"),
        ("{}", "{}"),
    ],
)
def test_our_own_messages(body: str, told: str) -> None:
    assert about(body) == told


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        ("s3-object-created", "s3 ObjectCreated:Put datasets/fashion-mnist/"),
        ("training-job-failed", "SageMaker Training Job State Change pigeonhole-"),
        ("endpoint-in-service", "SageMaker Endpoint State Change pigeonhole-"),
    ],
)
def test_messages_of_aws(recorded: str, told: str) -> None:
    assert about((EVENTS / f"{recorded}.json").read_text()).startswith(told)


class MemorySqs:
    """A dead-letter queue of which each call receives what was received longest ago, hidden or not:
    as a queue that is so full that what was read first is visible again before its end."""

    def __init__(self, *letters: dict[str, Any]) -> None:
        self.letters = list(letters)
        self.sent: list[str] = []

    def receive_message(self, **_: Any) -> dict[str, Any]:
        received, self.letters = self.letters[:10], self.letters[10:] + self.letters[:10]
        return {"Messages": received} if received else {}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:
        assert QueueUrl == "events"
        self.sent.append(MessageBody)

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        assert QueueUrl == "events-dead"
        self.letters = [one for one in self.letters if one["ReceiptHandle"] != ReceiptHandle]

    def change_message_visibility_batch(self, **_: Any) -> None:
        pass

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": dict.fromkeys(COUNTED, str(len(self.letters) // 2))}


def letter(id: str, body: str, **told: str) -> dict[str, Any]:
    return {
        "MessageId": id,
        "Body": body,
        "ReceiptHandle": id,
        "Attributes": {"SentTimestamp": "1795255200000"},
        "MessageAttributes": {name: {"StringValue": text} for name, text in told.items()},
    }


def of(sqs: MemorySqs) -> DeadLetters:
    return DeadLetters(sqs, [Queues("events", "events", "events-dead", "reconcile")])


def test_a_wish_to_retrain_that_was_taken_is_not_taken_again_by_its_replay() -> None:
    wish = '{"retrain": "dataset/x"}'
    sqs = MemorySqs(
        letter("moved", wish),
        letter("copy", wish, message_id="first"),
        letter("again", wish, message_id="first"),
        letter("named", '{"retrain": "dataset/x", "id": "monday"}', message_id="second"),
        letter("wake", '{"reconcile": "dataset/x"}', message_id="third"),
    )
    of(sqs).replay(lambda letters: letters)
    assert sorted(sqs.sent) == [
        '{"reconcile": "dataset/x"}',
        '{"retrain": "dataset/x", "id": "first"}',
        '{"retrain": "dataset/x", "id": "monday"}',
        '{"retrain": "dataset/x", "id": "moved"}',
    ]
    assert sqs.letters == []


def test_reading_ends_though_letters_are_seen_again() -> None:
    few = MemorySqs(*(letter(f"{n}", f'{{"reconcile": "dataset/{n}"}}') for n in range(40)))
    assert len(of(few).all()) == 40
    many = MemorySqs(*(letter(f"{n}", "{}") for n in range(2 * MOST_READ)))
    assert len(of(many).all()) == MOST_READ
