"""What the functions gave up on: the stack's dead-letter queues, read and sent back.

SQS cannot show messages without receiving them, so they are received, and let go again at once. A
message is sent back by hand, not by StartMessageMoveTask: that one moves all of a queue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.console import tame
from cli.errors import UsageError
from cli.target import Target

HIDDEN_SECONDS = 60  # while they are read: nobody else shows or sends them back
MOST_AT_ONCE = 10  # SQS: of a call
MOST_READ = 1000  # of a queue: well within the time that they are hidden
DIED = (
    "the function was killed or ran out of time or memory each time; what it printed last "
    "stands in its log group"
)


@dataclass(frozen=True)
class Queues:
    """Where the messages of one of the stack's queues go when they are given up."""

    name: str
    url: str
    dead_letters_url: str
    function: str


@dataclass(frozen=True)
class DeadLetter:
    """One message. `about` is what it was to set going; `cause` why that failed.

    `message_id` is the id of the message that failed, of which this may be a copy.
    """

    id: str
    message_id: str
    queue: str
    about: str
    cause: str
    function: str
    log_group: str
    request_id: str | None
    sent: str
    given_up: str | None
    body: str
    handle: str

    def to_json(self) -> dict[str, Any]:
        """For `--json`: all but SQS's handle."""
        return {name: value for name, value in vars(self).items() if name != "handle"}


class DeadLetters:
    """`client` is boto3's `sqs` client."""

    def __init__(self, client: Any, queues: Iterable[Queues]) -> None:
        self._client = client
        self._queues = {queue.name: queue for queue in queues}

    @staticmethod
    def of(target: Target) -> DeadLetters:
        """Those of a deployed stage."""
        stacks = target.client("cloudformation").describe_stacks(
            StackName=f"pigeonhole-{target.stage}"
        )["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
        return DeadLetters(
            target.client("sqs"),
            [
                Queues(
                    name.lower(),
                    outputs[f"{name}QueueUrl"],
                    outputs[f"{name}DeadLetterQueueUrl"],
                    outputs[f"{function}Function"],
                )
                for name, function in (("Events", "Reconcile"), ("Work", "Work"))
                if f"{name}DeadLetterQueueUrl" in outputs
            ],
        )

    def count(self) -> int:
        """How many there are, about."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = [
            self._client.get_queue_attributes(
                QueueUrl=queue.dead_letters_url, AttributeNames=names
            )["Attributes"]
            for queue in self._queues.values()
        ]
        return sum(int(attributes[name]) for attributes in found for name in names)

    def all(self) -> list[DeadLetter]:
        """All of them, the oldest first; of very many the first thousand of each queue."""
        letters = self._received()
        self._let_go(letters)
        return letters

    def replay(self, wanted: Callable[[list[DeadLetter]], list[DeadLetter]]) -> list[DeadLetter]:
        """Send back those that `wanted` picks of `all`; they are gone from here then.

        Of those that say the same, one is sent: each asks for a look at how things stand now. Dying
        half-way leaves messages here that were sent, which does no harm either.
        """
        letters = self._received()
        try:
            chosen = wanted(letters)
            sent: set[tuple[str, str]] = set()
            for letter in chosen:
                body = _again(letter)
                if (letter.queue, body) not in sent:
                    url = self._queues[letter.queue].url
                    self._client.send_message(QueueUrl=url, MessageBody=body)
                    sent.add((letter.queue, body))
                dead = self._queues[letter.queue].dead_letters_url
                self._client.delete_message(QueueUrl=dead, ReceiptHandle=letter.handle)
                letters = [other for other in letters if other.id != letter.id]
        finally:
            self._let_go(letters)
        return chosen

    def _received(self) -> list[DeadLetter]:
        found = [letter for queue in self._queues.values() for letter in self._received_of(queue)]
        return sorted(found, key=lambda letter: (letter.sent, letter.id))

    def _received_of(self, queue: Queues) -> list[DeadLetter]:
        found: dict[str, DeadLetter] = {}
        while len(found) < MOST_READ:
            messages = self._client.receive_message(
                QueueUrl=queue.dead_letters_url,
                MaxNumberOfMessages=MOST_AT_ONCE,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,  # asks all of SQS's servers, not some
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            if all(message["MessageId"] in found for message in messages):
                break  # none, or those read first are seen again
            found |= {message["MessageId"]: _letter(message, queue) for message in messages}
        return list(found.values())

    def _let_go(self, letters: list[DeadLetter]) -> None:
        for queue in self._queues.values():
            handles = [letter.handle for letter in letters if letter.queue == queue.name]
            for start in range(0, len(handles), MOST_AT_ONCE):
                self._client.change_message_visibility_batch(
                    QueueUrl=queue.dead_letters_url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                        for number, handle in enumerate(handles[start : start + MOST_AT_ONCE])
                    ],
                )


def chosen(letters: list[DeadLetter], ids: Iterable[str]) -> list[DeadLetter]:
    """The letters whose ids begin so. Raises UsageError for what fits none, or several."""
    found: list[DeadLetter] = []
    for id in ids:
        fits = [letter for letter in letters if letter.id.startswith(id)]
        if len(fits) != 1:
            how_many = "several dead letters" if fits else "no dead letter"
            raise UsageError(f"{how_many} with an id that begins with {id}: `dead-letters` lists")
        found += [letter for letter in fits if letter not in found]
    return found


def _again(letter: DeadLetter) -> str:
    """The body to send back. A wish to train once more is known by its message's id, which a new
    message would not have: it may have been taken before the function failed."""
    try:
        said = json.loads(letter.body)
    except ValueError:
        return letter.body
    if not isinstance(said, dict) or "retrain" not in said or said.get("id"):
        return letter.body
    return json.dumps({**said, "id": letter.message_id})


def _letter(message: Mapping[str, Any], queue: Queues) -> DeadLetter:
    told = {
        name: tame(attribute.get("StringValue", ""))
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    function = told.get("function", queue.function)
    return DeadLetter(
        id=message["MessageId"],
        message_id=told.get("message_id", message["MessageId"]),
        queue=queue.name,
        about=tame(about(message["Body"])),
        cause=told.get("cause", DIED),
        function=function,
        log_group=told.get("log_group", f"/aws/lambda/{function}"),
        request_id=told.get("request_id"),
        sent=sent.isoformat(timespec="seconds"),
        given_up=told.get("time"),
        body=message["Body"],
        handle=message["ReceiptHandle"],
    )


def about(body: str) -> str:
    """What a message of ours was to set going (docs/architecture.md lists them)."""
    try:
        message = json.loads(body)
        if "Records" in message:
            return ", ".join(
                f"s3 {r['eventName']} {r['s3']['object']['key']}" for r in message["Records"]
            )
        if "detail-type" in message:
            names = (v for k, v in message["detail"].items() if k.endswith("Name"))
            return f"{message['detail-type']} {next(names, '')}".rstrip()
        for kind in ("reconcile", "retrain"):
            if kind in message:
                return f"{kind} {message[kind]}"
        [(kind, fields)] = message.items()
        named = fields.get("dataset") or fields.get("batch") if isinstance(fields, dict) else None
        return f"{kind} {named}" if named else str(kind)
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:80]
