"""A training job on two spot hosts that are taken away in the middle: it goes on and goes live."""

from __future__ import annotations

import json
import urllib.request

from tests.local import rows
from tests.local.conftest import Cloud, wait_for

DATASET = "cut-short"
EPOCHS = 80  # long enough for a checkpoint to reach S3 and for the interruption to strike


def keys(cloud: Cloud, prefix: str) -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket=cloud.bucket, Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", ())]


def test_hosts_that_are_taken_away_cost_no_more_than_a_moment(cloud: Cloud) -> None:
    settings = {
        "classes": rows.class_names(),
        "preset": "dense-128",
        "hyperparameters": {"epochs": EPOCHS},
        "instances": {"count": 2, "spot": True},
    }
    cloud.put(f"datasets/{DATASET}/dataset.json", json.dumps(settings).encode())
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 1000))
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 400))
    ready = cloud.ready(DATASET)
    checkpoints = f"checkpoints/{DATASET}/"
    wait_for(lambda: keys(cloud, checkpoints), "a checkpoint in S3", 180, cloud.why(DATASET))
    [job] = cloud.training_jobs(DATASET)
    cloud.command("trouble", "add", "interrupt", "--on", job, "--seconds", "0")

    status = cloud.settled(DATASET, ready, timeout=300)
    assert (status["outcome"], status["attempt"]) == ("Live", 1), status
    assert status["instances"] == "2 x ml.m5.xlarge, spot"
    assert cloud.training_jobs(DATASET) == [job]
    done = cloud.client("sagemaker").describe_training_job(TrainingJobName=job)
    walked = [step["Status"] for step in done["SecondaryStatusTransitions"]]
    assert walked.count("Interrupted") == 1, walked
    first = cloud.training_log(job)
    assert any(line.startswith("Resuming after step") for line in first), first
    epochs = [line.partition(";")[0] for line in first if line.startswith("epoch=")]
    assert epochs.count("epoch=1") == 1, epochs
    assert epochs[-1] == f"epoch={EPOCHS}"
    assert any("This host is done" in line for line in cloud.training_log(job, "algo-2"))
    assert keys(cloud, f"reports/{DATASET}/{job}/tensorboard-output/")
    _check_report(cloud, status["report"])


def _check_report(cloud: Cloud, uri: str) -> None:
    """The API leads a browser to the page, which says that it is one."""
    url = f"{cloud.env['PIGEONHOLE_API']}/datasets/{DATASET}/report"
    with urllib.request.urlopen(url, timeout=60) as answer:  # it follows the redirect
        assert uri.removeprefix("s3://") in answer.url
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert b"<html" in answer.read()
