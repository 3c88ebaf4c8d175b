"""A drop on a bad day: events come twice, calls fail or go unanswered; one job all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local import rows
from tests.local.conftest import Cloud

DATASET = "troubled"
BAD_DAY = (
    ("events-twice", "--on", f"s3:ObjectCreated:* datasets/{DATASET}/*", "--always"),
    ("events-twice", "--on", f"SageMaker * State Change pigeonhole-local-{DATASET}*", "--always"),
    ("lose-reply", "--on", "CreateTrainingJob"),
    ("lose-reply", "--on", "CreateModelPackage"),
    ("error-500", "--on", "CreateEndpointConfig"),
    ("throttle", "--on", "sqs:SendMessage", "--by", "*pigeonhole*", "--times", "2"),
    ("throttle", "--on", "dynamodb:*", "--by", "*pigeonhole*", "--times", "2"),
)


@pytest.fixture
def bad_day(cloud: Cloud) -> Iterator[None]:
    for rule in BAD_DAY:
        cloud.command("trouble", "add", *rule)
    yield
    cloud.command("trouble", "clear")


@pytest.mark.usefixtures("bad_day")
def test_a_drop_on_a_bad_day_is_trained_once_and_goes_live(cloud: Cloud) -> None:
    cloud.put(f"datasets/{DATASET}/dataset.json", rows.settings())
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 1000))
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 400))
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Live", status
    assert cloud.training_jobs(DATASET) == [status["training_job"]]
    packages = cloud.client("sagemaker").list_model_packages(
        ModelPackageGroupName=f"pigeonhole-local-{DATASET}"
    )["ModelPackageSummaryList"]
    assert len(packages) == 1
    assert cloud.queue_depth("EventsDeadLetterQueueUrl") == 0
    left = cloud.command("trouble").stdout.partition("There is")[0]
    for kind, *_ in BAD_DAY[2:]:
        assert kind not in left, left  # each of them struck
