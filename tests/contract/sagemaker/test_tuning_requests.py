"""Which requests for tuning jobs are refused, and in which words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, Account
from .conftest import Running
from .tuning import DEPTH, KIND, X, definition, describe, request, trials, tune

GRID = {"Strategy": "Grid"}
HYPERBAND = {"Strategy": "Hyperband"}
CATEGORIES = {"CategoricalParameterRanges": [KIND]}


def refused(sagemaker: Account, asked: dict[str, Any]) -> tuple[str, str]:
    """The code and the message with which a request is refused."""
    with pytest.raises(ClientError) as caught:
        sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def continuous(**changes: str) -> dict[str, Any]:
    return {"ranges": {"ContinuousParameterRanges": [{**X, **changes}]}}


def integer(**changes: str) -> dict[str, Any]:
    return {"ranges": {"IntegerParameterRanges": [{**DEPTH, **changes}]}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (continuous(MinValue="0", ScalingType="Logarithmic"), "greater than 0"),
        (continuous(MaxValue="1", ScalingType="ReverseLogarithmic"), "0 <= x < 1.0"),
        (integer(ScalingType="ReverseLogarithmic"), "continuous hyperparameters alone"),
        (continuous(MinValue="2"), "greater than its MaxValue"),
        (continuous(MinValue="a few"), "must be numbers"),
        (continuous(MaxValue="inf"), "must be numbers"),
        (integer(MinValue="1.5"), "must be integers"),
        ({"ranges": {"ContinuousParameterRanges": [X, X]}}, "more than one range"),
        ({"static": {"x": "1"}}, "both static and tunable"),
        ({"ranges": {"ContinuousParameterRanges": []}}, "At least one hyperparameter range"),
        (
            {"ranges": CATEGORIES, "jobs": 10},
            r"combinations for the provided ranges \[2.0\] must be equal or greater than the "
            r"value of MaxNumberOfJobs, \[10\]. Provide additional ranges.",
        ),
        ({"config": GRID}, "categorical hyperparameters alone"),
        ({"config": GRID, "ranges": CATEGORIES, "jobs": 3}, "number of combinations .* 2"),
        ({"config": HYPERBAND, "static": {"a": "1"}}, "needs MaxResource"),
        ({"config": HYPERBAND, "static": {"epochs": "20001"}}, "20000"),
        (
            {"config": {**HYPERBAND, "TrainingJobEarlyStoppingType": "Auto"}},
            "must be Off with the strategy Hyperband",
        ),
        (
            {"config": {"StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 3}}}},
            "for the strategy Hyperband alone",
        ),
        ({"jobs": None}, "it would never end"),
        ({"Autotune": {"Mode": "Enabled"}}, "Autotune is not supported by the local cloud"),
        ({"limits": {"MaxRuntimeInSeconds": 15768001}}, "less than or equal to 15768000"),
    ],
)
def test_what_cannot_be_is_refused(sagemaker: Account, changes: dict[str, Any], words: str) -> None:
    code, message = refused(sagemaker, request(sagemaker, "refused", **changes))
    assert code == "ValidationException"
    assert re.search(words, message), message


def test_objective_needs_a_metric_definition(sagemaker: Account) -> None:
    asked = request(sagemaker, "no-metric")
    asked["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = []
    assert refused(sagemaker, asked) == (
        "ValidationException",
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in "
        "the metric definitions.",
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("VpcConfig", {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}),
        ("EnableNetworkIsolation", True),
        ("OutputDataConfig", {"S3OutputPath": "s3://some/where", "CompressionType": "NONE"}),
    ],
)
def test_what_training_jobs_do_not_have_here_is_refused_before_the_first_trial(
    sagemaker: Running, member: str, value: Any
) -> None:
    asked = request(sagemaker, "not-here")
    asked["TrainingJobDefinition"][member] = value
    code, message = refused(sagemaker, asked)
    assert code == "ValidationException"
    assert "not supported by the local cloud" in message
    assert sagemaker.api.list_training_jobs(NameContains="not-here")["TrainingJobSummaries"] == []


def test_a_definition_is_needed(sagemaker: Account) -> None:
    asked = request(sagemaker, "no-definition")
    del asked["TrainingJobDefinition"]
    assert "Exactly one of TrainingJobDefinition" in refused(sagemaker, asked)[1]
    asked["TrainingJobDefinitions"] = [definition(sagemaker), definition(sagemaker)]
    assert "DefinitionName" in refused(sagemaker, asked)[1]


@pytest.mark.parametrize(("parallel", "jobs"), [(101, 500), (2, 751)])
def test_quotas(sagemaker: Account, parallel: int, jobs: int) -> None:
    asked = request(sagemaker, "too-many", parallel=parallel, jobs=jobs)
    assert refused(sagemaker, asked)[0] == "ResourceLimitExceeded"


@pytest.mark.parametrize("name", ["-a", "a_b", "a" * 33])
def test_names_have_letters_digits_hyphens_and_at_most_32_of_them(
    sagemaker: Account, name: str
) -> None:
    code, message = refused(sagemaker, request(sagemaker, name))
    assert code == "ValidationException"
    assert "hyperParameterTuningJobName" in message


def test_names_are_unique_in_any_case(sagemaker: Account) -> None:
    tune(sagemaker, "x" * 24, jobs=1)
    (trial,) = trials(sagemaker, "x" * 24)
    assert trial["TrainingJobName"].startswith("x" * 24 + "-001-")
    code, message = refused(sagemaker, request(sagemaker, "X" * 24))
    assert code == "ResourceInUse"
    assert message.endswith("already exists. Choose a different name.")


def test_a_tuning_job_that_is_not_there(sagemaker: Account) -> None:
    api, name = sagemaker.api, {"HyperParameterTuningJobName": "never"}
    for call in (
        api.describe_hyper_parameter_tuning_job,
        api.stop_hyper_parameter_tuning_job,
        api.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        with pytest.raises(api.exceptions.ResourceNotFound, match="can't find a tuning job called"):
            call(**name)


def test_a_tuning_job_that_has_ended_cannot_be_stopped(sagemaker: Account) -> None:
    tune(sagemaker, "over", jobs=1)
    with pytest.raises(ClientError, match="in status Completed"):
        sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="over")


def warm(sagemaker: Account, parent: str = "parent", **changes: Any) -> dict[str, Any]:
    config = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    return request(sagemaker, "child", WarmStartConfig=config, **changes)


def test_what_a_warm_start_may_not_change(sagemaker: Account) -> None:
    tune(sagemaker, "parent", jobs=1, static={"colour": "red", "epochs": "1"})
    same = {"colour": "red", "epochs": "1"}
    assert "never" in refused(sagemaker, warm(sagemaker, "never"))[1]
    assert refused(sagemaker, warm(sagemaker, static={"epochs": "1"}))[1].startswith(
        "The set of tunable plus static HyperParameter names is not the same across current and "
        "parent tuning jobs."
    )
    retyped = {"CategoricalParameterRanges": [{"Name": "x", "Values": list("12345")}]}
    message = refused(sagemaker, warm(sagemaker, static=same, ranges=retyped))[1]
    assert "The type of the hyperparameter x must not change" in message
    other = {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "score"}}
    message = refused(sagemaker, warm(sagemaker, static=same, config=other))[1]
    assert "objective metric must be the same" in message
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{sagemaker.bucket}/d/"}}
    asked = warm(sagemaker, static=same)
    asked["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": data}
    ]
    assert "InputDataConfig" in refused(sagemaker, asked)[1]
    grid: dict[str, Any] = {
        "ranges": {"CategoricalParameterRanges": [KIND]},
        "jobs": None,
        "config": GRID,
    }
    assert "Bayesian or Random" in refused(sagemaker, warm(sagemaker, static=same, **grid))[1]


def test_the_parent_of_a_warm_start_must_have_ended(sagemaker: Account) -> None:
    asked = request(sagemaker, "running", static={"mode": "waiting"})
    sagemaker.api.create_hyper_parameter_tuning_job(**asked)
    message = refused(sagemaker, warm(sagemaker, "running", static={"mode": "waiting"}))[1]
    assert "status InProgress" in message
    with pytest.raises(ClientError, match="in status InProgress"):
        sagemaker.api.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="running")
    sagemaker.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="running")


def test_iam_is_asked_for_the_job_its_tags_and_the_role_of_its_trials(sagemaker: Running) -> None:
    tune(sagemaker, "asked", jobs=1, Tags=[{"Key": "a", "Value": "b"}])
    arn = describe(sagemaker, "asked")["HyperParameterTuningJobArn"]
    asked = [(action, resource) for action, resource, _ in sagemaker.access.asked]
    assert ("sagemaker:CreateHyperParameterTuningJob", arn) in asked
    assert ("sagemaker:AddTags", arn) in asked
    assert ("iam:PassRole", ROLE) in asked
    sagemaker.access.denied.append(("iam:PassRole", "*"))
    try:
        code, message = refused(sagemaker, request(sagemaker, "denied"))
    finally:
        sagemaker.access.denied.clear()
    assert code == "AccessDeniedException"
    assert "iam:PassRole" in message
