"""Rollbacks and changes of hosting: a model that was live is verified and deployed once more.

Neither waits for a training job of hours: the run under way is set aside in the item and goes on
afterwards where it was. A model that is on its way to traffic when people roll back counts as
rolled back from: it is what they have before their eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from chalicelib.aws.endpoints import Capacity
from chalicelib.aws.registry import Approval, Package
from chalicelib.clock import iso
from chalicelib.datasets.gate import deciding, people
from chalicelib.datasets.gate.deciding import PersonsWord
from chalicelib.datasets.hosting import hosting
from chalicelib.datasets.hosting.live import Champion, Change, Left, Why
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.settings.service_settings import ServiceSettings
from chalicelib.datasets.state import Outcome, Phase, State

LONGEST_REASON = 500  # characters
TRY_AGAIN_SECONDS = 3600  # after hosting did not come up

# What a change overwrites of the run that it interrupts.
_RUN = (
    "phase",
    "message",
    "version",
    "attempt",
    "training_job",
    "settled",
    "outcome",
    "report",
    "package",
    "lease_until",
    "asked_at",
    "tries",
    "preset",
    "instances",
    "publishing",
    "publish_until",
    "report_problem",
    "awaits",
    "decided_by",
    "decided_why",
)
_ASKED = "rollback_asked"  # property of a package: when the last rollback that spoke of it was
_GOING_LIVE = (Phase.VERIFYING, Phase.DEPLOYING)


def is_live(state: State, target: Left) -> bool:
    """Is there nothing to roll back: is it live, and nothing on its way to replace it?"""
    champion = state.champion
    live = champion is not None and champion.training_job == target.training_job
    return live and state.phase not in _GOING_LIVE and state.live_problem is None


def rolled_back(parts: Parts, state: State, target: Left, who: str, reason: str) -> State:
    """The state in which `target` is on its way to be live again."""
    assert state.champion is not None
    reason = " ".join(reason.split())[:LONGEST_REASON]
    change = Change(
        Why.ROLLBACK,
        target.version,
        target.training_job,
        who,
        reason,
        iso(parts.clock()),
        leaving=tuple(one for one in _present(state) if one.training_job != target.training_job),
        again=_left_before(state, target),
    )
    told = f": {reason}" if reason else ""
    message = f"{who} rolls back to {target.training_job}{told}"
    return replace(
        _begun(parts, _aside(state), target, change, message), decided_by=who, decided_why=reason
    )


def _left_before(state: State, target: Left) -> bool:
    """Was it rolled back from, or is about to be?"""
    leaving = state.changing.leaving if state.changing else ()
    left = {one.training_job for one in leaving}
    left |= {one.training_job for one in state.former if one.rolled_back}
    return target.training_job in left


def _present(state: State) -> list[Left]:
    """What is live, and what was about to be."""
    champion = state.champion
    assert champion is not None
    found = [Left(champion.version, champion.training_job, champion.model_package_arn)]
    if state.phase in _GOING_LIVE and state.changing is None and state.package:
        found.append(Left(state.version or "", state.training_job or "", state.package))
    elif state.changing is not None:
        found.extend(state.changing.leaving)
    return list({one.training_job: one for one in found}.values())


def rehosted(parts: Parts, state: State, service: ServiceSettings) -> State | None:
    """The champion on its way to what dataset.json wants it to run on; None when it is there."""
    champion = state.champion
    if champion is None or not state.settled or state.changing is not None:
        return None
    capacity = hosting.wanted(parts.settings, service.endpoint)
    present = champion.hosting
    if present is None:  # of an older release: look it up, once
        found = parts.endpoints.capacity(champion.served_by)
        if found is None:
            return None
        present = hosting.as_json(found)
    if present == hosting.as_json(capacity):
        return None if champion.hosting else _known(state, champion, present)
    if gave_up(parts, state, capacity):
        return None
    change = Change(
        Why.HOSTING,
        champion.version,
        champion.training_job,
        "dataset.json" if service.endpoint else "the stage's settings",
        str(capacity),
        iso(parts.clock()),
        hosting=hosting.as_json(capacity),
    )
    message = f"{champion.training_job} moves to: {capacity}"
    model = Left(champion.version, champion.training_job, champion.model_package_arn)
    aside = _aside(_known(state, champion, present))
    if aside.paused is None:  # the outcome of the last drop is shown again afterwards
        aside = replace(aside, paused=_run(state))
    return _begun(parts, aside, model, change, message)


def _known(state: State, champion: Champion, present: Mapping[str, Any]) -> State:
    return replace(state, champion=replace(champion, hosting=present))


def gave_up(parts: Parts, state: State, capacity: Capacity) -> bool:
    """Has this hosting not come up a while ago?"""
    last = state.change
    if last is None or last.outcome != Outcome.FAILED or last.ended is None:
        return False
    if last.hosting != hosting.as_json(capacity):
        return False
    return parts.seconds_since(last.ended) < TRY_AGAIN_SECONDS


def _aside(state: State) -> State:
    """The run under way is set aside; one that is nearly live is not to go on."""
    if state.changing is not None:  # a change within a change: the first run still waits
        return state
    waits = state.outcome is Outcome.PENDING_APPROVAL
    if state.phase in _GOING_LIVE or (state.settled and not waits):
        return replace(state, paused=None)
    return replace(state, paused=_run(state))


def _run(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in _RUN}


def _begun(parts: Parts, state: State, model: Left, change: Change, message: str) -> State:
    run = parts.names.parse_job(model.training_job)
    past = state.past_of(model.version)
    known = past.package == model.package
    return replace(
        state,
        phase=Phase.VERIFYING,
        message=message,
        version=model.version,
        attempt=run.attempt if run else 0,
        training_job=model.training_job,
        package=model.package,
        report=past.report if known else None,
        preset=past.preset if known else None,
        instances=past.instances if known else None,
        settled=False,
        outcome=None,
        lease_until=None,
        asked_at=None,
        tries=0,
        publishing=None,
        publish_until=None,
        report_problem=None,
        awaits=None,
        config=None,
        hosting=None,
        because=None,
        recalled=False,
        change=change,
    )


def turned_down(parts: Parts, state: State) -> PersonsWord | None:
    """Has a person rejected the model on its way to be live? What was said before somebody rolled
    back to it no longer counts, and on what the live model runs is no decision on it."""
    change = state.changing
    if change is not None and change.why is Why.HOSTING:
        return None
    word = people.turned_down(parts, state)
    if word is None or change is None:
        return word
    package = parts.registry.describe(state.package or "")
    if package is None or package.properties.get(_ASKED) == change.asked:
        return word
    allowed(parts, state)  # that was the end of an earlier rollback, come late
    return None


def allowed(parts: Parts, state: State) -> None:
    """SageMaker deploys no model that is not approved: who rolls back to one approves it."""
    change = state.changing
    package = parts.registry.describe(state.package or "")
    if change is not None and change.why is Why.ROLLBACK and package is not None:
        _say(parts, package, change, Approval.APPROVED, "rolled back to it")


def tell_registry(parts: Parts, state: State) -> None:
    """What was rolled back from is rejected there."""
    change = state.changing
    for left in change.leaving if change else ():
        package = parts.registry.describe(left.package)
        if change is not None and package is not None:
            why = f"rolled back to {change.training_job}"
            _say(parts, package, change, Approval.REJECTED, why)


def _say(parts: Parts, package: Package, change: Change, approval: Approval, why: str) -> None:
    """Unless a later rollback has spoken."""
    if package.properties.get(_ASKED, "") <= change.asked:
        word = PersonsWord(approval, change.who, f"{why}. {change.reason}".strip())
        deciding.record_person(parts, package, word, **{_ASKED: change.asked})


def ended(parts: Parts, state: State) -> State:
    """Once the change has come to its end: noted, and the run that waited goes on."""
    change = state.changing
    if change is None:
        return state
    live = state.outcome is Outcome.LIVE
    message = state.message
    if live and change.why is Why.ROLLBACK:
        told = f": {change.reason}" if change.reason else ""
        message = f"{state.message}; {change.who} rolled back to it{told}"
    over = replace(change, outcome=str(state.outcome), message=message, ended=iso(parts.clock()))
    state = replace(state, message=message, change=over)
    if live:
        for left in change.leaving:
            state = _rejected(state, left, change)
    elif change.again:  # rejected it was, and stays
        package = parts.registry.describe(state.package or "")
        if package is not None and package.approval == Approval.APPROVED:
            _say(parts, package, change, Approval.REJECTED, "the rollback to it failed")
        model = Left(change.version, change.training_job, state.package or "")
        state = _rejected(state, model, change)
    if not live and change.why is Why.HOSTING:  # that is no end of the model's, which is live
        past = replace(state.past_of(change.version), outcome=Outcome.LIVE)
        said = f"{change.training_job} is live"
        state = state.remember(change.version, replace(past, message=said))
    return _resumed(state)


def _rejected(state: State, left: Left, change: Change) -> State:
    """Its data does not bring it back, and a person may still approve it."""
    past = state.past_of(left.version)
    if past.package != left.package:
        return state
    told = f": {change.reason}" if change.reason else ""
    message = f"{change.who} rolled back from it{told}"
    note = replace(past, outcome=Outcome.REJECTED, message=message, by_person=True)
    return state.remember(left.version, note)


def _resumed(state: State) -> State:
    if state.paused is None:
        return state
    known = {f.name for f in fields(State)}
    run = {name: value for name, value in state.paused.items() if name in known}
    run["phase"] = Phase(run["phase"])
    run["outcome"] = None if run["outcome"] is None else Outcome(run["outcome"])
    return replace(state, paused=None, **run)
