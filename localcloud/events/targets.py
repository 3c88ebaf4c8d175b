"""What the rules of EventBridge send events to: SQS queues and Lambda functions."""

from __future__ import annotations

import json
import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients

_log = logging.getLogger(__name__)


class Undeliverable(Exception):
    """No retry can help: the target is of a kind, or asks for an input, that is not built here."""


_MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",  # Lambda
    }
)


def is_missing(error: Exception) -> bool:
    """Whether the target does not exist, for which EventBridge does not try again."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _MISSING


class Targets:
    """Sends events to rules' targets: SQS queues and Lambda functions."""

    def __init__(self, clients: Clients) -> None:
        self._sqs = clients("sqs")
        self._lambda = clients("lambda")
        self._complaints: set[str] = set()

    def send(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """Raises Undeliverable, or botocore's errors where a retry may help."""
        body = input_of(target, event)
        kind = target["Arn"].split(":")[2]
        if kind == "sqs":
            self._to_queue(target["Arn"], body, target.get("SqsParameters") or {})
        elif kind == "lambda":
            self._lambda.invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=body)
        else:
            raise Undeliverable(f"rule targets of {kind} are not built here: {target['Arn']}")

    def dead_letter(self, target: dict[str, Any], body: str) -> None:
        """Send a given-up event to the target's dead-letter queue, if it has one."""
        arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if arn:
            try:
                self._to_queue(arn, body, {})
            except (BotoCoreError, ClientError) as error:
                _log.error("event lost, dead-letter queue %s: %s", arn, error)

    def complain(self, message: str) -> None:
        """Log a message the first time."""
        if message not in self._complaints:
            self._complaints.add(message)
            _log.error("%s", message)

    def _to_queue(self, arn: str, body: str, parameters: dict[str, Any]) -> None:
        *_, account, name = arn.split(":")
        url = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        self._sqs.send_message(QueueUrl=url, MessageBody=body, **parameters)


def input_of(target: dict[str, Any], event: dict[str, Any]) -> str:
    """What the target gets as JSON text: its Input, the part at its InputPath, or the whole event.

    Raises Undeliverable for an InputTransformer and for paths with more than members in them.
    """
    if target.get("InputTransformer"):
        raise Undeliverable(f"InputTransformer is not built here: {target['Arn']}")
    if target.get("Input"):
        return str(target["Input"])
    found: Any = event
    path = target.get("InputPath") or "$"
    first, *members = path.split(".")
    if first != "$" or "[" in path:
        raise Undeliverable(f"InputPath {path} is not built here: {target['Arn']}")
    for member in members:
        found = found.get(member) if isinstance(found, dict) else None
    return json.dumps(found)
