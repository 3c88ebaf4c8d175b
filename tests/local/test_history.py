"""People and their programs are told of what happened, and can look it all up afterwards."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.local import rows
from tests.local.conftest import Cloud, wait_for

DATASET = "told"


def let_sns_send(queue: str, topic: str) -> dict[str, Any]:
    """The policy that docs/history.md tells of."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


class Inbox:
    """A queue that is subscribed to the stage's topic, for one dataset's notices."""

    def __init__(self, cloud: Cloud) -> None:
        self._sqs = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"notices-of-{DATASET}")["QueueUrl"]
        asked = {"QueueUrl": self._url, "AttributeNames": ["QueueArn"]}
        arn = self._sqs.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        outputs = cloud.client("cloudformation").describe_stacks(StackName="pigeonhole-local")
        found = {o["OutputKey"]: o["OutputValue"] for o in outputs["Stacks"][0]["Outputs"]}
        topic = found["NotificationTopicArn"]
        policy = json.dumps(let_sns_send(arn, topic))
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        cloud.client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={
                "RawMessageDelivery": "true",
                "FilterPolicy": json.dumps({"dataset": [DATASET]}),
            },
        )

    def next(self) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            answer = self._sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=1)
            for message in answer.get("Messages", ()):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                return dict(json.loads(message["Body"]))
            return None

        return wait_for(look, "a notice")


@pytest.fixture(scope="module")
def inbox(cloud: Cloud) -> Inbox:
    return Inbox(cloud)


def test_a_refusal_is_told_with_its_place_and_its_report(cloud: Cloud, inbox: Inbox) -> None:
    bad = rows.csv("train", 20).decode().splitlines()
    bad[7] = bad[7].rsplit(",", 1)[0]
    cloud.put(f"datasets/{DATASET}/a_train.csv", "\n".join(bad).encode())
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Refused", status
    told = inbox.next()
    assert (told["kind"], told["version"]) == ("Refused", status["version"])
    assert "a_train.csv, line 8" in told["message"]
    assert told["report"] == status["report"]


def test_a_rejection_is_told_and_its_history_has_all_of_it(cloud: Cloud, inbox: Inbox) -> None:
    cloud.put(f"datasets/{DATASET}/dataset.json", rows.settings(1))
    stored = cloud.put(
        f"datasets/{DATASET}/a_train.csv", rows.csv("train", 400, shuffle_labels=True)
    )
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Rejected", status
    told = inbox.next()
    assert (told["kind"], told["training_job"]) == ("Rejected", status["training_job"])

    history = cloud.http("GET", f"/datasets/{DATASET}/history").body
    assert [v["outcome"] for v in history["versions"]] == ["Rejected", "Refused"]
    assert [n["kind"] for n in history["notices"]] == ["Rejected", "Refused"]
    whole = cloud.http("GET", f"/datasets/{DATASET}/history/{status['version'][:12]}").body
    files = {f["path"]: f for f in whole["data"]["listed"]}
    assert files["a_train.csv"]["version_id"] == stored
    assert files["a_train.csv"]["rows"] == 400
    [job] = whole["jobs"]
    assert (job["training_job"], job["outcome"]) == (status["training_job"], "Completed")
    assert whole["registry"]["approval"] == "Rejected"
    assert whole["decision"]["by"] == "gate"
    for report in whole["reports"].values():
        with urllib.request.urlopen(report["url"]) as answer:
            assert answer.read(), report


def test_the_command_shows_both(cloud: Cloud) -> None:
    shown = cloud.command("history", DATASET).stdout
    assert "a_train.csv, line 8" in shown
    assert f"pigeonhole approve {DATASET}" in " ".join(shown.split())
    newest = json.loads(cloud.command("history", DATASET, "--json").stdout)["versions"][0]
    whole = cloud.command("history", DATASET, newest["version"][:12]).stdout
    assert newest["jobs"][0]["training_job"] in whole
    missing = cloud.command("history", DATASET, "ffffffff", check=False)
    assert missing.returncode == 1
    assert "has no version" in missing.stderr
