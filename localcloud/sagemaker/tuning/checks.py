"""What a request for a tuning job must keep to beyond the service model."""

from __future__ import annotations

import math
from typing import Any

from localcloud.sagemaker import training
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ResourceLimitExceeded, ValidationException
from localcloud.sagemaker.tuning import warm_start
from localcloud.sagemaker.tuning.plan import MOST_TRIALS, Definition, Plan, given_definitions, plan
from localcloud.sagemaker.tuning.ranges import Categorical

_MOST_PARALLEL = 100  # the quota may be raised to this; a new account has 10
_MOST_RANGES = 30
_MOST_HYPERPARAMETERS = 100
_MOST_EPOCHS = 20_000


def check(cloud: Cloud, request: dict[str, Any]) -> None:
    """Raises ValidationException or ResourceLimitExceeded."""
    config = request["HyperParameterTuningJobConfig"]
    _check_definitions(request)
    wanted = plan(request)
    if len({definition.maximize for definition in wanted.definitions}) > 1:
        raise ValidationException("The Type of every TuningObjective must be the same.")
    _check_limits(config, wanted)
    for definition in wanted.definitions:
        _check_definition(definition)
    _check_strategy(config, wanted)
    warm_start.check(cloud, request, wanted)


def _check_definitions(request: dict[str, Any]) -> None:
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise ValidationException(
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be given."
        )
    config = request["HyperParameterTuningJobConfig"]
    several = "TrainingJobDefinitions" in request
    names = [given.get("DefinitionName") for given in given_definitions(request)]
    if several and (None in names or len(names) != len(set(names))):
        raise ValidationException(
            "Every one of TrainingJobDefinitions needs a DefinitionName of its own."
        )
    for given in given_definitions(request):
        if "TuningObjective" not in given and (
            several or "HyperParameterTuningJobObjective" not in config
        ):
            raise ValidationException("An objective is required for the hyperparameter tuning job.")
    for name in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if several and config.get(name):
            raise ValidationException(
                f"{name} belongs into each of TrainingJobDefinitions when there are several."
            )


def _check_limits(config: dict[str, Any], wanted: Plan) -> None:
    limits = config["ResourceLimits"]
    if wanted.parallel > _MOST_PARALLEL:
        raise _exceeded("parallel training jobs", _MOST_PARALLEL, wanted.parallel)
    jobs = limits.get("MaxNumberOfTrainingJobs", 1)
    if jobs > MOST_TRIALS:
        raise _exceeded("training jobs", MOST_TRIALS, jobs)
    criteria = config.get("TuningJobCompletionCriteria")
    if (
        config["Strategy"] != "Grid"
        and "MaxNumberOfTrainingJobs" not in limits
        and "MaxRuntimeInSeconds" not in limits
        and not criteria
    ):
        raise ValidationException(
            "ResourceLimits needs MaxNumberOfTrainingJobs or MaxRuntimeInSeconds, or the tuning "
            "job TuningJobCompletionCriteria: it would never end."
        )


def _check_definition(definition: Definition) -> None:
    request = definition.request
    if ("ResourceConfig" in request) == ("HyperParameterTuningResourceConfig" in request):
        raise ValidationException(
            "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig must be given."
        )
    metrics = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    if definition.metric not in [metric["Name"] for metric in metrics]:
        raise ValidationException(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric "
            "in the metric definitions."
        )
    tuned = definition.space.kinds
    if not tuned:
        raise ValidationException("At least one hyperparameter range is required.")
    if len(tuned) > _MOST_RANGES:
        raise ValidationException(f"At most {_MOST_RANGES} hyperparameters can be searched.")
    if both := sorted({*tuned} & {*definition.static}):
        raise ValidationException(f"The hyperparameter {both[0]} is both static and tunable.")
    if len(tuned) + len(definition.static) + 1 > _MOST_HYPERPARAMETERS:
        raise ValidationException(
            f"At most {_MOST_HYPERPARAMETERS} hyperparameters are possible, static and tunable and "
            "the name of the objective metric together."
        )
    training.check(definition.trial_request("trial", {}))


def _check_strategy(config: dict[str, Any], wanted: Plan) -> None:
    if "StrategyConfig" in config and wanted.strategy != "Hyperband":
        raise ValidationException("StrategyConfig is for the strategy Hyperband alone.")
    if wanted.strategy == "Grid":
        _check_grid(config, wanted)
    else:
        _check_combinations(config, wanted)
    if wanted.strategy == "Hyperband":
        _check_hyperband(wanted)


def _check_grid(config: dict[str, Any], wanted: Plan) -> None:
    if not all(isinstance(r, Categorical) for d in wanted.definitions for r in d.space.ranges):
        raise ValidationException("The strategy Grid supports categorical hyperparameters alone.")
    count = sum(int(d.space.count) for d in wanted.definitions)
    given = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", count)
    if given != count:
        raise ValidationException(
            f"MaxNumberOfTrainingJobs is {given}: with the strategy Grid it must be left out or "
            f"equal the number of combinations of the categorical values, {count}."
        )
    if count > MOST_TRIALS:
        raise _exceeded("training jobs", MOST_TRIALS, count)


def _check_combinations(config: dict[str, Any], wanted: Plan) -> None:
    jobs = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1)
    each = math.ceil(jobs / len(wanted.definitions))
    for definition in wanted.definitions:
        if definition.space.count < each:
            raise ValidationException(
                "You don't have enough combinations of hyperparameter ranges. The total number of "
                "hyperparameter combinations for the provided ranges "
                f"[{float(definition.space.count)}] must be equal or greater than the value of "
                f"MaxNumberOfJobs, [{jobs}]. Provide additional ranges."
            )


def _check_hyperband(wanted: Plan) -> None:
    if wanted.early_stopping:
        raise ValidationException(
            "TrainingJobEarlyStoppingType must be Off with the strategy Hyperband, which stops "
            "training jobs by itself."
        )
    for definition in wanted.definitions:
        band = definition.hyperband
        if band is None:
            raise ValidationException(
                "The strategy Hyperband needs MaxResource, in HyperbandStrategyConfig or as one of "
                "the static hyperparameters epochs, numepochs, n-epochs, n_epochs, num_epochs."
            )
        if band.most > _MOST_EPOCHS:
            raise ValidationException(f"MaxResource must not be greater than {_MOST_EPOCHS}.")
        if band.least > band.most:
            raise ValidationException("MinResource must not be greater than MaxResource.")


def _exceeded(what: str, limit: int, asked: int) -> ResourceLimitExceeded:
    return ResourceLimitExceeded(
        f"The account-level service limit 'Maximum number of {what} per hyperparameter tuning job' "
        f"is {limit}, with a request of {asked}. Please use AWS Service Quotas to request an "
        "increase for this quota."
    )
