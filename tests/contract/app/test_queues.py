"""What the queues' adapter sends is what the dispatcher reads."""

from __future__ import annotations

import json
import uuid
from typing import Any

from chalicelib.aws.queues import Queues
from chalicelib.events import Wake, parse
from tests.contract.sagemaker.conftest import client, wait_until


def receive(sqs: Any, url: str) -> str:
    found = wait_until(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "a message"
    )
    body: str = found[0]["Body"]
    return body


def delayed(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessagesDelayed"
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def test_messages_arrive_where_they_belong(s3_url: str) -> None:
    sqs = client("sqs", s3_url)
    events, work = (
        sqs.create_queue(QueueName=f"{name}-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        for name in ("events", "work")
    )
    queues = Queues(sqs, events, work)
    queues.wake("dataset/x")
    assert parse(receive(sqs, events)) == [Wake("dataset/x")]
    queues.work("preflight", dataset="x", version="v", check=1)
    assert json.loads(receive(sqs, work)) == {
        "preflight": {"dataset": "x", "version": "v", "check": 1}
    }
    queues.wake("dataset/x", 100_000)  # more than SQS takes: it comes as late as SQS can
    assert delayed(sqs, events) == 1
