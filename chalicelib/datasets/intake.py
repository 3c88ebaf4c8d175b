"""Settled and waiting datasets: is there something new to take up?"""

from __future__ import annotations

import math
from dataclasses import replace

from chalicelib import names
from chalicelib.clock import iso
from chalicelib.datasets import people
from chalicelib.datasets.content import Content, look, look_for_ready
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.uploads import unfinished

EARLY_SECONDS = 1  # a delayed message this close to its time may be the one being handled


def consider(parts: Parts, state: State) -> Move:
    """The step of every phase in which nothing is under way."""
    if _woken_soon(parts, state):
        return rest(state)
    decided = people.noticed(parts, state)
    if decided is not None:
        return decided
    content = look(parts.storage, state.dataset)
    new_ready = content.ready is not None and content.ready != state.ready
    if content.empty and not new_ready:
        refused = state.taken == content.version and state.settled  # _READY in an empty folder
        return rest(state if refused else _idle(state))
    waiting = state.phase is Phase.WAITING and not state.settled
    if not (content.version != state.taken or new_ready or state.retrain or waiting):
        return rest(state)
    if not new_ready and not state.retrain:
        state = _noticed(parts, state, content)
        seconds = _seconds_to_quiet(parts, state, content)
        if seconds > 0:
            message = (
                "waiting until nothing has been uploaded for "
                f"{parts.settings.quiet_seconds} s; put {names.READY} to start now"
            )
            waiting_state = replace(
                state, phase=Phase.WAITING, settled=False, outcome=None, message=message
            )
            return rest(waiting_state, wake=seconds)
    return go(_take_up(parts, state, content, new_ready))


def _woken_soon(parts: Parts, state: State) -> bool:
    """Is there nothing to do but to wait for the message that is on its way?

    Each of thousands of images that are uploaded brings an event: without a new _READY, none of
    them needs a listing of all.
    """
    waiting = state.phase is Phase.WAITING and not state.settled
    if not waiting or state.retrain or state.wake_at is None:
        return False
    left = -parts.seconds_since(state.wake_at)
    if not EARLY_SECONDS < left <= parts.settings.quiet_seconds + 1:
        return False
    ready = look_for_ready(parts.storage, state.dataset)
    return ready is None or ready == state.ready


def _idle(state: State) -> State:
    return replace(
        state,
        phase=Phase.WAITING,
        settled=True,
        outcome=None,
        version=None,
        taken=None,
        retrain=False,
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
        message=f"no data: put CSVs or images under {names.dataset_prefix(state.dataset)}",
    )


def _noticed(parts: Parts, state: State, content: Content) -> State:
    """Since when has the data looked like this? A removal leaves no time behind it but ours."""
    if state.seen == content.version:
        return state
    now = iso(parts.clock())
    if state.seen is not None and state.seen_at is not None and content.newest is not None:
        added = iso(content.newest)
        if parts.seconds_since(added) < parts.seconds_since(state.seen_at):
            now = added  # since the last look something came: that is the change
    return replace(state, seen=content.version, seen_at=now)


def _seconds_to_quiet(parts: Parts, state: State, content: Content) -> int:
    quiet = parts.settings.quiet_seconds
    since = [parts.seconds_since(iso(content.newest))] if content.newest else []
    if state.seen_at is not None:
        since.append(parts.seconds_since(state.seen_at))
    left = math.ceil(quiet - min(since, default=quiet))
    prefix = names.dataset_prefix(state.dataset)
    if left <= 0 and unfinished(parts.storage, prefix, parts.clock()):
        return max(1, quiet)
    return max(0, left)


def _take_up(parts: Parts, state: State, content: Content, new_ready: bool) -> State:
    """Begin a run of the data as it is, or say what is known of it already."""
    version, again = content.version, state.retrain
    past = state.past_of(version)
    state = replace(
        state,
        version=version,
        taken=version,
        ready=content.ready if new_ready else state.ready,
        settled=False,
        outcome=None,
        retrain=False,
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
        lease_until=None,
        asked_at=None,
        tries=0,
    )
    if again:
        return _check(replace(state, package=None))
    if state.champion is not None and state.champion.version == version:
        return _already_live(state)
    if past.package is not None:
        return replace(
            state, phase=Phase.JUDGING, message="this data has been trained: back to the gate"
        )
    if not new_ready and past.outcome in (Outcome.REFUSED, Outcome.FAILED):
        phase = Phase(past.outcome)
        return state.settle(phase, Outcome(past.outcome), past.message)
    return _check(state)


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
