"""What the item owes: notices to the topic, and the versions' records in S3.

Done from what was written already, behind the steps of the flow: neither a topic that does not
answer nor S3 stops a model on its way. Of reconcilers side by side, the one that got the lease
tells. What could not be delivered stays in the item, which is unsettled for as long: later steps
and the sweep try again. A function that dies after it sent a notice has it sent again, under the
same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from chalicelib import names
from chalicelib.aws.notifications import Notifications
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import iso
from chalicelib.datasets.history import notices, records
from chalicelib.datasets.history.outbox import SHOWN, Notice, NoticeKind
from chalicelib.datasets.history.timeline import KEPT, KEPT_UNDER_WAY
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.state import Past, State
from chalicelib.errors import ObjectChanged, ObjectNotFound, RequestRefused, Unavailable

LEASE_SECONDS = 30  # longer than the topic may take to answer, or not to
AGAIN_SECONDS = 60  # until a topic that did not answer is asked again
GIVEN_UP = timedelta(days=4)  # then a notice is news no more
FIRST_PROBLEMS = 5


@dataclass(frozen=True)
class Paid:
    """What was delivered, to be taken off whatever the item holds by then."""

    sent: tuple[Notice, ...] = ()
    given_up: tuple[Notice, ...] = ()
    recorded: Mapping[str, Past] = field(default_factory=dict)
    told: bool = False  # or tried to; where the topic did not answer, not again before `tell_after`
    tell_after: str | None = None

    def off(self, state: State) -> State:
        """The state without it."""
        gone = {notice.id for notice in (*self.sent, *self.given_up)}
        state = replace(
            state,
            outbox=tuple(notice for notice in state.outbox if notice.id not in gone),
            told=(*state.told, *self.sent)[-SHOWN:],
        )
        if self.told:
            state = replace(state, telling_until=None, tell_after=self.tell_after)
        for version, past in self.recorded.items():
            now = state.past.get(version)
            if now is None or now.events == past.events:
                kept = replace(state, unrecorded=_but(state.unrecorded, version))
                state = kept if now is None else _trimmed(kept, version, now)
        return state


def lease_seconds(parts: Parts, state: State) -> float:
    """How long somebody else is at it."""
    return 0 if state.telling_until is None else -parts.seconds_since(state.telling_until)


def leased(parts: Parts, state: State) -> State:
    """The state in which nobody else tells for a while; the same one where nobody may now."""
    put_off = state.tell_after is not None and parts.seconds_since(state.tell_after) < 0
    if not state.outbox or put_off or lease_seconds(parts, state) > 0:
        return state
    until = iso(parts.clock() + timedelta(seconds=LEASE_SECONDS))
    return replace(state, telling_until=until, tell_after=None)


def deliver(parts: Parts, notifications: Notifications, state: State, *, tell: bool) -> Paid:
    """Record, and send where `tell` says that the lease is ours. Raises nothing of AWS'."""
    recorded = _recorded(parts, state)
    if not tell:
        return Paid(recorded=recorded)
    return replace(_told(parts, notifications, state), recorded=recorded)


def _told(parts: Parts, notifications: Notifications, state: State) -> Paid:
    sent: list[Notice] = []
    given_up: list[Notice] = []
    after = None
    for notice in state.outbox:
        try:
            notifications.send(_message(parts, state, notice))
        except (Unavailable, *AWS_TROUBLE) as error:
            if timedelta(seconds=parts.seconds_since(notice.at)) <= GIVEN_UP:
                parts.logger.warning(
                    "the notification topic does not answer", reason=str(error), notice=notice.id
                )
                after = iso(parts.clock() + timedelta(seconds=AGAIN_SECONDS))
                break
            parts.logger.error("a notice was given up", notice=notice.id, reason=str(error))
            given_up.append(notice)
        except RequestRefused as error:
            parts.logger.error("the topic refuses a notice", notice=notice.id, reason=str(error))
            given_up.append(notice)
        else:
            sent.append(replace(notice, text="", sent=iso(parts.clock())))
    return Paid(tuple(sent), tuple(given_up), told=True, tell_after=after)


def _message(parts: Parts, state: State, notice: Notice) -> notices.Message:
    problems = _problems(parts, state, notice) if notice.kind == NoticeKind.REFUSED else ()
    return notices.message(notice, parts.settings.stage, state.dataset, problems)


def _problems(parts: Parts, state: State, notice: Notice) -> Sequence[str]:
    """The first that the check found, in sentences; one alone stands in the notice itself."""
    key = names.preflight_prefix(state.dataset, notice.version or "") + "report.json"
    try:
        found = parts.storage.get_json(key)["problems"][:FIRST_PROBLEMS]
        return [str(Problem(**raw)) for raw in found] if len(found) > 1 else ()
    except (ObjectNotFound, ValueError, KeyError, TypeError):
        return ()


def _recorded(parts: Parts, state: State) -> dict[str, Past]:
    """Write the records of versions that something was noted of; these, as they were written.

    Of the version under way, a record is written at its end, or before the item gets crowded.
    """
    done: dict[str, Past] = {}
    for version in state.unrecorded:
        past = state.past.get(version, Past())
        if _under_way(state, version) and len(past.events) < KEPT_UNDER_WAY:
            continue
        try:
            if version in state.past:
                records.write(parts.storage, state.dataset, version, past)
        except (ObjectChanged, *AWS_TROUBLE) as error:
            parts.logger.warning("no record of a version", version=version, reason=str(error))
        else:
            done[version] = past
    return done


def _under_way(state: State, version: str) -> bool:
    return version == state.version and not state.settled


def _trimmed(state: State, version: str, past: Past) -> State:
    """The record has all events: the item keeps the newest."""
    kept = KEPT_UNDER_WAY // 2 if _under_way(state, version) else KEPT
    return replace(state, past={**state.past, version: replace(past, events=past.events[-kept:])})


def _but(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return tuple(known for known in versions if known != version)
