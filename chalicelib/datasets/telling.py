"""What the item owes: notices to the topic, and the versions' records in S3.

Done from what was written already, behind the steps of the flow: neither a topic that does not
answer nor S3 stops a model on its way. What could not be delivered stays in the item, which is
unsettled for as long: later steps and the sweep try again. A function that dies after it sent a
notice sends it again, under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from chalicelib import names
from chalicelib.aws.notifications import Notifications
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.clock import iso
from chalicelib.datasets import notices, records
from chalicelib.datasets.outbox import SHOWN, Notice, NoticeKind
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.problem import Problem
from chalicelib.datasets.state import State
from chalicelib.datasets.timeline import KEPT, KEPT_UNDER_WAY
from chalicelib.errors import ObjectChanged, ObjectNotFound, RequestRefused, Unavailable

AGAIN_SECONDS = 60  # until a topic that did not answer is asked again
GIVEN_UP = timedelta(days=4)  # then a notice is news no more
FIRST_PROBLEMS = 5


def deliver(parts: Parts, notifications: Notifications, state: State) -> State:
    """Send and record what the state owes; the state without what was."""
    return _told(parts, notifications, _recorded(parts, state))


def _told(parts: Parts, notifications: Notifications, state: State) -> State:
    if not state.outbox or _too_early(parts, state):
        return state
    left, told = list(state.outbox), list(state.told)
    after = None
    while left:
        notice = left[0]
        try:
            notifications.send(_message(parts, state, notice))
        except (Unavailable, *AWS_TROUBLE) as error:
            age = timedelta(seconds=parts.seconds_since(notice.at))
            if age <= GIVEN_UP:
                parts.logger.warning(
                    "the notification topic does not answer", reason=str(error), notice=notice.id
                )
                after = iso(parts.clock() + timedelta(seconds=AGAIN_SECONDS))
                break
            parts.logger.error("a notice was given up", notice=notice.id, reason=str(error))
        except RequestRefused as error:
            parts.logger.error("the topic refuses a notice", notice=notice.id, reason=str(error))
        else:
            told.append(replace(notice, text="", sent=iso(parts.clock())))
        left.pop(0)
    return replace(state, outbox=tuple(left), told=tuple(told[-SHOWN:]), tell_after=after)


def _too_early(parts: Parts, state: State) -> bool:
    return state.tell_after is not None and parts.seconds_since(state.tell_after) < 0


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


def _recorded(parts: Parts, state: State) -> State:
    """The records of versions that events were noted of; then the item keeps the newest alone.

    Of the version under way, a record is written at its end, or before the item gets crowded.
    """
    for version in state.unrecorded:
        past = state.past.get(version)
        under_way = version == state.version and not state.settled
        if past is None:
            state = _without(state, version)
            continue
        if under_way and len(past.events) < KEPT_UNDER_WAY:
            continue
        try:
            records.write(parts.storage, state.dataset, version, past)
        except (ObjectChanged, *AWS_TROUBLE) as error:
            parts.logger.warning("no record of a version", version=version, reason=str(error))
            continue
        kept = past.events[-(KEPT_UNDER_WAY // 2 if under_way else KEPT) :]
        noted = {**state.past, version: replace(past, events=kept)}
        state = _without(replace(state, past=noted), version)
    return state


def _without(state: State, version: str) -> State:
    return replace(state, unrecorded=tuple(v for v in state.unrecorded if v != version))
