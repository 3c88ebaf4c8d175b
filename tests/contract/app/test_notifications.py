"""What the topic's adapter sends is what each kind of subscriber reads."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from chalicelib.aws.notifications import Message, Topic
from chalicelib.datasets.history.notices import message
from chalicelib.datasets.history.outbox import Notice
from chalicelib.errors import RequestRefused, Unavailable
from tests.contract.sagemaker.conftest import client, wait_until

REFUSED = Notice(
    "0123456789abcdef", "Refused", "2026-11-21T10:00:00+00:00", "ab" * 32, "refused: Füße.csv, …"
)


class Subscribed:
    """A topic with a queue behind it; `filter_policy` as subscribers set one."""

    def __init__(self, url: str) -> None:
        self.sns, self.sqs = client("sns", url), client("sqs", url)
        name = f"told-{uuid.uuid4().hex[:8]}"
        self.arn = self.sns.create_topic(Name=name)["TopicArn"]
        self.topic = Topic(self.sns, self.arn)

    def queue(self, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.sns.subscribe(
            TopicArn=self.arn,
            Protocol="sqs",
            Endpoint=answer["Attributes"]["QueueArn"],
            Attributes=attributes,
        )
        return url

    def received(self, queue: str) -> dict[str, Any]:
        def look() -> list[dict[str, Any]] | None:
            asked = {"QueueUrl": queue, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 1}
            found: list[dict[str, Any]] | None = self.sqs.receive_message(**asked).get("Messages")
            return found

        return dict(wait_until(look, "a message")[0])


@pytest.fixture
def subscribed(s3_url: str) -> Subscribed:
    return Subscribed(s3_url)


def test_a_queue_gets_the_document_and_a_subject(subscribed: Subscribed) -> None:
    plain, raw = subscribed.queue(), subscribed.queue(RawMessageDelivery="true")
    told = message(REFUSED, "local", "letters", ["a.csv, line 2: no"])
    subscribed.topic.send(told)
    envelope = json.loads(subscribed.received(plain)["Body"])
    assert envelope["Subject"] == "pigeonhole local: letters: the data was refused"
    assert json.loads(envelope["Message"]) == told.document
    assert envelope["MessageAttributes"]["kind"]["Value"] == "Refused"
    bare = subscribed.received(raw)
    assert json.loads(bare["Body"]) == told.document
    assert bare["MessageAttributes"]["dataset"]["StringValue"] == "letters"


def test_subscribers_choose_by_kind_and_dataset(subscribed: Subscribed) -> None:
    policy = json.dumps({"kind": ["Failed"], "dataset": ["letters"]})
    queue = subscribed.queue(FilterPolicy=policy, RawMessageDelivery="true")
    for kind, dataset in (("Refused", "letters"), ("Failed", "digits"), ("Failed", "letters")):
        notice = Notice(kind + dataset, kind, REFUSED.at, None, "no")
        subscribed.topic.send(message(notice, "local", dataset))
    assert json.loads(subscribed.received(queue)["Body"])["id"] == "Failedletters"


def test_a_topic_that_is_not_there_may_come_back(s3_url: str) -> None:
    gone = Topic(client("sns", s3_url), "arn:aws:sns:us-east-1:000000000000:gone")
    with pytest.raises(Unavailable):
        gone.send(message(REFUSED, "local", "letters"))


def test_what_is_too_large_is_refused_for_good(subscribed: Subscribed) -> None:
    huge = Message("subject", "x" * 300_000, {}, {}, {"kind": "Refused"})
    with pytest.raises(RequestRefused):
        subscribed.topic.send(huge)


def test_a_topic_out_of_reach_is_tried_again() -> None:
    nobody = Topic(client("sns", "http://127.0.0.1:9"), "arn:aws:sns:us-east-1:000000000000:t")
    with pytest.raises(Unavailable):
        nobody.send(message(REFUSED, "local", "letters"))
