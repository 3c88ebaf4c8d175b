"""Warm start: what a tuning job takes over from its parents, and what it may not change.

Source: developer guide, "Run a Warm Start Hyperparameter Tuning Job". A parent's own parents are
not asked. Parents' trials whose values lie outside the new ranges are left out. How SageMaker
weighs parents' results in a TransferLearning job is not documented; we take them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.tuning.plan import MOST_TRIALS, Definition, Plan, plan
from localcloud.sagemaker.tuning.ranges import Categorical
from localcloud.sagemaker.tuning.search import Observation
from localcloud.sagemaker.tuning.trials import Trial, trials_of

_MOST_CHANGES = 10
_ENDED = ("Completed", "Stopped", "Failed")


def parents_of(cloud: Cloud, request: dict[str, Any]) -> list[Trial]:
    """The trials of all parents that a request names; of parents that were deleted, none."""
    found = []
    for parent in _parents(cloud, request):
        if parent is not None:
            found += trials_of(cloud, parent, plan(parent.request))
    return found


def translated(trials: Sequence[Trial], definition: Definition) -> list[Observation]:
    """Parents' trials as trials of this definition: with the values of what is tunable now."""
    found = []
    for trial in trials:
        known = {**trial.definition.static, **trial.values}
        names = [r.name for r in definition.space.ranges]
        if trial.result is not None and all(name in known for name in names):
            found.append(Observation({name: known[name] for name in names}, trial.result))
    return found


def check(cloud: Cloud, request: dict[str, Any], wanted: Plan) -> None:
    """Raises ValidationException where a request and its parents do not go together."""
    config = request.get("WarmStartConfig")
    if config is None:
        return
    if wanted.strategy not in ("Bayesian", "Random"):
        raise ValidationException("Warm start needs the strategy Bayesian or Random.")
    if len(wanted.definitions) != 1:
        raise ValidationException("Warm start needs a single training job definition.")
    trials = 0
    named = config["ParentHyperParameterTuningJobs"]
    for given, parent in zip(named, _parents(cloud, request), strict=True):
        name = given.get("HyperParameterTuningJobName")
        if parent is None:
            raise ValidationException(f"The parent tuning job {name} does not exist.")
        if parent.status not in _ENDED:
            raise ValidationException(
                f"The parent tuning job {name} is in status {parent.status}: it must be Completed, "
                "Stopped or Failed."
            )
        before = plan(parent.request)
        if len(before.definitions) != 1:
            raise ValidationException(
                f"The parent tuning job {name} has several training job definitions."
            )
        _check_parent(wanted.definitions[0], before.definitions[0])
        if config["WarmStartType"] == "IdenticalDataAndAlgorithm":
            _check_identical(wanted.definitions[0], before.definitions[0])
        trials += len(trials_of(cloud, parent, before))
    if trials + wanted.most > MOST_TRIALS:
        raise ValidationException(
            f"The training jobs of the parent tuning jobs count too: {trials} and {wanted.most} "
            f"are more than {MOST_TRIALS}."
        )


def _parents(cloud: Cloud, request: dict[str, Any]) -> list[Resource | None]:
    given = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
    return [
        cloud.store.get(Kind.TUNING_JOB, parent.get("HyperParameterTuningJobName", ""))
        for parent in given
    ]


def _check_parent(now: Definition, before: Definition) -> None:
    if (now.metric, now.maximize) != (before.metric, before.maximize):
        raise ValidationException(
            "The objective metric must be the same as in all parent tuning jobs."
        )
    if {*now.static, *now.space.kinds} != {*before.static, *before.space.kinds}:
        raise ValidationException(
            "The set of tunable plus static HyperParameter names is not the same across current "
            "and parent tuning jobs. Please ensure this set is constant when warm starting. Note "
            "that previously static HyperParameters can be tuned in warm start jobs and vice versa."
        )
    for name, kind in now.space.kinds.items():
        if before.space.kinds.get(name, kind) != kind:
            raise ValidationException(
                f"The type of the hyperparameter {name} must not change between parent tuning jobs "
                "and the new one."
            )
    if (changes := _changes(now, before)) > _MOST_CHANGES:
        raise ValidationException(
            "The number of hyperparameters that were tunable and are static now, plus the number "
            f"of changed static values, is {changes}: it must not be more than {_MOST_CHANGES}."
        )


def _changes(now: Definition, before: Definition) -> int:
    """As the developer guide counts them: each value of a categorical hyperparameter counts, so
    that another static word is two changes, another number one.
    """
    count = 0
    ranges = {r.name: r for r in before.space.ranges}
    for name, value in now.static.items():
        if name in ranges:
            was = ranges[name]
            count += len(was.values) if isinstance(was, Categorical) else 1
        elif before.static[name] != value:
            count += 1 if _is_number(value) and _is_number(before.static[name]) else 2
    return count


def _check_identical(now: Definition, before: Definition) -> None:
    for part in ("InputDataConfig", "AlgorithmSpecification"):
        if now.request.get(part) != before.request.get(part):
            raise ValidationException(
                f"TrainingJobDefinition.{part} must be that of the parent tuning jobs when the "
                "WarmStartType is IdenticalDataAndAlgorithm."
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
