"""A tuning job from start to end: launch trials, watch them, stop the hopeless, know when to end.

The states: InProgress → Completed, when the limits or a criterion of completion are reached, or
Failed, when no trial succeeds; on StopHyperParameterTuningJob Stopping → Stopped.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import SageMakerError, ValidationException
from localcloud.sagemaker.jobs import INTERNAL_ERROR, Control
from localcloud.sagemaker.operations import training_jobs
from localcloud.sagemaker.state_changes import publish_tuning_job
from localcloud.sagemaker.store import Kind, Resource
from localcloud.sagemaker.tuning import criteria, stopping
from localcloud.sagemaker.tuning.bayesian import BayesianSearch
from localcloud.sagemaker.tuning.plan import Definition, plan
from localcloud.sagemaker.tuning.search import GridSearch, RandomSearch, Search
from localcloud.sagemaker.tuning.trials import Trial, counters, trials_of
from localcloud.sagemaker.tuning.warm_start import parents_of, translated

_log = logging.getLogger(__name__)

RUNNING = ("InProgress", "Stopping")
_ATTEMPTS = 5  # trials in a row from the start of which one must succeed
_LONGEST_CURVE = 20_000  # MaxResource's own limit


def enter(
    cloud: Cloud, name: str, status: str, *, only_from: tuple[str, ...] = RUNNING, **state: Any
) -> Resource | None:
    """Move a tuning job on and publish the event; None when it is not in one of `only_from`."""
    if status not in RUNNING:
        state["HyperParameterTuningEndTime"] = cloud.clock.now()
    job = cloud.advance(Kind.TUNING_JOB, name, status, only_from=only_from, **state)
    if job is not None:
        publish_tuning_job(cloud, job, counters(trials_of(cloud, job, plan(job.request))))
    return job


def recover(cloud: Cloud) -> None:
    """After a restart, once the training jobs have been told as they are: go on."""
    for job in cloud.store.all(Kind.TUNING_JOB, *RUNNING):
        cloud.tuning.start(job.name)


@dataclass(frozen=True)
class _Verdict:
    """How the job ends. stop: running trials are stopped, not waited for."""

    status: str
    reason: str | None = None
    stop: bool = False


class TuningRun:
    """One tuning job."""

    def __init__(self, cloud: Cloud, name: str, control: Control) -> None:
        self._cloud = cloud
        self._name = name
        self._control = control
        self._job = self._read()
        self._plan = plan(self._job.request)
        self._trials: dict[str, Trial] = {}
        self._curves: dict[str, list[float]] = {}  # of running trials, as they print
        self._judged: dict[str, int] = {}  # how long a trial's curve was when it was last judged
        self._stopped: set[str] = set()
        self._launched = 0
        self._exhausted = False
        self._searches = {d.name: self._search(d) for d in self._plan.definitions}
        self._inherited = {
            d.name: translated(parents_of(cloud, self._job.request), d)
            for d in self._plan.definitions
        }

    def __call__(self) -> None:
        """Run it; every way out but the cloud's closing leaves the job in a final state."""
        try:
            self._work()
        except SageMakerError as error:
            self._fail(error.message)
        except Exception:
            _log.exception("tuning job %s", self._name)
            self._fail(INTERNAL_ERROR)
        finally:
            for name in self._curves:
                self._cloud.progress.forget(name)

    def _work(self) -> None:
        for trial in trials_of(self._cloud, self._job, self._plan):
            self._trials[trial.name] = trial
            self._launched = trial.number
            if not trial.ended:  # taken up again by the start that takes up this job
                self._observe(trial.name, trial.definition)
                self._cloud.training.when_over(trial.name, self._control.changed.set)
        while not self._control.closing.is_set():
            self._control.changed.clear()
            self._refresh()
            running = [trial for trial in self._trials.values() if not trial.ended]
            verdict = self._verdict(running)
            if verdict is None:
                self._stop_hopeless(running)
                if self._launch(len(running)):
                    continue
            elif not running:
                self._end(verdict)
                return
            elif verdict.stop:
                for trial in running:
                    self._stop(trial)
            if not self._control.closing.is_set():  # else its mark may just have been cleared
                self._cloud.clock.wait(self._control.changed, self._seconds_left(verdict))

    # ---- what is ----

    def _read(self) -> Resource:
        job = self._cloud.store.get(Kind.TUNING_JOB, self._name)
        if job is None:
            raise LookupError(self._name)
        return job

    def _refresh(self) -> None:
        """Read the job, and the trials that ran; keep what those printed that have ended."""
        self._job = self._read()
        for name, trial in list(self._trials.items()):
            if trial.ended:
                continue
            job = self._cloud.store.get(Kind.TRAINING_JOB, name)
            if job is None:  # it ended, and was deleted at once
                del self._trials[name]
                continue
            self._trials[name] = replace(trial, job=job)
            if self._trials[name].ended:
                self._settle(self._trials[name])

    def _settle(self, trial: Trial) -> None:
        self._cloud.progress.forget(trial.name)
        curve = self._curves.pop(trial.name, [])[:_LONGEST_CURVE]
        kept = self._cloud.store.change(
            Kind.TRAINING_JOB, trial.name, lambda job: job.with_state(_objectives=curve)
        )
        if kept is not None:
            self._trials[trial.name] = replace(trial, job=kept)
        if self._progress().converged and "_converged" not in self._job.state:
            now = self._cloud.clock.now()
            self._cloud.store.change(
                Kind.TUNING_JOB, self._name, lambda job: job.with_state(_converged=now)
            )

    def _ended(self) -> list[Trial]:
        ended = [trial for trial in self._trials.values() if trial.ended]
        return sorted(ended, key=lambda trial: trial.end)

    def _progress(self) -> criteria.Progress:
        return progress_of(self._ended())

    # ---- when it ends ----

    def _verdict(self, running: list[Trial]) -> _Verdict | None:
        """What is to become of the job, or None when it goes on."""
        wanted = self._plan
        if self._job.status == "Stopping":
            return _Verdict("Stopped", stop=True)
        ended = self._ended()
        over = self._exhausted or self._launched >= wanted.most
        if reason := _failure(ended, over=over and not running):
            return _Verdict("Failed", reason)
        if self._seconds_left(None) == 0.0:
            return _Verdict("Completed", stop=True)
        progress = self._progress()
        met = (
            any(_reaches(trial, wanted.target) for trial in ended),
            wanted.patience is not None and progress.stalled >= wanted.patience,
            wanted.until_converged and progress.converged,
        )
        if any(met):
            return _Verdict("Completed", stop=True)
        return _Verdict("Completed") if over and not running else None

    def _seconds_left(self, verdict: _Verdict | None) -> float | None:
        if self._plan.max_runtime is None or verdict is not None:
            return None
        return max(0.0, self._job.created + self._plan.max_runtime - self._cloud.clock.now())

    def _end(self, verdict: _Verdict) -> None:
        enter(self._cloud, self._name, verdict.status, FailureReason=verdict.reason)

    def _fail(self, reason: str) -> None:
        """End at once; what still runs is stopped, nobody would watch it."""
        for trial in self._trials.values():
            if not trial.ended:
                self._stop(trial)
        if not self._control.closing.is_set():
            self._end(_Verdict("Failed", reason[:1024]))

    # ---- trials ----

    def _launch(self, running: int) -> bool:
        """Launch one more trial when there is room; says whether it did."""
        if self._exhausted or running >= self._plan.parallel:
            return False
        number = self._launched + 1
        if number > self._plan.most:
            return False
        definition = self._plan.definition(number)
        mine = [t.observation for t in self._trials.values() if t.definition is definition]
        inherited = self._inherited[definition.name]
        values = self._searches[definition.name].suggest(number, [*inherited, *mine])
        if values is None:
            self._exhausted = True
            return True
        if self._control.closing.is_set():
            return False
        name = f"{self._name}-{number:03d}-{secrets.token_hex(4)}"
        tags = self._cloud.store.tags(self._job.arn)
        request = definition.trial_request(name, values)
        self._observe(name, definition)
        job = training_jobs.launch(
            self._cloud,
            {**request, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]},
            TuningJobArn=self._job.arn,
            _tuning={"of": self._job.state["_id"], "number": number, "values": values},
        )
        self._trials[name] = Trial(job, definition)
        self._launched = number
        self._cloud.training.when_over(name, self._control.changed.set)
        return True

    def _observe(self, name: str, definition: Definition) -> None:
        curve = self._curves.setdefault(name, [])
        metric = definition.metric

        def observer(found: str, value: float, at: float) -> None:
            if found == metric:
                curve.append(value)
                self._control.changed.set()

        self._cloud.progress.watch(name, observer)

    def _stop_hopeless(self, running: list[Trial]) -> None:
        if not self._plan.early_stopping and self._plan.strategy != "Hyperband":
            return
        for trial in running:
            length = len(self._curves[trial.name])
            since = self._judged.get(trial.name, 0)
            if length > since and self._hopeless(trial, since):
                self._stop(trial)
            self._judged[trial.name] = length

    def _hopeless(self, trial: Trial, since: int) -> bool:
        definition = trial.definition
        peers = [t for t in self._trials.values() if t.definition is definition]
        if definition.hyperband is not None:
            curves = {t.number: self._curves.get(t.name, t.curve) for t in peers}
            return definition.hyperband.stops(
                trial.number, curves, since, maximize=definition.maximize
            )
        earlier = [t.curve for t in peers if t.result is not None]
        curve = self._curves[trial.name]
        return stopping.below_median(curve, earlier, maximize=definition.maximize)

    def _stop(self, trial: Trial) -> None:
        if trial.name not in self._stopped:
            self._stopped.add(trial.name)
            with contextlib.suppress(ValidationException):  # it has ended meanwhile
                training_jobs.stop(self._cloud, {"TrainingJobName": trial.name})

    def _search(self, definition: Definition) -> Search:
        seed = f"{self._job.state['_seed']}/{definition.name or ''}"
        if self._plan.strategy == "Grid":
            return GridSearch(definition.space)
        if self._plan.strategy == "Bayesian":
            return BayesianSearch(definition.space, seed, definition.maximize)
        return RandomSearch(definition.space, seed)


