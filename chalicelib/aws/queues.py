"""The two queues: wake a reconciler, hand heavy work to the `work` function."""

from __future__ import annotations

import json
from typing import Any

LONGEST_DELAY = 900  # SQS: DelaySeconds at most


class Queues:
    """`client` is boto3's `sqs` client."""

    def __init__(self, client: Any, events_url: str, work_url: str) -> None:
        self._client = client
        self._events_url = events_url
        self._work_url = work_url

    def wake(self, id: str, delay_seconds: int = 0, *, swept: bool = False) -> None:
        """Have `id` reconciled in so many seconds, 900 at most. `swept`: the sweep asks, and asks
        again in a while."""
        body = {"reconcile": id} | ({"swept": True} if swept else {})
        self._client.send_message(
            QueueUrl=self._events_url,
            MessageBody=json.dumps(body),
            DelaySeconds=max(0, min(LONGEST_DELAY, delay_seconds)),
        )

    def work(self, kind: str, **fields: Any) -> None:
        """Send `{kind: fields}` to the work queue: `work("preflight", dataset=…, version=…)`."""
        self._client.send_message(
            QueueUrl=self._work_url, MessageBody=json.dumps({kind: fields}), DelaySeconds=0
        )
