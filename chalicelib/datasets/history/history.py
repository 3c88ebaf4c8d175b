"""What happened, told from the states before and after a write: pure functions.

Nobody who takes a step writes history: whatever the steps come to is seen here, in one place.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.datasets.history.timeline import Event, Kind, shorten
from chalicelib.datasets.hosting.live import Why
from chalicelib.datasets.state import Outcome, Phase, State

GATE = "gate"
PERSON = "a person"
_UNDER_WAY = (Phase.TRAINING, Phase.JUDGING, Phase.VERIFYING, Phase.DEPLOYING)
_ENDED = {
    Outcome.REFUSED: Kind.REFUSED,
    Outcome.FAILED: Kind.FAILED,
    Outcome.REJECTED: Kind.REJECTED,
    Outcome.ALREADY_TRAINED: Kind.SEEN_AGAIN,
}

Happened = list[tuple[str, Event]]


def events(before: State, after: State, at: str, code_version: str) -> Happened:
    """What the write from `before` to `after` tells, with the version that each event belongs to.

    `at` is the time of the write; `code_version` the code that a job of now is started with.
    """
    found = _all(before, after, at, code_version)
    failed = _failed_before(before, after)
    if failed is None:
        return found
    return [
        (version, event)
        for version, event in found
        if event.kind not in (Kind.HOSTING_ASKED, Kind.VERIFIED)
        and (event.kind, event.text) != (failed.kind, failed.text)
    ]


def _failed_before(before: State, after: State) -> Event | None:
    """How the hosting that is tried ended the last time: once an hour, for as long as it cannot be
    had, is told once."""
    change = after.changing or before.changing
    if change is None or change.why is not Why.HOSTING:
        return None
    known = before.past_of(change.version).events
    asked = [event.text for event in known if event.kind == Kind.HOSTING_ASKED]
    again = asked[-1:] == [shorten(change.reason)] and known[-1].kind == Kind.FAILED
    return known[-1] if again else None


def _all(before: State, after: State, at: str, code_version: str) -> Happened:
    live = [*_replaced(before, after, at), *_gone_live(before, after, at)]
    if _begun(before, after) or _over(before, after):
        # A rollback, or other hosting: the run under way is set aside, and goes on behind it.
        return [*live, *_changed(before, after, at)]
    return [
        *_on_the_way(before, after, at, code_version),
        *live,
        *_ended(before, after, at),
        *_elsewhere(before, after, at),
    ]


def noted(state: State, happened: Happened) -> State:
    """The state with these events in the notes of their versions."""
    for version, event in happened:
        past = state.past_of(version)
        if (
            event.kind == Kind.SEEN_AGAIN
            and past.events[-1:]
            and past.events[-1].kind == event.kind
        ):
            continue  # dropped over and over
        told = replace(past, events=(*past.events, event))
        if version in state.past:
            state = replace(state, past={**state.past, version: told})
        else:
            state = state.remember(version, told)
        if version not in state.unrecorded:
            state = replace(state, unrecorded=(*state.unrecorded, version))
    return state


def _begun(before: State, after: State) -> bool:
    return after.changing is not None and after.changing != before.changing


def _over(before: State, after: State) -> bool:
    return before.changing is not None and after.changing is None


def _changed(before: State, after: State, at: str) -> Happened:
    """What a rollback or a change of hosting comes to."""
    change = after.change
    if change is None:
        return []
    job = change.training_job
    if _begun(before, after):
        asked = Kind.ROLLBACK_ASKED if change.why is Why.ROLLBACK else Kind.HOSTING_ASKED
        text = shorten(change.reason)
        return [(change.version, Event(at, asked, text, by=change.who, job=job))]
    if change.outcome != Outcome.LIVE:
        return [(change.version, Event(at, Kind.FAILED, shorten(change.message), job=job))]
    if change.why is not Why.ROLLBACK:
        text = shorten(change.reason)
        return [(change.version, Event(at, Kind.HOSTED, text, by=change.who, job=job))]
    why = f": {change.reason}" if change.reason else ""
    text = shorten(f"to {job}{why}")
    return [
        (left.version, Event(at, Kind.ROLLED_BACK, text, by=change.who, job=left.training_job))
        for left in change.leaving
    ]


def _on_the_way(before: State, after: State, at: str, code_version: str) -> Happened:
    """Between taking data up and its end."""
    version, same = after.version, before.version == after.version
    if before.phase is Phase.CHECKING and after.phase is Phase.WAITING and before.version:
        return [(before.version, _event(at, Kind.DATA_CHANGED, before, text=after.message))]
    if version is None:
        return []
    found: Happened = []
    if after.phase is Phase.CHECKING and after.check > before.check:
        kind = Kind.ASKED_AGAIN if before.retrain else Kind.TAKEN_UP
        found.append((version, Event(at, kind, by=before.retrain_by)))
    if before.phase is Phase.CHECKING and same and _passed(after):
        text = _set_aside(after.set_aside)
        found.append((version, Event(at, Kind.CHECKED, text)))
    if after.awaits == "cost" and before.awaits != "cost":
        pending = _event(at, Kind.COST_PENDING, after, text=after.message)
        ran = before.phase is Phase.TRAINING  # until its cap was used up
        usd = _spent(before, after, after.training_job) if ran else None
        found.append((version, replace(pending, usd=usd)))
    if before.awaits == "cost" and after.awaits is None and same and not after.settled:
        text = after.decided_why or ""
        found.append((version, _event(at, Kind.COST_APPROVED, after, text, after.decided_by)))
    return [*found, *_of_the_job(before, after, at, code_version), *_judged(before, after, at)]


def _passed(after: State) -> bool:
    """Is the check through, and well? A wait for the cost's approval comes behind it."""
    return after.phase in _UNDER_WAY or after.awaits == "cost"


