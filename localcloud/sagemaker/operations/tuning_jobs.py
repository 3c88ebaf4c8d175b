"""CreateHyperParameterTuningJob, DescribeHyperParameterTuningJob, ListHyperParameterTuningJobs,
ListTrainingJobsForHyperParameterTuningJob, StopHyperParameterTuningJob,
DeleteHyperParameterTuningJob.
"""

from __future__ import annotations

import math
import secrets
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ResourceInUse, ResourceNotFound, ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.state_changes import publish_tuning_job
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.tuning import checks, runner
from localcloud.sagemaker.tuning.plan import OBJECTIVE, given_definitions, plan
from localcloud.sagemaker.tuning.trials import Trial, best, counters, trials_of
from localcloud.sagemaker.tuning.warm_start import parents_of


def create(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    name = request["HyperParameterTuningJobName"]
    if any(job.name.lower() == name.lower() for job in cloud.store.all(Kind.TUNING_JOB)):
        raise _taken(name)
    checks.check(cloud, request)
    for definition in given_definitions(request):
        cloud.roles.check_assumable(definition["RoleArn"])
    config = request["HyperParameterTuningJobConfig"]
    seed = config.get("RandomSeed", secrets.randbelow(2**31))
    job = cloud.create(
        Kind.TUNING_JOB,
        name,
        _with_defaults(request),
        lambda _: _taken(name),
        status="InProgress",
        state={"_id": secrets.token_hex(8), "_seed": seed},
    )
    publish_tuning_job(cloud, job, counters([]))
    cloud.tuning.start(job.name)
    return {"HyperParameterTuningJobArn": job.arn}


def describe(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    job = _get(cloud, request)
    trials = trials_of(cloud, job, plan(job.request))
    ended = sorted((trial for trial in trials if trial.ended), key=lambda trial: trial.end)
    end = job.state.get("HyperParameterTuningEndTime", cloud.clock.now())
    details = {
        "NumberOfTrainingJobsObjectiveNotImproving": runner.progress_of(ended).stalled,
        "ConvergenceDetectedTime": job.state.get("_converged"),
    }
    answer = {
        **job.view,
        "HyperParameterTuningJobArn": job.arn,
        "HyperParameterTuningJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        **counters(trials),
        "TuningJobCompletionDetails": {k: v for k, v in details.items() if v is not None},
        "ConsumedResources": {"RuntimeInSeconds": math.ceil(end - job.created)},
    }
    if found := best(trials):
        answer["BestTrainingJob"] = _with_owner(cloud, found)
    warm = job.request.get("WarmStartConfig", {})
    if warm.get("WarmStartType") == "IdenticalDataAndAlgorithm":
        overall = best([*parents_of(cloud, job.request), *trials])
        if overall:
            answer["OverallBestTrainingJob"] = _with_owner(cloud, overall)
    return answer


def list_(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    listing = Listing(
        "HyperParameterTuningJobSummaries",
        lambda job: _summary(cloud, job),
        default_order="Ascending",
        default_sort="Name",
    )
    return listing.answer(request, cloud.store.all(Kind.TUNING_JOB))


def list_trials(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """By FinalObjectiveMetricValue, trials without a value are left out."""
    job = _get(cloud, request)
    trials = {trial.name: trial for trial in trials_of(cloud, job, plan(job.request))}
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        trials = {name: trial for name, trial in trials.items() if trial.result is not None}
    listing = Listing(
        "TrainingJobSummaries",
        lambda training_job: trials[training_job.name].summary,
        default_order="Ascending",
        default_sort="Name",
        orders={"FinalObjectiveMetricValue": lambda j: (trials[j.name].result, j.name)},
    )
    return listing.answer(request, [trial.job for trial in trials.values()])


def stop(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """A job that has ended is refused, in the words of StopTrainingJob: SageMaker's own are not
    documented.
    """
    job = _get(cloud, request)
    if runner.enter(cloud, job.name, "Stopping", only_from=("InProgress",)) is None:
        now = _get(cloud, request)
        if now.status != "Stopping":
            raise ValidationException(
                "The request was rejected because the hyperparameter tuning job is in status "
                f"{now.status}."
            )
    cloud.tuning.stop(job.name)
    return {}


def delete(cloud: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    """Removes the tuning job alone: its training jobs and what they made stay.

    What SageMaker does with one that still runs is not documented; we refuse.
    """
    job = _get(cloud, request)
    if job.status in runner.RUNNING:
        raise ValidationException(
            f"The request was rejected because the hyperparameter tuning job is in status "
            f"{job.status}."
        )
    cloud.store.delete(Kind.TUNING_JOB, job.name)
    return {}


def _get(cloud: Cloud, request: dict[str, Any]) -> Resource:
    name = request["HyperParameterTuningJobName"]
    job = cloud.store.get(Kind.TUNING_JOB, name)
    if job is None:
        raise ResourceNotFound(
            f"Amazon SageMaker can't find a tuning job called {name}. Type another name."
        )
    return job


def _taken(name: str) -> ResourceInUse:
    return ResourceInUse(
        f"A hyperparameter tuning job with the name, {name}, already exists. Choose a different "
        "name."
    )


def _with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request as DescribeHyperParameterTuningJob tells it: SageMaker adds the name of the
    objective to the static hyperparameters (the Python SDK relies on it).
    """
    config = {"TrainingJobEarlyStoppingType": "Off", **request["HyperParameterTuningJobConfig"]}
    full = {**request, "HyperParameterTuningJobConfig": config}
    wanted = plan(request)
    definitions = [
        {
            **given,
            "StaticHyperParameters": {
                **given.get("StaticHyperParameters", {}),
                OBJECTIVE: definition.metric,
            },
        }
        for given, definition in zip(given_definitions(request), wanted.definitions, strict=True)
    ]
    if "TrainingJobDefinition" in request:
        full["TrainingJobDefinition"] = definitions[0]
    else:
        full["TrainingJobDefinitions"] = definitions
    return full


def _with_owner(cloud: Cloud, trial: Trial) -> dict[str, Any]:
    arn = trial.job.state["TuningJobArn"]
    return {**trial.summary, "TuningJobName": arn.rpartition("/")[2]}


def _summary(cloud: Cloud, job: Resource) -> dict[str, Any]:
    config = job.request["HyperParameterTuningJobConfig"]
    summary = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": job.arn,
        "HyperParameterTuningJobStatus": job.status,
        "Strategy": config["Strategy"],
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "ResourceLimits": config["ResourceLimits"],
        **counters(trials_of(cloud, job, plan(job.request))),
    }
    if "HyperParameterTuningEndTime" in job.state:
        summary["HyperParameterTuningEndTime"] = job.state["HyperParameterTuningEndTime"]
    return summary
