"""The comparison of a model with the present champion: the one there is, or a new one.

The training job compares its model with the champion of its day. Where that one is no longer live,
a judging job compares the two served models on rows that neither was trained on. There is one for
each pair: its name is the training job's and a number, and its hyperparameters name the champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import names
from chalicelib.aws.training import ENDED, JobStatus, TrainingJob
from chalicelib.datasets.artifact import read_evaluation
from chalicelib.datasets.cost import budget, shortage
from chalicelib.datasets.gate.gate import Evaluation
from chalicelib.datasets.gate.judging_request import judging_request
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Champion, Move, State, rest
from chalicelib.errors import InputRefused, LimitReached, ObjectNotFound, RequestRefused

LOOK_AGAIN = 60  # s; the job's event comes sooner, when it comes
MOST = 99  # champions that one model is compared with


def evaluation_of(parts: Parts, dataset: str, job: str) -> Evaluation | None:
    """What a job measured, as it was published; None where that cannot be read."""
    try:
        raw = parts.storage.get_json(names.evaluation_key(dataset, job))
        return Evaluation.from_json(raw)
    except (ObjectNotFound, KeyError, TypeError, ValueError, AttributeError):
        return None


def against_present(parts: Parts, state: State, evaluation: Evaluation) -> Evaluation:
    """The evaluation with a comparison against the champion that is live now, where there is one.

    Data that went A → B → A: B's evaluation compared B with A on the same rows, so the same numbers
    with the signs changed compare A with B.
    """
    champion, compared = state.champion, evaluation.comparison
    if champion is None or (compared and compared.champion_job == champion.training_job):
        return evaluation
    theirs = evaluation_of(parts, state.dataset, champion.training_job)
    turned = None if theirs is None else theirs.reversed()
    was_champion = (
        theirs is not None
        and theirs.comparison is not None
        and theirs.comparison.champion_job == evaluation.training_job
    )
    return replace(evaluation, comparison=turned) if was_champion else evaluation


def compared_again(parts: Parts, state: State, champion: Champion) -> Evaluation | Move | str:
    """What the judging job of the state's model and this champion found; what to do until it has;
    or, as a sentence, why there is no comparison."""
    for number in range(1, MOST + 1):
        name = parts.names.judging_job(state.training_job or "", number)
        job = parts.training.describe(name)
        if job is None:
            return _started(parts, state, champion, name)
        if job.hyperparameters.get("champion") == champion.training_job:
            return _found(parts, state, job)
    return f"it was compared with {MOST} champions already"


def _started(parts: Parts, state: State, champion: Champion, name: str) -> Move | str:
    request = judging_request(parts, state, champion, name)
    budget.set_apart(parts, request)
    try:
        parts.training.create(request)
    except RequestRefused as error:
        budget.forget(parts, name)
        return f"SageMaker refuses the judging job {name}: {error}"
    except LimitReached as error:
        why = shortage.too_small(str(error))
        if why is None:  # they are in use at present
            raise
        budget.forget(parts, name)
        return f"there are no instances for the judging job {name}: {why}"
    return rest(replace(state, message=_waiting(state, champion, name)), wake=LOOK_AGAIN)


def _waiting(state: State, champion: Champion, name: str) -> str:
    return (
        f"{champion.training_job} is live now: {name} compares {state.training_job} with it, "
        "without training anything"
    )


def _found(parts: Parts, state: State, job: TrainingJob) -> Evaluation | Move | str:
    if job.status in ENDED:
        budget.count(parts, job)
    if job.status == JobStatus.COMPLETED:
        found = _published(parts, state.dataset, job.name)
        return found or f"judging job {job.name} left no usable evaluation"
    if job.status in ENDED:
        reason = job.reason or job.secondary
        return f"judging job {job.name} could not compare them ({job.status}): {reason}"
    assert state.champion is not None
    message = _waiting(state, state.champion, job.name)
    return rest(replace(state, message=message), wake=LOOK_AGAIN)


def _published(parts: Parts, dataset: str, job: str) -> Evaluation | None:
    """The job's evaluation.json, published out of its archive where it was not yet."""
    key = names.evaluation_key(dataset, job)
    if parts.storage.head(key) is None:
        try:
            raw: Mapping[str, Any] = read_evaluation(parts.storage, names.output_key(dataset, job))
        except InputRefused:
            return None
        parts.storage.put_json(key, raw)
    return evaluation_of(parts, dataset, job)
