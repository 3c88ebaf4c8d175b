"""A drop that costs more than it may, in an account without GPUs: a person, then a CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.local import rows
from tests.local.conftest import Cloud

DATASET = "costly"
NO_GPUS = (
    ("quota", "--on", "ml.g5.xlarge"),
    ("capacity", "--on", "ml.g4dn.xlarge", "--always"),
)


@pytest.fixture
def no_gpus(cloud: Cloud) -> Iterator[None]:
    for rule in NO_GPUS:
        cloud.command("trouble", "add", *rule)
    yield
    cloud.command("trouble", "clear")


@pytest.mark.usefixtures("no_gpus")
def test_what_costs_too_much_waits_and_what_cannot_be_had_is_passed_over(cloud: Cloud) -> None:
    wanted = {
        **json.loads(rows.settings()),
        "budget": {"job_usd": 0.001},
        "instances": {"type": ["ml.g5.xlarge", "ml.g4dn.xlarge"]},
    }
    cloud.put(f"datasets/{DATASET}/dataset.json", json.dumps(wanted).encode())
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 1000))
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 400))
    ready = cloud.ready(DATASET)
    status = cloud.settled(DATASET, ready)
    assert status["outcome"] == "PendingApproval", status
    assert "over the $0.001 that a job may cost" in status["message"]
    assert f"`pigeonhole approve {DATASET}`" in status["message"]
    assert 0 < status["cost"]["estimated_usd"] < status["cost"]["most_usd"]
    assert cloud.training_jobs(DATASET) == []

    cloud.command("approve", DATASET, "--reason", "we need it")
    status = cloud.settled(DATASET, ready)
    assert status["outcome"] == "Live", status
    assert status["instances"] == "1 x ml.m5.xlarge"
    assert status["instances_refused"] == {
        "1 x ml.g5.xlarge": "the account's limit is 0",
        "1 x ml.g4dn.xlarge": "AWS had no capacity",
    }
    assert status["cost"]["spent_seconds"] > 0
    jobs = cloud.training_jobs(DATASET)
    assert sorted(jobs) == [f"{status['training_job'][:-1]}{attempt}" for attempt in (1, 2)]
    arn = status["champion"]["model_package_arn"]
    package = cloud.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert package["CustomerMetadataProperties"]["instance_type"] == "ml.m5.xlarge"
    assert "no capacity" in package["CustomerMetadataProperties"]["instances_refused"]
    assert cloud.queue_depth("EventsDeadLetterQueueUrl") == 0
