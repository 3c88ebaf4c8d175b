"""The training job: made, waited for, taken up."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.aws.training import JobStatus, TrainingJob
from chalicelib.datasets.checking import read_report, start_attempt
from chalicelib.datasets.content import look
from chalicelib.datasets.cost import budget, shortage
from chalicelib.datasets.cost.choices import Instances, next_choice
from chalicelib.datasets.gate.registering import register
from chalicelib.datasets.jobs import publishing
from chalicelib.datasets.jobs.request import job_request
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import LimitReached, RequestRefused

# After failures of the service, not of the script, or of data that was another for a while: once
# more, under the next number.
SERVICE_RETRIES = 1
# How the job begins the reason (training_job/…/errors.py), and SageMaker where a file is gone.
_DATA_CHANGED = ("data changed: ", "Data download failed")
LOOK_AGAIN = 60  # s; for instances that others of the account have in use


def step(parts: Parts, state: State) -> Move:
    """Make the job where there is none, else take up how it stands."""
    name = state.training_job or ""
    job = parts.training.describe(name)
    if job is None:
        return _start(parts, state)
    state = _on(state, Instances(job.instance_type, job.instance_count, job.spot))
    if job.status == JobStatus.COMPLETED:
        published = publishing.awaited(parts, budget.billed(parts, state, job))
        return published if isinstance(published, Move) else go(register(parts, published))
    if job.status in (JobStatus.FAILED, JobStatus.STOPPED):
        return _ended(parts, budget.billed(parts, state, job), job)
    return rest(replace(state, message=f"training job {name}: {job.secondary or job.status}"))


def _start(parts: Parts, state: State) -> Move:
    """What comes before the job: the data is still the one that was checked, there are instances to
    ask for, and the cost is in order."""
    name = state.training_job or ""
    content = look(parts.storage, state.dataset)
    if content.version != state.version:
        budget.withdraw(parts, state)
        message = f"the data changed before {name} could be started"
        return go(replace(state, phase=Phase.WAITING, taken=None, tries=0, message=message))
    report = read_report(parts, state) or {}
    chosen = next_choice(report, parts.settings, state.costs.refused)
    if chosen is None:
        message = shortage.nothing_left(name, state.costs.refused)
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    state = _on(state, chosen.instances)
    if not budget.is_admitted(parts, state):
        return budget.admit(parts, state, chosen, content)
    try:
        parts.training.create(job_request(parts, state))
    except LimitReached as error:
        return _beyond_limit(parts, state, str(error))
    except RequestRefused as error:
        budget.withdraw(parts, state)
        message = f"SageMaker refuses the training job {name}: {error}"
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    noted = shortage.note(state.costs.refused)
    return rest(
        replace(state, message=f"training job {name} is starting on {state.instances}{noted}")
    )


def _on(state: State, instances: Instances) -> State:
    """The state of a job on these instances."""
    if state.instances == str(instances):
        return state
    state = replace(state, instances=str(instances))
    version = state.version or ""
    return state.remember(version, replace(state.past_of(version), instances=state.instances))


def _beyond_limit(parts: Parts, state: State, said: str) -> Move:
    """No job was made: the same name may have other instances, or wait for these."""
    waited = parts.seconds_since(state.trained_at) if state.trained_at else 0.0
    why = shortage.too_small(said) or shortage.too_long(said, waited)
    if why is None:
        message = (
            f"{state.training_job} waits for {state.instances}: as many as the account may have "
            f"are in use ({said})"
        )
        return rest(replace(state, message=message), wake=LOOK_AGAIN)
    parts.logger.warning("instances cannot be had", instances=state.instances, reason=said)
    budget.withdraw(parts, state)
    costs = state.costs.refuses(state.instances or "", why)
    return go(replace(state, costs=costs, message=f"{state.instances} cannot be had: {why}"))


def _ended(parts: Parts, state: State, job: TrainingJob) -> Move:
    capped = budget.stopped_by_cap(parts, state, job)
    if capped is not None:
        return go(capped)
    message = _why(job)
    told = publishing.tell_failure(parts, state, job, message)
    again = _again(parts, state, job)
    if again is not None:
        parts.logger.warning("training job is tried again", job=job.name, reason=job.reason)
        return go(again)
    if publishing.left_something(parts, state):
        published = publishing.awaited(parts, told)
        if isinstance(published, Move):
            return published
        told = published
    message += shortage.note(state.costs.refused)
    ended = told.settle(Phase.FAILED, Outcome.FAILED, message)
    if _met_other_data(job) and not look(parts.storage, state.dataset).is_version(state.version):
        # It was no fault of this data: where it comes back, it is trained.
        version = state.version or ""
        ended = ended.remember(version, replace(ended.past_of(version), outcome=None))
    return go(ended)


def _again(parts: Parts, state: State, job: TrainingJob) -> State | None:
    """The state of the next attempt, where the fault was the service's; None where it was not.

    Without capacity: on the next instances of the list, and on the last ones once more.
    """
    why = shortage.of_capacity(job)
    if why is not None:
        costs = state.costs.refuses(state.instances or "", why)
        report = read_report(parts, state) or {}
        chosen = next_choice(report, parts.settings, costs.refused)
        if chosen is not None:
            elsewhere = _on(replace(state, costs=costs, tries=0), chosen.instances)
            return start_attempt(parts, elsewhere, state.attempt + 1)
    if state.tries >= SERVICE_RETRIES:
        return None
    came_back = _met_other_data(job) and look(parts.storage, state.dataset).is_version(
        state.version
    )
    if came_back or shortage.of_the_service(job):
        return start_attempt(parts, replace(state, tries=state.tries + 1), state.attempt + 1)
    return None


def _met_other_data(job: TrainingJob) -> bool:
    return any(sign in (job.reason or "") for sign in _DATA_CHANGED)


def _why(job: TrainingJob) -> str:
    """What became of a job that did not complete, and what can be done."""
    again = "`pigeonhole retrain` goes on from its last checkpoint"
    if job.secondary == "MaxRuntimeExceeded":
        return (
            f"training job {job.name} was stopped after the longest time that a job may run "
            f"(PIGEONHOLE_TRAINING_MAX_RUNTIME_SECONDS): {again}"
        )
    if job.secondary == "MaxWaitTimeExceeded":
        return (
            f"training job {job.name} was stopped: spot capacity did not come in time "
            f"(PIGEONHOLE_TRAINING_MAX_WAIT_SECONDS). Later, or with "
            f'"instances": {{"spot": false}} in dataset.json: {again}'
        )
    if job.status == JobStatus.STOPPED:
        said = f"training job {job.name} was stopped ({job.secondary}) {job.reason}".rstrip()
        return f"{said}: {again}"
    return f"training job {job.name} failed: {job.reason}"
