"""kill -9 in the middle of a tuning job: after the next start it goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .account import wait_until
from .conftest import Running, running
from .test_recovery import killed  # noqa: F401 - a fixture
from .tuning import describe, request, trials, tuning_ends, value


def test_a_killed_tuning_job_goes_on(
    killed: tuple[Running, subprocess.Popen[bytes]],  # noqa: F811
) -> None:
    sagemaker, process = killed
    asked = request(
        sagemaker,
        "goes-on",
        jobs=6,
        parallel=2,
        config={"Strategy": "Bayesian", "RandomSeed": 2},
        static={"epochs": "2", "slow_below": "2"},
    )
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    stopping = request(sagemaker, "stopping", jobs=8, static={"mode": "waiting"})
    sagemaker.api.create_hyper_parameter_tuning_job(**stopping)

    def some_ended() -> bool:
        found = describe(sagemaker, "goes-on")["TrainingJobStatusCounters"]
        return bool(found["Completed"] >= 2 and found["InProgress"] == 2)

    wait_until(some_ended, "two trials have ended, two run")
    before = {t["TrainingJobName"]: t for t in trials(sagemaker, "goes-on")}
    process.kill()
    process.wait()
    sagemaker.start()
    job = tuning_ends(sagemaker, "goes-on")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    after = {t["TrainingJobName"]: t for t in trials(sagemaker, "goes-on")}
    assert len(after) == 6
    for name, trial in before.items():
        if trial["TrainingJobStatus"] == "Completed":
            assert after[name] == trial
    lost = [t for t in after.values() if t["TrainingJobStatus"] == "Failed"]
    assert 1 <= len(lost) <= 2
    assert all("The local cloud ended" in t["FailureReason"] for t in lost)
    assert job["TrainingJobStatusCounters"]["RetryableError"] == len(lost)
    done = [value(t) for t in after.values() if t["TrainingJobStatus"] == "Completed"]
    assert value(job["BestTrainingJob"]) == max(done)
    assert describe(sagemaker, "stopping")["HyperParameterTuningJobStatus"] in (
        "InProgress",
        "Stopping",
    )
    sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopping")
    assert tuning_ends(sagemaker, "stopping")["HyperParameterTuningJobStatus"] == "Stopped"


def test_a_job_that_was_being_stopped_is_stopped_after_a_restart(
    s3_url: str, tmp_path: Path
) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        sagemaker.api.create_hyper_parameter_tuning_job(
            **request(sagemaker, "stopping", jobs=8, static={"mode": "waiting"})
        )
        wait_until(lambda: len(trials(sagemaker, "stopping")) == 2, "two trials run")
        sagemaker.stop()
        sagemaker.start()
        sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopping")
        job = tuning_ends(sagemaker, "stopping")
        assert job["HyperParameterTuningJobStatus"] == "Stopped"
        assert job["TrainingJobStatusCounters"]["RetryableError"] == 2
