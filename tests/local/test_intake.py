"""Drops at the same moment, and several datasets at once, on a local cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.local import rows
from tests.local.conftest import Cloud, wait_for


def quick() -> bytes:
    """A dataset.json whose training takes a moment."""
    return json.dumps(
        {
            "classes": rows.class_names(),
            "preset": "dense-128",
            "hyperparameters": {"epochs": 3},
            "quiet_seconds": 3,
        }
    ).encode()


def test_drops_at_the_same_moment_are_one_job_a_version(cloud: Cloud) -> None:
    """Two people drop into `shared`, a third into `alone`; then its owner asks for a training by a
    rule of his own, which EventBridge serves twice."""

    def drop(dataset: str, files: Mapping[str, bytes]) -> str:
        for name, body in files.items():
            cloud.put(f"datasets/{dataset}/{name}", body)
        return cloud.ready(dataset)

    first = {"dataset.json": quick(), "a_train.csv": rows.csv("train", 500)}
    second = {"b_train.csv": rows.csv("train", 500, start=500), "b_test.csv": rows.csv("test", 400)}
    alone = {
        "dataset.json": quick(),
        "a_train.csv": rows.csv("train", 900),
        "a_test.csv": rows.csv("test", 400),
    }
    drops = [("shared", first), ("shared", second), ("alone", alone)]
    with ThreadPoolExecutor(len(drops)) as people:
        *_, ready = people.map(drop, *zip(*drops, strict=True))
    assert cloud.settled("alone", ready, 400)["outcome"] == "Live"
    assert len(cloud.training_jobs("alone")) == 1

    events = cloud.client("events")
    rule, queue = "pigeonhole-local-retrain-alone", cloud.output("EventsQueueUrl")
    sqs = cloud.client("sqs")
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["test.release"]}))
    message = json.dumps({"retrain": "dataset/alone", "id": "release 7"})
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn, "Input": message}])
    entry = {"Source": "test.release", "DetailType": "Released", "Detail": "{}"}
    events.put_events(Entries=[entry, entry])

    def again() -> bool:
        status = cloud.dataset("alone")
        return bool(status["settled"]) and status["attempt"] == 2

    wait_for(again, "the training that was asked for", 400, cloud.why("alone"))
    shared = wait_for(
        lambda: s if (s := cloud.dataset("shared"))["settled"] else None,
        "the shared dataset to settle",
        400,
        cloud.why("shared"),
    )
    assert shared["outcome"] == "Live", shared
    key = f"reports/shared/preflight/{shared['version']}/version.json"
    body = cloud.client("s3").get_object(Bucket=cloud.bucket, Key=key)["Body"].read()
    assert {file["path"] for file in json.loads(body)["files"]} == {
        "a_train.csv",
        "b_train.csv",
        "b_test.csv",
    }
    versions = [job.rsplit("-", 2)[1] for job in cloud.training_jobs("shared")]
    assert len(set(versions)) == len(versions)
    sqs.send_message(QueueUrl=queue, MessageBody=message)
    wait_for(lambda: cloud.queue_depth("EventsQueueUrl") == 0, "the events queue to drain")
    assert len(cloud.training_jobs("alone")) == 2
    assert cloud.dataset("alone")["settled"]
