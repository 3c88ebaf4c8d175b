"""The notification topic: what the service tells people, and their programs, by itself.

Each kind of subscriber gets its own form of a message: e-mail and SMS the text, queues, functions
and http endpoints a JSON document, https the form that Amazon Q Developer in chat applications
takes (Slack, Teams).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.translate import error_code, error_message
from chalicelib.errors import RequestRefused, Unavailable

_FINAL = ("InvalidParameter", "InvalidParameterValue", "ValidationError")


@dataclass(frozen=True)
class Message:
    """`text` for people, `document` for programs, `chat` for chat rooms.

    `attributes` are strings that subscribers' filter policies can look at; `subject` is fewer than
    100 printable ASCII characters.
    """

    subject: str
    text: str
    document: Mapping[str, Any]
    chat: Mapping[str, Any]
    attributes: Mapping[str, str]


class Notifications(Protocol):
    """Where messages go."""

    def send(self, message: Message) -> None:
        """Raises Unavailable when it may be taken later, RequestRefused when never."""


class Topic:
    """`client` is boto3's `sns` client."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def send(self, message: Message) -> None:
        try:
            self._client.publish(
                TopicArn=self._arn,
                Subject=message.subject,
                Message=json.dumps(_by_protocol(message), ensure_ascii=False),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in message.attributes.items()
                },
            )
        except ClientError as error:
            if error_code(error) in _FINAL:
                raise RequestRefused(error_message(error)) from error
            raise Unavailable(error_message(error) or error_code(error)) from error
        except BotoCoreError as error:
            raise Unavailable(str(error)) from error


class Nowhere:
    """A stage without a topic."""

    def send(self, message: Message) -> None:
        pass


def _by_protocol(message: Message) -> dict[str, str]:
    document = json.dumps(message.document, ensure_ascii=False)
    programs = ("sqs", "lambda", "http", "firehose")
    return {
        "default": message.text,
        "email": message.text,
        "email-json": document,
        "sms": message.subject,
        "https": json.dumps(message.chat, ensure_ascii=False),
        **dict.fromkeys(programs, document),
    }
