"""The trials of a tuning job: training jobs that say whose they are.

A trial's state has, unseen by callers, `_tuning`: {"of": the tuning job's id, "number": from 1,
"values": what was tuned}, and from its end on `_objectives`: every value of its objective that it
printed. It has `TuningJobArn`, which DescribeTrainingJob shows.

The objective of a trial is the last value that it printed (developer guide, "Best Practices for
Hyperparameter Tuning").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.jobs import INTERNAL_ERROR
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.tuning.plan import Definition, Plan
from localcloud.sagemaker.tuning.ranges import Values
from localcloud.sagemaker.tuning.search import Observation

_INTERNAL = INTERNAL_ERROR.partition(":")[0]
_ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Trial:
    """One training job of a tuning job."""

    job: Resource
    definition: Definition

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def number(self) -> int:
        """From 1, in order of launch."""
        return int(self.job.state["_tuning"]["number"])

    @property
    def values(self) -> Values:
        """What was tuned."""
        found: Values = self.job.state["_tuning"]["values"]
        return found

    @property
    def ended(self) -> bool:
        return self.job.status in _ENDED

    @property
    def end(self) -> float:
        """When it ended, epoch seconds."""
        return float(self.job.state.get("TrainingEndTime", self.job.modified))

    @property
    def curve(self) -> tuple[float, ...]:
        """Every value of the objective; known once it has ended."""
        return tuple(self.job.state.get("_objectives", ()))

    @property
    def objective(self) -> float | None:
        """The last value of the objective; None when there is none."""
        for metric in self.job.state.get("FinalMetricDataList", []):
            if metric["MetricName"] == self.definition.metric:
                return float(metric["Value"])
        return None

    @property
    def objective_status(self) -> str:
        """Succeeded, Pending or Failed. A trial that was stopped counts by what it printed."""
        if not self.ended:
            return "Pending"
        judged = self.job.status != "Failed" and self.objective is not None
        return "Succeeded" if judged else "Failed"

    @property
    def retryable(self) -> bool:
        """Whether it failed by a fault of the service, not its own."""
        reason = self.job.state.get("FailureReason", "")
        return self.job.status == "Failed" and reason.startswith(_INTERNAL)

    @property
    def result(self) -> float | None:
        """The objective, of a trial that counts."""
        return self.objective if self.objective_status == "Succeeded" else None

    @property
    def observation(self) -> Observation:
        """What a search learns from it."""
        return Observation(self.values, self.result, running=not self.ended)

    @property
    def summary(self) -> dict[str, Any]:
        """HyperParameterTrainingJobSummary."""
        state = self.job.state
        summary: dict[str, Any] = {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.job.arn,
            "CreationTime": self.job.created,
            "TrainingJobStatus": self.job.status,
            "TunedHyperParameters": self.values,
            "ObjectiveStatus": self.objective_status,
        }
        if self.definition.name:
            summary["TrainingJobDefinitionName"] = self.definition.name
        for name in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
            if name in state:
                summary[name] = state[name]
        if self.result is not None:
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": self.definition.objective_type,
                "MetricName": self.definition.metric,
                "Value": self.result,
            }
        return summary


def trials_of(cloud: Cloud, tuning: Resource, plan: Plan) -> list[Trial]:
    """The trials of a tuning job, in order of launch."""
    found = [
        Trial(job, plan.definition(mark["number"]))
        for job in cloud.store.starting(Kind.TRAINING_JOB, f"{tuning.name}-")
        if (mark := job.state.get("_tuning")) and mark["of"] == tuning.state["_id"]
    ]
    return sorted(found, key=lambda trial: trial.number)


def best(trials: Iterable[Trial]) -> Trial | None:
    """The one with the best objective; of equals the first."""
    found: Trial | None = None
    for trial in trials:
        result = trial.result
        if result is None:
            continue
        if found is None or found.result is None or trial.definition.better(result, found.result):
            found = trial
    return found


def counters(trials: Sequence[Trial]) -> dict[str, dict[str, int]]:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    status = {
        "Completed": 0,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    objective = {"Succeeded": 0, "Pending": 0, "Failed": 0}
    for trial in trials:
        status[_counted(trial)] += 1
        objective[trial.objective_status] += 1
    return {"TrainingJobStatusCounters": status, "ObjectiveStatusCounters": objective}


def _counted(trial: Trial) -> str:
    if not trial.ended:
        return "InProgress"
    if trial.job.status == "Failed":
        return "RetryableError" if trial.retryable else "NonRetryableError"
    return trial.job.status
