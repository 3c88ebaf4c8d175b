"""A request for a tuning job, parsed: what is tuned, by which strategy, within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.tuning.ranges import Space, Values, parse
from localcloud.sagemaker.tuning.stopping import Hyperband

MOST_TRIALS = 750  # the quota "training jobs per hyperparameter tuning job"
OBJECTIVE = "_tuning_objective_metric"  # the static hyperparameter that tells trials their metric
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


@dataclass(frozen=True)
class Definition:
    """One TrainingJobDefinition with its objective and its ranges.

    request: the definition as given; static: its StaticHyperParameters
    """

    name: str | None
    metric: str
    maximize: bool
    space: Space
    static: Values
    request: dict[str, Any]
    hyperband: Hyperband | None = None

    @property
    def objective_type(self) -> str:
        """As requests spell it."""
        return "Maximize" if self.maximize else "Minimize"

    def better(self, value: float, than: float) -> bool:
        """Whether one objective is better than another."""
        return value > than if self.maximize else value < than

    def trial_request(self, name: str, values: Values) -> dict[str, Any]:
        """The CreateTrainingJob request of a trial.

        Checkpoints go to a prefix of the trial's own below CheckpointConfig.S3Uri: not documented,
        but trials that shared one would restore one another's.
        """
        request = {k: v for k, v in self.request.items() if k in _OF_TRAINING_JOBS}
        if "HyperParameterTuningResourceConfig" in self.request:
            request["ResourceConfig"] = _resources(
                self.request["HyperParameterTuningResourceConfig"]
            )
        if "CheckpointConfig" in request:
            uri = request["CheckpointConfig"]["S3Uri"].rstrip("/")
            request["CheckpointConfig"] = {**request["CheckpointConfig"], "S3Uri": f"{uri}/{name}"}
        return {
            **request,
            "TrainingJobName": name,
            "HyperParameters": {**self.static, **values, OBJECTIVE: self.metric},
        }


_OF_TRAINING_JOBS = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


@dataclass(frozen=True)
class Plan:
    """A tuning job. `most`: how many trials it may launch; times are in seconds."""

    strategy: str
    definitions: tuple[Definition, ...]
    parallel: int
    most: int
    max_runtime: float | None
    early_stopping: bool
    target: float | None
    patience: int | None
    until_converged: bool

    def definition(self, number: int) -> Definition:
        """The definition that trial `number` (from 1) is of: they take turns."""
        return self.definitions[(number - 1) % len(self.definitions)]


def plan(request: dict[str, Any]) -> Plan:
    """Parse a request that fits the service model. Raises ValidationException."""
    config = request["HyperParameterTuningJobConfig"]
    definitions = tuple(_definition(config, given) for given in given_definitions(request))
    limits = config["ResourceLimits"]
    criteria = config.get("TuningJobCompletionCriteria", {})
    most = limits.get("MaxNumberOfTrainingJobs", MOST_TRIALS)
    if config["Strategy"] == "Grid":
        most = int(min(most, sum(d.space.count for d in definitions)))
    return Plan(
        strategy=config["Strategy"],
        definitions=definitions,
        parallel=limits["MaxParallelTrainingJobs"],
        most=most,
        max_runtime=limits.get("MaxRuntimeInSeconds"),
        early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        ),
        until_converged=criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
        == "Enabled",
    )


def given_definitions(request: dict[str, Any]) -> list[dict[str, Any]]:
    """TrainingJobDefinition, or TrainingJobDefinitions."""
    if "TrainingJobDefinition" in request:
        return [request["TrainingJobDefinition"]]
    found: list[dict[str, Any]] = request.get("TrainingJobDefinitions", [])
    return found


def _definition(config: dict[str, Any], given: dict[str, Any]) -> Definition:
    objective = given.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
    ranges = given.get("HyperParameterRanges") or config.get("ParameterRanges", {})
    static = given.get("StaticHyperParameters", {})
    return Definition(
        name=given.get("DefinitionName"),
        metric=objective["MetricName"],
        maximize=objective["Type"] == "Maximize",
        space=parse(ranges),
        static={key: value for key, value in static.items() if key != OBJECTIVE},
        request=given,
        hyperband=_hyperband(config, static),
    )


def _hyperband(config: dict[str, Any], static: Values) -> Hyperband | None:
    if config["Strategy"] != "Hyperband":
        return None
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = given.get("MaxResource") or _epochs(static)
    return Hyperband(given.get("MinResource", 1), most) if most else None


def _epochs(static: Values) -> int | None:
    """MaxResource as SageMaker infers it from the static hyperparameters."""
    for name in _EPOCHS:
        text = static.get(name, "").strip('"')
        if text.isdigit() and int(text) > 0:
            return int(text)
    return None


def _resources(given: dict[str, Any]) -> dict[str, Any]:
    """A HyperParameterTuningResourceConfig as the ResourceConfig of a training job.

    Of several InstanceConfigs the first is taken: here, no instance type is ever out of stock.
    """
    first = (given.get("InstanceConfigs") or [given])[0]
    names = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
    found = {name: first[name] for name in names if name in first}
    if "VolumeKmsKeyId" in given:
        found["VolumeKmsKeyId"] = given["VolumeKmsKeyId"]
    return found
