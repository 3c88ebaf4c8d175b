"""kill -9 in the middle of a training job: it tells the truth, and nothing is half-written."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from localcloud.processes import Process
from localcloud.sagemaker import private
from localcloud.sagemaker.containers import Containers, Spec

from .account import unpack, wait_until
from .conftest import Running
from .test_recovery import killed, processes_of  # noqa: F401

Killed = tuple[Running, subprocess.Popen[bytes]]


def kill(sagemaker: Running, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(sagemaker.home), "every process of its is gone")


@pytest.mark.skipif(not private.available(), reason="hosts have no names of their own")
def test_job_with_retries_goes_on_from_its_checkpoints(killed: Killed) -> None:  # noqa: F811
    """The end of the local cloud is an InternalServerError, and those are retried."""
    sagemaker, process = killed
    two_hosts = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    for name, more in (
        ("retried", {"RetryStrategy": {"MaximumRetryAttempts": 1}}),
        ("given-up", {}),
    ):
        sagemaker.train(
            name,
            wait=False,
            HyperParameters={"mode": "resume"},
            CheckpointConfig={"S3Uri": f"s3://{sagemaker.bucket}/c/{name}"},
            ResourceConfig=two_hosts,
            **more,
        )
    wait_until(lambda: len(sagemaker.keys("c/")) == 6, "checkpoints in S3")
    kill(sagemaker, process)

    sagemaker.start()
    given_up = sagemaker.training_ends("given-up")
    assert given_up["TrainingJobStatus"] == "Failed"
    assert given_up["FailureReason"].startswith("InternalServerError: ")
    job = sagemaker.training_ends("retried")
    assert job["TrainingJobStatus"] == "Completed", job
    begin = ["Starting", "Downloading", "Training"]
    walked = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert walked == [*begin, *begin, "Uploading", "Completed"]
    model = unpack(sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert json.loads(model["algo-2"]) == ["gone", "step-1.algo-1", "step-1.algo-2"]
    assert not list((sagemaker.home / "sagemaker/training/given-up").glob("*"))


class FailsAtFirst:
    """Containers that cannot be started the first `times` times, for no reason of the job's."""

    def __init__(self, containers: Containers, times: int) -> None:
        self._containers = containers
        self._left = times

    def check(self, image: str) -> None:
        self._containers.check(image)

    def run(self, spec: Spec, **members: Any) -> Process:
        if self._left:
            self._left -= 1
            raise OSError("out of something")
        return self._containers.run(spec, **members)


@pytest.mark.parametrize(("failures", "status"), [(2, "Completed"), (3, "Failed")])
def test_internal_error_is_retried_as_often_as_asked(
    sagemaker: Running, monkeypatch: pytest.MonkeyPatch, failures: int, status: str
) -> None:
    flaky = FailsAtFirst(sagemaker.cloud.containers, failures)
    monkeypatch.setattr(sagemaker.cloud, "containers", flaky)
    name = f"retried-{failures}"
    job = sagemaker.train(name, RetryStrategy={"MaximumRetryAttempts": 2})
    assert job["TrainingJobStatus"] == status
    walked = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert walked.count("Starting") == 3
    assert job.get("FailureReason", "").startswith("InternalServerError") is (status == "Failed")


def test_failure_of_the_algorithm_is_not_retried(sagemaker: Running) -> None:
    job = sagemaker.train(
        "own-fault",
        HyperParameters={"mode": "silent"},
        RetryStrategy={"MaximumRetryAttempts": 2},
    )
    assert job["FailureReason"].startswith("AlgorithmError")
    walked = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert walked.count("Starting") == 1


def test_artifact_is_there_whole_or_not_at_all(killed: Killed) -> None:  # noqa: F811
    sagemaker, process = killed
    sagemaker.train("big", wait=False, HyperParameters={"mode": "big", "megabytes": "12"})

    def uploads() -> bool:
        job = sagemaker.api.describe_training_job(TrainingJobName="big")
        return job["SecondaryStatus"] == "Uploading"

    wait_until(uploads, "it uploads")
    kill(sagemaker, process)
    sagemaker.start()
    job = sagemaker.api.describe_training_job(TrainingJobName="big")
    keys = sagemaker.keys("models/big/")
    told = "Completed" if "ModelArtifacts" in job else "Failed"
    assert job["TrainingJobStatus"] == told
    assert keys or told == "Failed"
    for key in keys:
        files = unpack(sagemaker.read(f"s3://{sagemaker.bucket}/{key}"))
        assert len(files["noise"]) == 12 * 1024 * 1024


def test_checkpoints_in_s3_are_whole(killed: Killed) -> None:  # noqa: F811
    sagemaker, process = killed
    sagemaker.train(
        "many",
        wait=False,
        HyperParameters={"mode": "many"},
        CheckpointConfig={"S3Uri": f"s3://{sagemaker.bucket}/c/many"},
    )
    wait_until(lambda: len(sagemaker.keys("c/many/")) > 1, "the first are in S3")
    kill(sagemaker, process)
    sizes = {len(sagemaker.read(f"s3://{sagemaker.bucket}/{k}")) for k in sagemaker.keys("c/many/")}
    assert sizes == {1024 * 1024}
