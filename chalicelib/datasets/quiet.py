"""When does an upload count as complete? Nothing has changed for a while, and nothing is open."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chalicelib import names
from chalicelib.clock import iso
from chalicelib.datasets.content import Content, look_for_ready
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Phase, State
from chalicelib.uploads import Unfinished, unfinished

EARLY_SECONDS = 1  # a delayed message this close to its time may be the one being handled
LONGEST_WAIT = 300  # s between two looks at an upload: so soon another quiet_seconds counts
CHECK_AGAIN = 5  # s between two looks at data that is being checked
MANY = 5000  # objects; a listing of more is worth saving
LOOK_AGAIN = 30  # s between two such listings that find nothing new


@dataclass(frozen=True)
class Wait:
    """Look again in so many `seconds`; `message` says what is waited for."""

    seconds: int
    message: str


def of_dataset(parts: Parts, content: Content) -> int:
    """The quiet period in seconds: dataset.json's, else the stage's."""
    said = content.service.quiet_seconds
    return parts.settings.quiet_seconds if said is None else said


def noticed(parts: Parts, state: State, content: Content) -> State:
    """Since when has the data looked like this? A removal leaves no time behind it but ours."""
    if state.seen == content.version:
        return state
    now = iso(parts.clock())
    if state.seen is not None and state.seen_at is not None and content.newest is not None:
        added = iso(content.newest)
        if parts.seconds_since(added) < parts.seconds_since(state.seen_at):
            now = added  # since the last look something came: that is the change
    return replace(state, seen=content.version, seen_at=now)


def wait(parts: Parts, state: State, content: Content) -> Wait | None:
    """What is still to be waited for; None: the upload is complete. `state` is `noticed`."""
    quiet = of_dataset(parts, content)
    since = [parts.seconds_since(iso(content.newest))] if content.newest else []
    if state.seen_at is not None:
        since.append(parts.seconds_since(state.seen_at))
    left = math.ceil(quiet - min(since, default=quiet))
    if left > 0:
        message = (
            f"waiting until nothing has been uploaded for {quiet} s; put {names.READY} to start now"
        )
        return Wait(min(left, LONGEST_WAIT), message)
    upload = unfinished(parts.storage, names.dataset_prefix(state.dataset), parts.clock())
    return None if upload is None else _for_upload(quiet, upload)


def _for_upload(quiet: int, upload: Unfinished) -> Wait:
    message = (
        f"waiting for the unfinished upload of {upload.key}, until {upload.until:%Y-%m-%d %H:%M} "
        f"UTC unless more of it comes; finish it, abort it, or put {names.READY} to start without "
        "it"
    )
    return Wait(min(max(quiet, EARLY_SECONDS + 1), LONGEST_WAIT), message)


def woken_soon(parts: Parts, state: State) -> bool:
    """Is there nothing to do but to wait for the message that is on its way?

    Each of thousands of images that are uploaded brings an event: without a new _READY, none of
    them needs a listing of all.
    """
    waiting = state.phase is Phase.WAITING and not state.settled
    if not waiting or state.wake_at is None:
        return False
    left = -parts.seconds_since(state.wake_at)
    return EARLY_SECONDS < left <= LONGEST_WAIT + 1 and not _new_ready(parts, state)


def listed_lately(parts: Parts, state: State) -> int:
    """Seconds until a large dataset in which nothing new was found is listed again; 0: now."""
    if state.listed_at is None or state.retrain or not state.settled:
        return 0
    left = LOOK_AGAIN - parts.seconds_since(state.listed_at)
    return math.ceil(left) if left > EARLY_SECONDS and not _new_ready(parts, state) else 0


def nothing_new(parts: Parts, state: State, content: Content) -> State:
    """The state that remembers a listing that was not worth its price."""
    return replace(state, listed_at=iso(parts.clock()) if content.count > MANY else None)


def _new_ready(parts: Parts, state: State) -> bool:
    ready = look_for_ready(parts.storage, state.dataset)
    return ready is not None and ready != state.ready
