"""What happened, told from the states before and after a write: pure functions.

Nobody who takes a step writes history: whatever the steps come to is seen here, in one place.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.datasets.state import Outcome, Phase, State
from chalicelib.datasets.timeline import Event, Kind, merged, shorten

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
    return [
        *_replaced(before, after, at),
        *_on_the_way(before, after, at, code_version),
        *_gone_live(before, after, at),
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


def of_version(state: State, version: str) -> tuple[Event, ...]:
    """The events that the item holds of it."""
    return merged(state.past_of(version).events)


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
        found.append((version, Event(at, kind)))
    if before.phase is Phase.CHECKING and same and _passed(after):
        text = _set_aside(after.set_aside)
        found.append((version, Event(at, Kind.CHECKED, text)))
    if after.awaits == "cost" and before.awaits != "cost":
        found.append((version, _event(at, Kind.COST_PENDING, after, text=after.message)))
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
    found: Happened = []
    again = before.phase is after.phase is Phase.TRAINING and before.version == after.version
    if again and before.training_job != job:
        text = before.message if after.message.startswith("training job") else after.message
        found.append((version, _event(at, Kind.JOB_FAILED, before, text=text)))
    starts = after.phase is Phase.TRAINING and job is not None
    if starts and (Kind.JOB_STARTED, job) not in known:
        started = Event(
            at,
            Kind.JOB_STARTED,
            job=job,
            preset=after.preset,
            instances=after.instances,
            code_version=code_version,
        )
        found.append((version, started))
    if after.phase is not Phase.JUDGING or before.phase is Phase.JUDGING:
        return found
    if before.phase is Phase.TRAINING and (Kind.TRAINED, job) not in known:
        found.append((version, Event(at, Kind.TRAINED, job=job, report=after.report)))
    elif before.settled:
        found.append((version, Event(at, Kind.BACK_TO_GATE, job=job)))
    return found


def _judged(before: State, after: State, at: str) -> Happened:
    version, same = after.version or "", before.version == after.version
    if after.phase is Phase.DEPLOYING and before.phase is Phase.VERIFYING and same:
        return [(version, Event(at, Kind.VERIFIED, job=after.training_job))]
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
    return [(after.version, replace(event, report=after.report))]


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
        was = before.past_of(version)
        if past.outcome != Outcome.REJECTED or was.outcome == Outcome.REJECTED:
            continue
        if version == after.version and newly_ended(before, after):
            continue  # told by `_ended`
        live = was.outcome == Outcome.LIVE
        kind = Kind.ROLLED_BACK if live else Kind.REJECTED
        by = after.decided_by if after.decided_by not in (None, GATE) else PERSON
        found.append((version, Event(at, kind, shorten(past.message), by=by)))
    return found


def _event(at: str, kind: Kind, state: State, text: str = "", by: str | None = None) -> Event:
    return Event(at, kind, shorten(text), by=by, job=state.training_job)


def _set_aside(count: int) -> str:
    if not count:
        return ""
    return f"{count:,} bad {'row' if count == 1 else 'rows'} set aside"
