"""The gate's decision, carried out in the model registry."""

from __future__ import annotations

from dataclasses import replace

from chalicelib import names
from chalicelib.aws.registry import Approval
from chalicelib.datasets.gate import Evaluation, Verdict, judge
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go
from chalicelib.errors import ObjectNotFound

_APPROVAL = {
    Verdict.APPROVE: Approval.APPROVED,
    Verdict.REJECT: Approval.REJECTED,
    Verdict.ASK: Approval.PENDING,
}


def step(parts: Parts, state: State) -> Move:
    """Judge the challenger and say so in the registry."""
    job = parts.names.job(state.dataset, state.version or "", state.attempt)
    state = replace(state, training_job=job)
    past = state.past_of(state.version)
    if past.by_person and past.outcome == Outcome.REJECTED:
        return go(state.settle(Phase.REJECTED, Outcome.REJECTED, past.message, by_person=True))
    evaluation = _evaluation(parts, state.dataset, job)
    if evaluation is None:
        message = f"{job} has no evaluation that can be read: retrain to get one"
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    champion = None if state.champion is None else state.champion.training_job
    decision = judge(_against_present(parts, state, evaluation), champion)
    package = state.package or ""
    parts.registry.decide(package, _APPROVAL[decision.verdict], decision.reason)
    parts.logger.info(
        "judged",
        job=job,
        verdict=decision.verdict,
        reason=decision.reason,
        numbers=dict(decision.numbers),
    )
    if decision.verdict is Verdict.APPROVE:
        return go(
            replace(
                state,
                phase=Phase.VERIFYING,
                tries=0,
                asked_at=None,
                message=f"approved: {decision.reason}",
            )
        )
    if decision.verdict is Verdict.REJECT:
        return go(state.settle(Phase.REJECTED, Outcome.REJECTED, f"rejected: {decision.reason}"))
    message = f"a person must approve {package} in the model registry: {decision.reason}"
    return go(state.settle(Phase.PENDING_APPROVAL, Outcome.PENDING_APPROVAL, message))


def _evaluation(parts: Parts, dataset: str, job: str) -> Evaluation | None:
    try:
        raw = parts.storage.get_json(names.evaluation_key(dataset, job))
        return Evaluation.from_json(raw)
    except (ObjectNotFound, KeyError, TypeError, ValueError):
        return None


def _against_present(parts: Parts, state: State, evaluation: Evaluation) -> Evaluation:
    """The evaluation with a comparison against the champion that is live now, where there is one.

    Data that went A → B → A: B's evaluation compared B with A on the same rows, so the same numbers
    with the signs changed compare A with B. Any other champion was never compared with this model,
    and the gate asks a person.
    """
    champion = state.champion
    compared = evaluation.comparison
    if champion is None or (compared and compared.champion_job == champion.training_job):
        return evaluation
    theirs = _evaluation(parts, state.dataset, champion.training_job)
    if (
        theirs is None
        or theirs.comparison is None
        or theirs.comparison.champion_job != evaluation.training_job
    ):
        return evaluation
    turned = theirs.reversed(theirs.recall)
    return replace(evaluation, comparison=turned, recall=theirs.comparison.champion_recall)
