"""The gate's decision, carried out in the model registry; a person's word goes before it."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.aws.registry import Package
from chalicelib.datasets import intake
from chalicelib.datasets.gate import comparing, deciding
from chalicelib.datasets.gate.gate import Decision, Evaluation, Verdict, judge
from chalicelib.datasets.gate.people import approved_by, rejected_by
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Champion, Move, Outcome, Phase, State, go


def step(parts: Parts, state: State) -> Move:
    """Judge the challenger and say so in the registry."""
    version = state.version or ""
    job = parts.names.job(state.dataset, version, state.attempt)
    state = replace(state, training_job=job)
    past = state.past_of(version)
    if past.by_person and past.outcome == Outcome.REJECTED:
        return go(state.settle(Phase.REJECTED, Outcome.REJECTED, past.message, by_person=True))
    package = parts.registry.describe(state.package or "")
    if package is None:
        message = f"{state.package} is no longer in the model registry: retrain to get another one"
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    decided = _by_person(parts, state, package)
    if decided is not None:
        return go(decided)
    evaluation = comparing.evaluation_of(parts, state.dataset, job)
    if evaluation is None:
        message = f"{job} has no evaluation that can be read: retrain to get one"
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    decision = _decision(parts, state, comparing.against_present(parts, state, evaluation))
    return (
        decision
        if isinstance(decision, Move)
        else go(_carried_out(parts, state, package, decision))
    )


def _by_person(parts: Parts, state: State, package: Package) -> State | None:
    """The state after what a person decided before the gate did; None where nobody has."""
    word = deciding.persons_word(package)
    if word is None:
        return None
    if package.properties.get("decision") != package.approval:
        deciding.record_person(parts, package, word)
    if word.approves:
        return approved_by(parts, state, state.version or "", word)
    return rejected_by(state, state.version or "", word)


def _decision(parts: Parts, state: State, evaluation: Evaluation) -> Decision | Move:
    """The gate's decision, or what to do until a judging job has made the comparison."""
    champion = state.champion
    job = None if champion is None else champion.training_job
    was_live = state.past_of(state.version).outcome == Outcome.LIVE
    returns = was_live and state.version == state.taken
    decision = judge(evaluation, job, returns=returns)
    if decision.verdict is not Verdict.COMPARE or champion is None:
        return decision
    return _after_comparing(parts, state, evaluation, champion)


def _after_comparing(
    parts: Parts, state: State, evaluation: Evaluation, champion: Champion
) -> Decision | Move:
    found = comparing.compared_again(parts, state, champion)
    if isinstance(found, Move):
        return found
    if isinstance(found, Evaluation):
        decision = judge(found, champion.training_job)
        if decision.verdict is not Verdict.COMPARE:
            return decision
        found = "the judging job compared it with another model"
    return judge(evaluation, champion.training_job, cannot_compare=found)


def _carried_out(parts: Parts, state: State, package: Package, decision: Decision) -> State:
    deciding.record_gate(parts, package, decision)
    parts.logger.info(
        "judged",
        job=state.training_job,
        verdict=decision.verdict,
        reason=decision.reason,
        numbers=dict(decision.numbers),
    )
    state = replace(state, decided_by=deciding.GATE, decided_why=decision.reason)
    if decision.verdict is Verdict.APPROVE:
        return intake.withdrawn(parts, state) or replace(
            state,
            phase=Phase.VERIFYING,
            tries=0,
            asked_at=None,
            message=f"approved: {decision.reason}",
        )
    if decision.verdict is Verdict.REJECT:
        message = f"rejected: {decision.reason}; {_overrule(state)}"
        return state.settle(Phase.REJECTED, Outcome.REJECTED, message)
    short = (state.version or "")[:12]
    message = (
        f"a person must decide: {decision.reason}. `pigeonhole approve {state.dataset} {short}` "
        f"or `pigeonhole reject {state.dataset} {short}`, or {package.arn} in the model registry"
    )
    return state.settle(Phase.PENDING_APPROVAL, Outcome.PENDING_APPROVAL, message, awaits="model")


def _overrule(state: State) -> str:
    short = (state.version or "")[:12]
    return f"`pigeonhole approve {state.dataset} {short}` overrules it"
