"""Tuning jobs run their trials for real, and find better values than they began with."""

from __future__ import annotations

import re
from typing import Any

import pytest

from localcloud.sagemaker.clock import SystemClock

from .account import Account, wait_until
from .conftest import Running
from .tuning import DEPTH, KIND, X, describe, request, trials, tune, tuning_ends, value


@pytest.fixture(scope="module")
def ten(sagemaker: Account) -> dict[str, Any]:
    """A Bayesian tuning job of ten trials that has ended."""
    return tune(
        sagemaker,
        "ten",
        jobs=10,
        parallel=2,
        ranges={"ContinuousParameterRanges": [X], "IntegerParameterRanges": [DEPTH]},
        config={"Strategy": "Bayesian", "RandomSeed": 7},
        Tags=[{"Key": "team", "Value": "vision"}],
    )


def test_ten_bayesian_trials_find_a_better_value_than_the_first_ones(
    sagemaker: Account, ten: dict[str, Any]
) -> None:
    assert ten["HyperParameterTuningJobStatus"] == "Completed"
    found = trials(sagemaker, "ten", SortBy="CreationTime")
    first, later = found[:5], found[5:]
    assert max(map(value, later)) > max(map(value, first))
    assert value(ten["BestTrainingJob"]) == max(map(value, found))
    assert value(ten["BestTrainingJob"]) > 0.95


def test_trials_are_training_jobs_with_static_and_tuned_hyperparameters_as_text(
    sagemaker: Account, ten: dict[str, Any]
) -> None:
    for number, trial in enumerate(trials(sagemaker, "ten"), 1):
        assert re.fullmatch(rf"ten-{number:03d}-[0-9a-f]{{8}}", trial["TrainingJobName"])
        job = sagemaker.api.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        assert job["TuningJobArn"] == ten["HyperParameterTuningJobArn"]
        tuned = trial["TunedHyperParameters"]
        assert set(tuned) == {"x", "depth"}
        assert 0 <= float(tuned["x"]) <= 1
        assert int(tuned["depth"]) in range(1, 10)
        assert job["HyperParameters"] == {
            "epochs": "1",
            "_tuning_objective_metric": "score",
            **tuned,
        }
        (metric,) = job["FinalMetricDataList"]
        assert metric["Value"] == pytest.approx(
            1 - (float(tuned["x"]) - 0.7) ** 2 - (int(tuned["depth"]) - 4) ** 2 / 100, abs=1e-6
        )
        assert metric["Value"] == value(trial)
        tags = sagemaker.api.list_tags(ResourceArn=trial["TrainingJobArn"])["Tags"]
        assert {"Key": "team", "Value": "vision"} in tags
        assert sagemaker.keys(f"tuned/{trial['TrainingJobName']}/")


def test_no_more_trials_run_at_once_than_allowed(sagemaker: Account, ten: dict[str, Any]) -> None:
    found = trials(sagemaker, "ten")
    for trial in found:
        at_once = [
            other
            for other in found
            if other["CreationTime"] <= trial["CreationTime"] < other["TrainingEndTime"]
        ]
        assert len(at_once) <= 2
    assert len(found) == 10