def progress_of(ended: list[Trial]) -> criteria.Progress:
    """How the objective goes; `ended`: trials in the order in which they ended."""
    results = [trial.result for trial in ended if trial.result is not None]
    maximize = bool(ended) and ended[0].definition.maximize
    return criteria.progress(results, maximize=maximize)


def _reaches(trial: Trial, target: float | None) -> bool:
    if target is None or trial.result is None:
        return False
    return criteria.reaches(trial.result, target, maximize=trial.definition.maximize)


def _failure(ended: list[Trial], *, over: bool) -> str | None:
    """Why the job fails: the first five trials, or all where there are fewer, came to nothing.

    SageMaker's own sentences are not documented; these say the same. Trials that the service
    itself lost are not held against it.
    """
    if any(trial.result is not None for trial in ended):
        return None
    attempts = [trial for trial in ended if over or not trial.retryable]
    if not attempts or (len(attempts) < _ATTEMPTS and not over):
        return None
    if any(trial.job.status == "Completed" for trial in attempts):
        return (
            f"No objective metrics found after running {len(attempts)} training jobs. Please "
            "ensure that the custom algorithm is emitting the objective metric as defined by the "
            "regular expression provided."
        )
    return (
        f"No training job succeeded after {len(attempts)} attempts. For additional details, please "
        "take a look at the training job failures by listing training jobs for the hyperparameter "
        "tuning job."
    )