def _of_the_job(before: State, after: State, at: str, code_version: str) -> Happened:
    version, job = after.version or "", after.training_job
    known = {(event.kind, event.job) for event in before.past_of(version).events}
    started = Event(
        at,
        Kind.JOB_STARTED,
        preset=after.preset,
        instances=after.instances,
        code_version=code_version,
        usd=_estimated(after, job),
        job=job,
    )
    begins = [] if (Kind.JOB_STARTED, job) in known else [(version, started)]
    found: Happened = []
    same = before.version == after.version
    if before.phase is after.phase is Phase.TRAINING and same and before.training_job != job:
        found.append((version, _tried_again(before, after, at)))
    found += _other_instances(before, after, at)
    if before.phase is Phase.TRAINING and before.training_job == job and _job_is_there(after):
        found += begins
    if after.phase is not Phase.JUDGING or before.phase is Phase.JUDGING:
        return found
    if before.phase is Phase.TRAINING and (Kind.TRAINED, job) not in known:
        spent = _spent(before, after, job)
        trained = Event(at, Kind.TRAINED, job=job, report=after.report, usd=spent)
        return [*found, *begins, (version, trained)]
    if before.settled:
        found.append((version, Event(at, Kind.BACK_TO_GATE, job=job)))
    return found


def _job_is_there(after: State) -> bool:
    """Does SageMaker know the job? Only of such a one a message begins so."""
    if after.phase not in (Phase.TRAINING, Phase.FAILED):
        return False
    return after.message.startswith(f"training job {after.training_job}")


def _tried_again(before: State, after: State, at: str) -> Event:
    """The job failed by no fault of the data, and the next attempt was begun."""
    new = [why for i, why in after.costs.refused.items() if i not in before.costs.refused]
    text = new[0] if new else "by the service's own fault; it is tried once more"
    event = _event(at, Kind.JOB_FAILED, before, text)
    return replace(event, usd=_spent(before, after, before.training_job))


