"""Settled and waiting datasets: is there something new to take up?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib import names
from chalicelib.datasets import changes, quiet, retraining
from chalicelib.datasets.checking import left_behind
from chalicelib.datasets.content import Content, look
from chalicelib.datasets.gate import people
from chalicelib.datasets.history import records
from chalicelib.datasets.hosting import watching
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest

SKEW = timedelta(seconds=2)  # S3 tells whole seconds, each of its servers by its own clock


def consider(parts: Parts, state: State) -> Move:
    """The step of every phase in which nothing is under way."""
    if quiet.woken_soon(parts, state):
        return rest(state)
    if decided := people.noticed(parts, state):
        return decided
    if soon := quiet.listed_lately(parts, state):
        return rest(state, wake=soon)
    content = look(parts.storage, state.dataset)
    return _looked_at(parts, retraining.scheduled(state, content), content)


def _looked_at(parts: Parts, state: State, content: Content) -> Move:
    new_ready = content.ready is not None and content.ready != state.ready
    new_data = not content.is_version(state.taken)
    if content.empty and not new_ready:
        refused = not new_data and state.settled  # _READY in an empty folder
        return rest(state if refused else _idle(state))
    waiting = state.phase is Phase.WAITING and not state.settled
    if not (new_data or new_ready or waiting or state.retrain):
        if retraining.is_due(parts, state):
            return go(retraining.due(parts, state))
        moved = changes.rehosted(parts, state, content.service) if content.says_hosting else None
        if moved:
            return go(moved)
        return rest(watching.noticed(parts, quiet.nothing_new(parts, state, content)))
    still_coming = new_data and (not new_ready or _overtaken(content))
    if still_coming or (waiting and not new_ready and not state.retrain):
        state = quiet.noticed(parts, state, content)
        if wait := quiet.wait(parts, state, content):
            return rest(_waiting(state, content, wait.message), wake=wait.seconds)
    return go(_take_up(parts, state, content, new_ready))


def withdrawn(parts: Parts, state: State) -> State | None:
    """The state that leaves the champion live, where the data is its own again; else None.

    People have taken back what the challenger was trained on: it passed the gate, and nobody should
    see it. The gate remembers it, should that data return.
    """
    champion, version = state.champion, state.version or ""
    if champion is None or champion.version == version:
        return None
    if not look(parts.storage, state.dataset).is_version(champion.version):
        return None
    message = (
        f"{state.training_job} passed the gate and does not go live: its data was taken back, and "
        f"{champion.training_job} was trained on the data that is there now"
    )
    state = state.remember(version, replace(state.past_of(version), outcome=None, message=message))
    return replace(state, phase=Phase.WAITING, settled=False, message=message)


def _overtaken(content: Content) -> bool:
    """Did more come behind _READY? An upload that puts its files in any order is still going on."""
    newest, ready = content.newest, content.ready_at
    return newest is not None and ready is not None and newest > ready + SKEW


def _waiting(state: State, content: Content, message: str) -> State:
    return replace(
        state,
        phase=Phase.WAITING,
        settled=False,
        outcome=None,
        ready=content.ready or state.ready,  # overtaken: no reason to list all at each event
        listed_at=None,
        message=message,
    )


def _idle(state: State) -> State:
    return replace(
        left_behind(state, None),
        phase=Phase.WAITING,
        settled=True,
        outcome=None,
        version=None,
        taken=None,
        retrain=False,
        retrain_by=None,
        attempt=0,
        training_job=None,
        package=None,
        report=None,
        preset=None,
        instances=None,
        publishing=None,
        publish_until=None,
        report_problem=None,
        awaits=None,
        decided_by=None,
        decided_why=None,
        seen=None,
        seen_at=None,
        listed_at=None,
        message=f"no data: put CSVs or images under {names.dataset_prefix(state.dataset)}",
    )


def _take_up(parts: Parts, state: State, content: Content, new_ready: bool) -> State:
    """Begin a run of the data as it is, or say what is known of it already."""
    version, again = content.version, state.retrain
    state = left_behind(records.recalled(parts.storage, state, version), version)
    state = _last_live(parts, state, version)
    past = state.past_of(version)
    state = replace(
        state,
        version=version,
        taken=version,
        ready=content.ready if new_ready else state.ready,
        settled=False,
        outcome=None,
        retrain=False,
        retrain_by=None,
        attempt=past.attempt,
        training_job=(
            parts.names.job(state.dataset, version, past.attempt) if past.attempt else None
        ),
        package=past.package,
        report=past.report,
        preset=past.preset,
        instances=past.instances,
        publishing=None,
        publish_until=None,
        report_problem=None,
        awaits=None,
        decided_by=None,
        decided_why=None,
        seen=None,
        seen_at=None,
        listed_at=None,
        lease_until=None,
        asked_at=None,
        tries=0,
    )
    if again:
        return _check(replace(state, package=None))
    if state.champion is not None and content.is_version(state.champion.version):
        return _already_live(state)
    if past.package is not None:
        return replace(
            state, phase=Phase.JUDGING, message="this data has been trained: back to the gate"
        )
    if not new_ready and past.outcome in (Outcome.REFUSED, Outcome.FAILED):
        phase = Phase(past.outcome)
        return state.settle(phase, Outcome(past.outcome), past.message)
    return _check(state)


def _last_live(parts: Parts, state: State, version: str) -> State:
    """The state in which a version whose data is back has the model that was live, where a later
    one of the same data was turned down by the gate, or came to nothing."""
    past = state.past_of(version)
    is_live = state.champion is not None and state.champion.version == version
    if is_live or past.by_person or past.outcome not in (Outcome.REJECTED, Outcome.FAILED):
        return state
    for one in reversed(state.former):
        run = parts.names.parse_job(one.training_job)
        if one.version == version and not one.rolled_back and run is not None:
            note = replace(
                past, attempt=run.attempt, package=one.model_package_arn, outcome=Outcome.LIVE
            )
            return state.remember(version, note)
    return state


def _check(state: State) -> State:
    return replace(
        state,
        phase=Phase.CHECKING,
        message="the data is being checked",
        training_job=None,
        report=None,
        check=state.check + 1,
    )


def _already_live(state: State) -> State:
    champion = state.champion
    assert champion is not None
    accuracy = "" if champion.accuracy is None else f" (held-out accuracy {champion.accuracy:.4f})"
    return replace(
        state,
        phase=Phase.LIVE,
        settled=True,
        outcome=Outcome.ALREADY_TRAINED,
        training_job=champion.training_job,
        package=champion.model_package_arn,
        message=(
            "this very data has been trained already, by "
            f"{champion.training_job}{accuracy}, which is live"
        ),
    )
