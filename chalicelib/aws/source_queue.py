"""A queue that a function is fed from, as the function sees it, and where it parks what fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class SourceQueue:
    """`client` is boto3's `sqs` client.

    Handles are received messages' receipt handles: one batch's at most (SQS: 10). Of a message that
    was deleted meanwhile, or delivered once more, nothing happens.
    """

    def __init__(self, client: Any, url: str, dead_letters_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letters_url = dead_letters_url

    def hold(self, handles: Sequence[str], seconds: int) -> None:
        """Keep these messages from everybody else for so long, from now on."""
        if handles:
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for number, handle in enumerate(handles)
                ],
            )

    def delete(self, handles: Sequence[str]) -> None:
        """These are done."""
        if handles:
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle}
                    for number, handle in enumerate(handles)
                ],
            )

    def park(self, body: str, told: Mapping[str, str]) -> None:
        """Put a copy of a message into the dead-letter queue, with what is `told` of it."""
        self._client.send_message(
            QueueUrl=self._dead_letters_url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": text} for name, text in told.items()
            },
        )