def _judged(before: State, after: State, at: str) -> Happened:
    version, same = after.version or "", before.version == after.version
    if after.phase is Phase.DEPLOYING and before.phase is Phase.VERIFYING and same:
        return [(version, Event(at, Kind.VERIFIED, job=after.training_job))]
    judging = before.phase is after.phase is Phase.JUDGING and same
    if judging and before.message != after.message and " compares " in after.message:
        return [(version, _event(at, Kind.COMPARED_AGAIN, after, after.message))]
    if after.phase is not Phase.VERIFYING or (before.phase is Phase.VERIFYING and same):
        return []
    if before.phase is Phase.JUDGING and same:
        by = after.decided_by or GATE
    else:
        by = after.decided_by if after.decided_by not in (None, GATE) else PERSON
    text = after.decided_why or after.message
    return [(version, _event(at, Kind.APPROVED, after, text, by))]


def _replaced(before: State, after: State, at: str) -> Happened:
    old, new = before.champion, after.champion
    if old is None or (new is not None and old.training_job == new.training_job):
        return []
    if _over(before, after) and before.changing and before.changing.why is Why.ROLLBACK:
        return []  # told as what it is
    text = f"by {new.training_job}" if new else "nothing is live any more"
    return [(old.version, Event(at, Kind.REPLACED, text, job=old.training_job))]


def _gone_live(before: State, after: State, at: str) -> Happened:
    old, new = before.champion, after.champion
    if new is None or (old is not None and old.training_job == new.training_job):
        return []
    event = Event(at, Kind.LIVE, job=new.training_job, accuracy=new.accuracy, report=after.report)
    return [(new.version, event)]


def _ended(before: State, after: State, at: str) -> Happened:
    if not newly_ended(before, after) or after.version is None or after.outcome is None:
        return []
    kind = _ENDED.get(after.outcome)
    if after.outcome is Outcome.PENDING_APPROVAL and after.awaits != "cost":
        kind = Kind.APPROVAL_PENDING
    if kind is None:
        return []
    by = None
    if kind is Kind.REJECTED:
        by = after.decided_by or (PERSON if after.past_of(after.version).by_person else GATE)
    event = _event(at, kind, after, after.message, by)
    usd = _spent(before, after, after.training_job) if before.phase is Phase.TRAINING else None
    return [(after.version, replace(event, report=after.report, usd=usd))]


def newly_ended(before: State, after: State) -> bool:
    """Did the write end a run, or say of data that was dropped again what is known of it?"""
    if not after.settled or after.outcome is None:
        return False
    ended = (after.outcome, after.version, after.attempt, after.awaits)
    return not before.settled or ended != (
        before.outcome,
        before.version,
        before.attempt,
        before.awaits,
    )


def _elsewhere(before: State, after: State, at: str) -> Happened:
    """What became of versions that the phase does not speak of: a person turned them down."""
    found: Happened = []
    for version, past in after.past.items():
        if past.outcome != Outcome.REJECTED:
            continue
        if before.past_of(version).outcome == Outcome.REJECTED:
            continue
        if before.past_of(version).package != past.package:
            continue  # remembered again: no news
        if version == after.version and newly_ended(before, after):
            continue  # told by `_ended`
        by = past.decided_by or PERSON
        found.append((version, Event(at, Kind.REJECTED, shorten(past.message), by=by)))
    return found


def _event(at: str, kind: Kind, state: State, text: str = "", by: str | None = None) -> Event:
    return Event(at, kind, shorten(text), by=by, job=state.training_job)


def _other_instances(before: State, after: State, at: str) -> Happened:
    """Instances that the run could not have."""
    new = [i for i in after.costs.refused if i not in before.costs.refused]
    return [
        (
            after.version or "",
            Event(at, Kind.OTHER_INSTANCES, shorten(f"no {i}: {after.costs.refused[i]}")),
        )
        for i in new
        if after.version
    ]


def _estimated(state: State, job: str | None) -> float | None:
    quote = state.costs.quote
    return quote.estimated_usd if quote is not None and quote.job == job else None


def _spent(before: State, after: State, job: str | None) -> float | None:
    """What the job was billed, as far as it is known by now."""
    quotes = [state.costs.quote for state in (after, before)]
    known = [quote.spent_usd for quote in quotes if quote is not None and quote.job == job]
    return next((usd for usd in known if usd is not None), None)


def _set_aside(count: int) -> str:
    if not count:
        return ""
    return f"{count:,} bad {'row' if count == 1 else 'rows'} set aside"