def test_describe_tells_what_was_asked_and_what_came_of_it(
    sagemaker: Account, ten: dict[str, Any]
) -> None:
    config = ten["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert config["RandomSeed"] == 7
    static = ten["TrainingJobDefinition"]["StaticHyperParameters"]
    assert static == {"epochs": "1", "_tuning_objective_metric": "score"}
    assert ten["TrainingJobStatusCounters"] == {
        "Completed": 10,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert ten["ObjectiveStatusCounters"] == {"Succeeded": 10, "Pending": 0, "Failed": 0}
    best = ten["BestTrainingJob"]
    assert best["TuningJobName"] == "ten"
    assert best["ObjectiveStatus"] == "Succeeded"
    assert best["TrainingJobStatus"] == "Completed"
    assert ten["CreationTime"] <= best["CreationTime"] <= ten["HyperParameterTuningEndTime"]
    seconds = ten["HyperParameterTuningEndTime"] - ten["CreationTime"]
    assert 0 <= ten["ConsumedResources"]["RuntimeInSeconds"] - seconds.total_seconds() < 1
    assert "OverallBestTrainingJob" not in ten
    assert "FailureReason" not in ten


def test_trials_are_listed_by_their_objective(sagemaker: Account, ten: dict[str, Any]) -> None:
    how = {"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending"}
    found = trials(sagemaker, "ten", PaginationConfig={"PageSize": 4}, **how)
    values = [value(trial) for trial in found]
    assert len(values) == 10
    assert values == sorted(values, reverse=True)
    assert found[0]["TrainingJobName"] == ten["BestTrainingJob"]["TrainingJobName"]
    assert trials(sagemaker, "ten", StatusEquals="Failed") == []


def test_tuning_jobs_are_listed(sagemaker: Account, ten: dict[str, Any]) -> None:
    tune(sagemaker, "zz-listed", jobs=1)
    found = sagemaker.api.list_hyper_parameter_tuning_jobs(MaxResults=1, StatusEquals="Completed")
    (first,) = found["HyperParameterTuningJobSummaries"]
    assert first["HyperParameterTuningJobName"] == "ten"
    assert first["Strategy"] == "Bayesian"
    assert first["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 10
    assert first["TrainingJobStatusCounters"]["Completed"] == 10
    assert first["HyperParameterTuningEndTime"] == ten["HyperParameterTuningEndTime"]
    rest = sagemaker.api.list_hyper_parameter_tuning_jobs(
        MaxResults=1, StatusEquals="Completed", NextToken=found["NextToken"]
    )
    (second,) = rest["HyperParameterTuningJobSummaries"]
    assert second["HyperParameterTuningJobName"] == "zz-listed"
    assert "NextToken" not in rest


def test_the_same_seed_gives_the_same_values(sagemaker: Account) -> None:
    tuned = []
    for name in ("seeded-a", "seeded-b"):
        ranges = {"ContinuousParameterRanges": [X], "CategoricalParameterRanges": [KIND]}
        tune(sagemaker, name, jobs=3, parallel=3, ranges=ranges, config={"RandomSeed": 3})
        tuned.append([t["TunedHyperParameters"] for t in trials(sagemaker, name)])
    assert tuned[0] == tuned[1]
    assert len({t["x"] for t in tuned[0]}) == 3


def test_a_trial_that_never_prints_the_objective_fails_it(sagemaker: Account) -> None:
    job = tune(sagemaker, "mute", jobs=2, static={"mode": "mute"})
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No objective metrics found after running 2 training")
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 2}
    assert "BestTrainingJob" not in job
    found = trials(sagemaker, "mute")
    assert [trial["ObjectiveStatus"] for trial in found] == ["Failed", "Failed"]
    assert trials(sagemaker, "mute", SortBy="FinalObjectiveMetricValue") == []


def test_five_failures_at_the_start_end_the_job(sagemaker: Account) -> None:
    job = tune(sagemaker, "failing", jobs=20, parallel=1, static={"mode": "failing"})
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts. ")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5
    found = trials(sagemaker, "failing")
    assert len(found) == 5
    assert found[0]["FailureReason"] == "AlgorithmError: no luck, exit code: 1"


def test_a_failed_trial_among_others_does_not_end_the_job(sagemaker: Account) -> None:
    job = tune(
        sagemaker, "some-fail", jobs=8, config={"RandomSeed": 1}, static={"fail_below": "0.9"}
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(job["TrainingJobStatusCounters"].values()) == 8
    failed = trials(sagemaker, "some-fail", StatusEquals="Failed")
    assert 1 <= len(failed) == job["ObjectiveStatusCounters"]["Failed"]
    assert len(failed) == job["TrainingJobStatusCounters"]["NonRetryableError"]
    assert {trial["ObjectiveStatus"] for trial in failed} == {"Failed"}  # though they printed it
    assert value(job["BestTrainingJob"]) >= 0.9


def test_stop_stops_the_trials_too(sagemaker: Account) -> None:
    asked = request(sagemaker, "stopped", jobs=10, static={"mode": "waiting"})
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    wait_until(lambda: len(trials(sagemaker, "stopped")) == 2, "two trials run")
    counters = describe(sagemaker, "stopped")["ObjectiveStatusCounters"]
    assert counters == {"Succeeded": 0, "Pending": 2, "Failed": 0}
    sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    job = tuning_ends(sagemaker, "stopped")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    found = trials(sagemaker, "stopped")
    assert [trial["TrainingJobStatus"] for trial in found] == ["Stopped", "Stopped"]


def test_delete_leaves_the_training_jobs(sagemaker: Account) -> None:
    tune(sagemaker, "deleted", jobs=1)
    (trial,) = trials(sagemaker, "deleted")
    sagemaker.api.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="deleted")
    with pytest.raises(sagemaker.api.exceptions.ResourceNotFound):
        describe(sagemaker, "deleted")
    job = sagemaker.api.describe_training_job(TrainingJobName=trial["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed"


def test_later_tags_go_to_later_trials(sagemaker: Account) -> None:
    asked = request(sagemaker, "tagged", jobs=3, parallel=2, static={"mode": "waiting"})
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    first = wait_until(lambda: trials(sagemaker, "tagged")[1:], "two trials run")
    arn = describe(sagemaker, "tagged")["HyperParameterTuningJobArn"]
    sagemaker.api.add_tags(ResourceArn=arn, Tags=[{"Key": "late", "Value": "yes"}])
    sagemaker.api.stop_training_job(TrainingJobName=first[0]["TrainingJobName"])
    third = wait_until(lambda: trials(sagemaker, "tagged")[2:], "a third one")[0]
    assert [
        sagemaker.api.list_tags(ResourceArn=trial["TrainingJobArn"])["Tags"]
        for trial in (first[0], third)
    ] == [[], [{"Key": "late", "Value": "yes"}]]
    sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tagged")


class _Later(SystemClock):
    """The machine's clock, put forward by `by` seconds."""

    by = 0.0

    def now(self) -> float:
        return super().now() + self.by


def test_max_runtime_completes_the_job_and_stops_its_trials(
    sagemaker: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Later()
    monkeypatch.setattr(sagemaker.cloud, "clock", clock)
    asked = request(
        sagemaker,
        "too-long",
        jobs=10,
        parallel=1,
        limits={"MaxRuntimeInSeconds": 120},
        static={"epochs": "100", "slow_below": "2"},
    )
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    (trial,) = wait_until(lambda: trials(sagemaker, "too-long"), "a trial runs")
    clock.by = 121.0
    job = tuning_ends(sagemaker, "too-long")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 120
    assert [t["TrainingJobName"] for t in trials(sagemaker, "too-long")] == [
        trial["TrainingJobName"]
    ]


def test_events_tell_the_states(sagemaker: Running) -> None:
    tune(sagemaker, "told", jobs=1, Tags=[{"Key": "a", "Value": "b"}])
    told = sagemaker.events.told(
        {"HyperParameterTuningJobStatus": "Completed"},
        "SageMaker HyperParameter Tuning Job State Change",
        HyperParameterTuningJobName="told",
    )
    assert [d["HyperParameterTuningJobStatus"] for d in told] == ["InProgress", "Completed"]
    assert told[-1]["TrainingJobStatusCounters"]["Completed"] == 1
    assert told[-1]["ObjectiveStatusCounters"]["Succeeded"] == 1
    assert told[-1]["TrainingJobDefinition"]["AlgorithmSpecification"]
    assert told[-1]["CreationTime"].isdigit()
    assert told[-1]["Tags"] == {"a": "b"}
    assert "BestTrainingJob" not in told[-1]
