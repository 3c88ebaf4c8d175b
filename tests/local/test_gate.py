"""What is worse never goes live; what failed can be tried again; the champion stays live."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import psutil
import pytest

from tests.local import rows
from tests.local.conftest import Answer, Cloud, wait_for

DATASET = "gate"
WORSE_ROWS = 300  # more than the commonest class makes right, and far from the champion
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def champion(cloud: Cloud) -> str:
    """A dataset with a champion: the training job that made it."""
    cloud.put(f"datasets/{DATASET}/dataset.json", rows.settings(4))
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 2000))
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 800))
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Live", status
    job: str = status["champion"]["training_job"]
    return job


def answering(cloud: Cloud) -> str:
    """`<hash12>-<attempt>` of the model that answers right now."""
    png = rows.picture(rows.sample("test")[1][0])[1]
    answer = cloud.http("POST", f"/datasets/{DATASET}/predict", png, {"Content-Type": "image/png"})
    assert answer.status == 200, answer
    version: str = answer.body["model_version"]
    return version


def test_shuffled_labels_as_first_model_never_go_live(cloud: Cloud) -> None:
    cloud.put("datasets/shuffled/dataset.json", rows.settings())
    cloud.put("datasets/shuffled/a_train.csv", rows.csv("train", 1000, shuffle_labels=True))
    cloud.put("datasets/shuffled/a_test.csv", rows.csv("test", 400))
    status = cloud.settled("shuffled", cloud.ready("shuffled"))
    assert (status["outcome"], status["champion"]) == ("Rejected", None), status
    png = rows.picture(rows.sample("test")[1][0])[1]
    answer = cloud.http("POST", "/datasets/shuffled/predict", png, {"Content-Type": "image/png"})
    assert answer.status == 409


def test_shuffled_labels_do_not_replace_the_champion(cloud: Cloud, champion: str) -> None:
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 1000, shuffle_labels=True))
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Rejected", status
    assert status["champion"]["training_job"] == champion
    assert champion.endswith(answering(cloud))


def test_worse_model_does_not_replace_the_champion(cloud: Cloud, champion: str) -> None:
    """Few honest rows make a model that is far worse than the champion."""
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", WORSE_ROWS))
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["outcome"] == "Rejected", status
    assert champion.endswith(answering(cloud))
    packages = cloud.client("sagemaker").list_model_packages(
        ModelPackageGroupName=f"pigeonhole-local-{DATASET}",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    assert packages[0]["ModelApprovalStatus"] == "Rejected"


def test_job_that_dies_fails_with_its_reason_and_a_retry_succeeds(
    cloud: Cloud, champion: str
) -> None:
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", 1500))
    ready = cloud.ready(DATASET)

    def trainer() -> psutil.Process | None:
        # The job's own script, not the toolkit around it.
        for process in psutil.process_iter(["cmdline", "environ"]):
            line = process.info["cmdline"] or []
            environ = process.info["environ"] or {}
            ours = environ.get("AWS_ENDPOINT_URL") == cloud.env["AWS_ENDPOINT_URL"]
            if ours and any(part.endswith("train.py") for part in line):
                return process
        return None

    process = wait_for(trainer, "the training process", 60, cloud.why(DATASET))
    os.kill(process.pid, signal.SIGKILL)
    status = cloud.settled(DATASET, ready)
    assert status["outcome"] == "Failed", status
    failed = cloud.client("sagemaker").describe_training_job(TrainingJobName=status["training_job"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"] in status["message"]
    assert champion.endswith(answering(cloud))

    status = cloud.settled(DATASET, cloud.ready(DATASET))
    assert status["attempt"] == 2
    assert status["outcome"] in {"Live", "Rejected"}, status
    retried = cloud.client("sagemaker").describe_training_job(
        TrainingJobName=status["training_job"]
    )
    assert retried["TrainingJobStatus"] == "Completed"


def newest_package(cloud: Cloud, dataset: str, job: str) -> dict[str, Any]:
    """The registry's entry of a training job's model."""
    registry = cloud.client("sagemaker")
    listed = registry.list_model_packages(ModelPackageGroupName=f"pigeonhole-local-{dataset}")
    for summary in listed["ModelPackageSummaryList"]:
        found: dict[str, Any] = registry.describe_model_package(
            ModelPackageName=summary["ModelPackageArn"]
        )
        if found["CustomerMetadataProperties"]["training_job"] == job:
            return found
    raise AssertionError(f"{job} is in no registry")


def test_command_approves_what_the_gate_may_have_rejected(cloud: Cloud, champion: str) -> None:
    job = cloud.dataset(DATASET)["training_job"]  # of the retry, better or worse
    cloud.command("approve", DATASET, job, "--reason", "tried it out")
    assert job.endswith(answering(cloud))


def test_model_that_returns_is_compared_with_the_champion_of_today(
    cloud: Cloud, champion: str
) -> None:
    """The model of few rows was compared with another champion: it is judged again, and nothing
    is trained."""
    before = cloud.training_jobs(DATASET)
    live = cloud.dataset(DATASET)["champion"]["training_job"]
    assert live != champion
    cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", WORSE_ROWS))
    status = cloud.settled(DATASET, cloud.ready(DATASET))
    worse = status["training_job"]
    assert (status["outcome"], status["champion"]["training_job"]) == ("Rejected", live), status
    assert set(cloud.training_jobs(DATASET)) - set(before) == {f"{worse}-j1"}
    told = newest_package(cloud, DATASET, worse)["CustomerMetadataProperties"]
    assert (told["decision"], told["decided_by"]) == ("Rejected", "gate")
    assert (told["compared_with"], told["judged_by"]) == (live, f"{worse}-j1")
    assert int(told["paired_rows"]) > 700
    assert float(told["difference"]) < -float(told["standard_error"])


def test_any_client_of_the_registry_approves(cloud: Cloud, champion: str) -> None:
    worse = cloud.dataset(DATASET)["training_job"]
    package = newest_package(cloud, DATASET, worse)
    cloud.client("sagemaker").update_model_package(
        ModelPackageArn=package["ModelPackageArn"],
        ModelApprovalStatus="Approved",
        ApprovalDescription="it is small",
    )
    wait_for(
        lambda: cloud.dataset(DATASET)["champion"]["training_job"] == worse,
        "the approved model to be live",
        60,
        cloud.why(DATASET),
    )
    told = newest_package(cloud, DATASET, worse)
    assert told["ApprovalDescription"].startswith("Approved by arn:aws:")
    assert told["ApprovalDescription"].endswith(": it is small")


def test_api_approves_and_says_what_it_cannot(cloud: Cloud) -> None:
    def ask(verb: str, wish: dict[str, str]) -> Answer:
        body = json.dumps(wish).encode()
        return cloud.http("POST", f"/datasets/shuffled/{verb}", body, JSON)

    assert ask("approve", {"version": "fedcba98"}).status == 404
    answer = ask("approve", {"reason": "for fun", "by": "anna"})
    assert (answer.status, answer.body["phase"]) == (202, "Verifying"), answer
    wait_for(
        lambda: cloud.dataset("shuffled")["phase"] == "Live",
        "the approved model to be live",
        60,
        cloud.why("shuffled"),
    )
    answer = ask("reject", {})
    assert answer.status == 409
    assert "pigeonhole rollback shuffled" in answer.body["message"]


def test_failure_of_the_script_is_the_reason_that_people_read(cloud: Cloud) -> None:
    cloud.put("datasets/broken/dataset.json", rows.settings(-3))
    cloud.put("datasets/broken/a_train.csv", rows.csv("train", 300))
    cloud.put("datasets/broken/a_test.csv", rows.csv("test", 200))
    status = cloud.settled("broken", cloud.ready("broken"))
    assert status["outcome"] in {"Failed", "Refused"}, status
    assert "epochs" in status["message"]
