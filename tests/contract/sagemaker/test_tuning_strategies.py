"""Grid, Hyperband, early stopping, criteria of completion, several definitions."""

from __future__ import annotations

import pytest

from .account import Account
from .tuning import DEPTH, KIND, X, definition, request, trials, tune, tuning_ends, value

COLOURS = {"Name": "colour", "Values": ["red", "green", "blue"]}
GRID = {"CategoricalParameterRanges": [KIND, COLOURS]}


def test_grid_tries_every_combination_once(sagemaker: Account) -> None:
    job = tune(sagemaker, "grid", jobs=None, parallel=3, ranges=GRID, config={"Strategy": "Grid"})
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    tried = [tuple(sorted(t["TunedHyperParameters"].items())) for t in trials(sagemaker, "grid")]
    assert len(tried) == len(set(tried)) == 6
    assert value(job["BestTrainingJob"]) == 1.0


def test_random_uses_up_a_small_space(sagemaker: Account) -> None:
    tune(sagemaker, "used-up", jobs=6, parallel=3, ranges=GRID)
    tried = [tuple(sorted(t["TunedHyperParameters"].items())) for t in trials(sagemaker, "used-up")]
    assert len(set(tried)) == 6


def test_hyperband_stops_bad_trials_at_their_rung(sagemaker: Account) -> None:
    job = tune(
        sagemaker,
        "hyperband",
        jobs=6,
        parallel=1,
        config={"Strategy": "Hyperband", "RandomSeed": 2},
        static={"epochs": "2", "slow_below": "0.99"},
    )
    found = trials(sagemaker, "hyperband")
    stopped = [trial for trial in found if trial["TrainingJobStatus"] == "Stopped"]
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert stopped
    assert all(trial["ObjectiveStatus"] == "Succeeded" for trial in stopped)
    assert job["BestTrainingJob"]["TrainingJobStatus"] == "Completed"
    assert value(job["BestTrainingJob"]) > max(map(value, stopped))


def test_early_stopping_ends_trials_below_the_median(sagemaker: Account) -> None:
    job = tune(
        sagemaker,
        "early",
        jobs=None,
        parallel=1,
        ranges={"CategoricalParameterRanges": [{"Name": "depth", "Values": list("4235678")}]},
        config={"Strategy": "Grid", "TrainingJobEarlyStoppingType": "Auto"},
        static={"epochs": "4", "slow_below": "0.95"},
    )
    by_depth = {
        trial["TunedHyperParameters"]["depth"]: trial["TrainingJobStatus"]
        for trial in trials(sagemaker, "early")
    }
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert by_depth["4"] == "Completed"
    assert by_depth["8"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] >= 1


def test_target_objective_completes_the_job(sagemaker: Account) -> None:
    job = tune(
        sagemaker,
        "target",
        jobs=50,
        parallel=2,
        config={
            "RandomSeed": 1,
            "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.9},
        },
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert value(job["BestTrainingJob"]) >= 0.9
    assert sum(job["TrainingJobStatusCounters"].values()) < 50


def test_no_improvement_completes_the_job(sagemaker: Account) -> None:
    job = tune(
        sagemaker,
        "stalled",
        jobs=None,
        parallel=1,
        ranges={"ContinuousParameterRanges": [{**X, "Name": "unused"}]},
        config={
            "TuningJobCompletionCriteria": {
                "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}
            }
        },
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    details = job["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == 3


def test_several_definitions_take_turns_with_ranges_and_static_values_of_their_own(
    sagemaker: Account,
) -> None:
    asked = request(sagemaker, "several", jobs=4, parallel=2)
    config = asked["HyperParameterTuningJobConfig"]
    objective = config.pop("HyperParameterTuningJobObjective")
    del config["ParameterRanges"]
    del asked["TrainingJobDefinition"]
    asked["TrainingJobDefinitions"] = [
        definition(
            sagemaker,
            DefinitionName=name,
            TuningObjective=objective,
            HyperParameterRanges=ranges,
            StaticHyperParameters={"algorithm": name},
        )
        for name, ranges in (
            ("wide", {"ContinuousParameterRanges": [X]}),
            ("deep", {"IntegerParameterRanges": [DEPTH]}),
        )
    ]
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    job = tuning_ends(sagemaker, "several")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(job["TrainingJobDefinitions"]) == 2
    found = trials(sagemaker, "several")
    names = [trial["TrainingJobDefinitionName"] for trial in found]
    assert sorted(names) == ["deep", "deep", "wide", "wide"]
    for trial in found:
        tuned = {"wide": {"x"}, "deep": {"depth"}}[trial["TrainingJobDefinitionName"]]
        assert set(trial["TunedHyperParameters"]) == tuned
        seen = sagemaker.api.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        assert seen["HyperParameters"]["algorithm"] == trial["TrainingJobDefinitionName"]


def test_warm_start_learns_from_its_parents_and_knows_the_best_of_all(sagemaker: Account) -> None:
    parent = tune(sagemaker, "parent", jobs=8, parallel=3, config={"RandomSeed": 5})
    child = tune(
        sagemaker,
        "child",
        jobs=3,
        parallel=1,
        config={"Strategy": "Bayesian", "RandomSeed": 6},
        WarmStartConfig={
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        },
    )
    best = max(value(parent["BestTrainingJob"]), value(child["BestTrainingJob"]))
    assert value(child["OverallBestTrainingJob"]) == best
    assert child["OverallBestTrainingJob"]["TuningJobName"] in ("parent", "child")
    assert child["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    tune(sagemaker, "orphan", jobs=1, config={"Strategy": "Bayesian", "RandomSeed": 6})
    first = [trials(sagemaker, name)[0]["TunedHyperParameters"] for name in ("child", "orphan")]
    assert first[0] != first[1]  # by the same seed, but what the parents found counts


def test_transfer_learning_may_make_a_tuned_hyperparameter_static(sagemaker: Account) -> None:
    both = {"ContinuousParameterRanges": [X], "IntegerParameterRanges": [DEPTH]}
    tune(sagemaker, "donor", jobs=3, parallel=3, ranges=both)
    job = tune(
        sagemaker,
        "heir",
        jobs=2,
        ranges={"ContinuousParameterRanges": [X]},
        static={"epochs": "1", "depth": "4"},
        config={"Strategy": "Bayesian"},
        WarmStartConfig={
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "donor"}],
            "WarmStartType": "TransferLearning",
        },
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert "OverallBestTrainingJob" not in job


@pytest.mark.parametrize("kind", ["Bayesian", "Random"])
def test_integers_and_categories_are_searched_together(sagemaker: Account, kind: str) -> None:
    ranges = {"IntegerParameterRanges": [DEPTH], "CategoricalParameterRanges": [KIND]}
    name = f"mixed-{kind.lower()}"
    job = tune(
        sagemaker,
        name,
        jobs=6,
        parallel=3,
        ranges=ranges,
        config={"Strategy": kind, "RandomSeed": 1},
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    tried = [tuple(sorted(t["TunedHyperParameters"].items())) for t in trials(sagemaker, name)]
    assert len(set(tried)) == 6
