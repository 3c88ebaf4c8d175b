"""Training the present data once more: by call, by message, or on a schedule."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from chalicelib import names
from chalicelib.clock import iso
from chalicelib.datasets.content import Content
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import State
from chalicelib.errors import Conflict

REMEMBERED = 50  # requests whose ids are known, so that each is taken once
LONGEST_ID = 64  # characters; of longer ones the hash is kept


def asked(state: State, request: str | None, who: str) -> State:
    """The state that is to train once more, unless this request was taken before.

    Requests that come before the training begins are one, the first one's. Raises Conflict where
    nothing can be trained.
    """
    known = None if request is None else _short(request)
    if known in state.requests:
        return state
    if state.taken is None and state.settled:
        raise Conflict(
            f"{state.dataset} has no data: put CSVs or images under "
            f"{names.dataset_prefix(state.dataset)} first"
        )
    requests = state.requests if known is None else (*state.requests, known)[-REMEMBERED:]
    state = replace(_wanted(state, who), requests=requests)
    if not state.settled:
        return state
    message = f"to be trained once more, as {state.retrain_by} asks"
    return replace(state, settled=False, outcome=None, message=message)


def scheduled(state: State, content: Content) -> State:
    """The state that knows the schedule of dataset.json."""
    rate = content.service.schedule
    return replace(state, schedule=None if rate is None else rate.text)


def is_due(parts: Parts, state: State) -> bool:
    """Is it time for the training that the schedule wants?"""
    due = state.next_training
    return due is not None and datetime.fromisoformat(due) <= parts.clock()


def due(parts: Parts, state: State) -> State:
    """The state that its schedule has trained once more. The next time counts from now, whatever
    becomes of it."""
    who = f"its schedule, {state.schedule}"
    state = replace(_wanted(state, who), trained_at=iso(parts.clock()))
    return replace(
        state, settled=False, outcome=None, message=f"{who}, is due: to be trained once more"
    )


def _wanted(state: State, who: str) -> State:
    return state if state.retrain else replace(state, retrain=True, retrain_by=who)


def _short(request: str) -> str:
    if len(request) <= LONGEST_ID:
        return request
    return hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
