"""The three flows on a local cloud with IAM enforced: drop, predict, classify."""

from __future__ import annotations

import csv as csv_module
import io
import json
from pathlib import Path

import pytest

from tests.local import rows
from tests.local.conftest import SAMPLE, Cloud, wait_for

DATASET = "fashion-mnist"


@pytest.fixture(scope="module")
def live(cloud: Cloud) -> Cloud:
    """A cloud on which the shipped sample has been dropped and has gone live."""
    cloud.command("drop", *map(str, sorted(SAMPLE.glob("*.csv.gz"))), str(SAMPLE / "dataset.json"))
    return cloud


def test_dropped_sample_goes_live_and_says_how_good_it_is(live: Cloud) -> None:
    status = live.dataset(DATASET)
    assert (status["phase"], status["outcome"]) == ("Live", "Live")
    assert status["champion"]["accuracy"] > 0.8
    endpoint = live.client("sagemaker").describe_endpoint(EndpointName=status["endpoint"])
    assert endpoint["EndpointStatus"] == "InService"
    job = live.client("sagemaker").describe_training_job(TrainingJobName=status["training_job"])
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert metrics["heldout:accuracy"] == pytest.approx(status["champion"]["accuracy"], abs=1e-3)
    endpoints = live.client("sagemaker").list_endpoints(NameContains=DATASET)["Endpoints"]
    assert [e["EndpointName"] for e in endpoints] == [f"pigeonhole-local-{DATASET}"]


def test_training_log_is_in_cloudwatch_logs(live: Cloud) -> None:
    job = live.dataset(DATASET)["training_job"]
    events = live.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/algo-1"
    )["events"]
    assert any(event["message"].startswith("epoch=1; train_loss=") for event in events)


def test_predict_answers_held_out_images(live: Cloud) -> None:
    names = rows.class_names()
    right = 0
    path = f"/datasets/{DATASET}/predict"
    chosen = rows.sample("test")[1][:20]
    for row in chosen:
        label, png = rows.picture(row)
        answer = live.http("POST", path, png, {"Content-Type": "image/png"})
        assert answer.status == 200, answer
        assert set(answer.body["probabilities"]) == set(names)
        assert sum(answer.body["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        right += answer.body["label"] == names[int(label)]
    assert right >= 14


def test_predict_command_prints_label(live: Cloud, tmp_path: Path) -> None:
    label, png = rows.picture(rows.sample("test")[1][0])
    (tmp_path / "one.png").write_bytes(png)
    done = live.command("predict", str(tmp_path / "one.png"), "--dataset", DATASET)
    assert rows.class_names()[int(label)] in done.stdout


def test_every_one_of_200_files_appears_exactly_once(live: Cloud, tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    for index, row in enumerate(rows.sample("test")[1][:198]):
        (folder / f"image {index:03d}+ü.png").write_bytes(rows.picture(row)[1])
    (folder / "broken.png").write_bytes(rows.picture(rows.sample("test")[1][0])[1][:60])
    (folder / "notes.txt").write_text("not an image\n")
    live.command(
        *("classify", str(folder), "--batch", "two-hundred"),
        *("--dataset", DATASET, "--out", str(out)),
    )

    latest = live.http("GET", "/batches/two-hundred").body
    assert latest["phase"] == "Done"
    assert latest["counts"] == {"files": 200, "classified": 198, "rejected": 2}
    s3 = live.client("s3")

    def result(name: str) -> str:
        key = f"results/two-hundred/{latest['run']}/{name}"
        body: bytes = s3.get_object(Bucket=live.bucket, Key=key)["Body"].read()
        return body.decode()

    predicted = [r["file"] for r in csv_module.DictReader(io.StringIO(result("predictions.csv")))]
    rejected = [r["file"] for r in csv_module.DictReader(io.StringIO(result("rejected.csv")))]
    assert sorted(predicted + rejected) == sorted(f.name for f in folder.iterdir())
    assert sorted(rejected) == ["broken.png", "notes.txt"]
    assert json.loads(result("summary.json"))["counts"] == latest["counts"]
    assert (out / "predictions.csv").exists()


def test_same_data_again_is_not_trained_again(live: Cloud) -> None:
    before = live.training_jobs(DATASET)
    done = live.command(
        "drop", *map(str, sorted(SAMPLE.glob("*.csv.gz"))), str(SAMPLE / "dataset.json")
    )
    assert live.dataset(DATASET)["outcome"] == "AlreadyTrained"
    assert "already" in done.stdout
    assert live.training_jobs(DATASET) == before


def test_same_event_twice_makes_one_job(live: Cloud) -> None:
    """S3 delivers at least once: the very notification comes again, also while the job runs."""
    live.put("datasets/twice/dataset.json", rows.settings())
    live.put("datasets/twice/a_train.csv", rows.csv("train", 1000))
    live.put("datasets/twice/a_test.csv", rows.csv("test", 400))
    ready = live.ready("twice")
    event = {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": live.bucket},
                    "object": {"key": "datasets/twice/_READY", "size": 0, "versionId": ready},
                },
            }
        ]
    }
    sqs = live.client("sqs")

    def send() -> None:
        url = live.output("EventsQueueUrl")
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))

    send()
    wait_for(lambda: live.training_jobs("twice"), "the training job", 60, live.why("twice"))
    send()
    status = live.settled("twice", ready)
    assert status["outcome"] == "Live", status
    send()
    wait_for(lambda: live.queue_depth("EventsQueueUrl") == 0, "the events queue to drain")
    assert len(live.training_jobs("twice")) == 1
    assert live.dataset("twice")["attempt"] == 1


def test_s3_test_event_is_swallowed(cloud: Cloud) -> None:
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": cloud.bucket}
    cloud.client("sqs").send_message(
        QueueUrl=cloud.output("EventsQueueUrl"), MessageBody=json.dumps(body)
    )
    wait_for(lambda: cloud.queue_depth("EventsQueueUrl") == 0, "the events queue to drain")
    assert cloud.queue_depth("EventsDeadLetterQueueUrl") == 0
