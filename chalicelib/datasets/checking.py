"""Wait for the preflight, which the `work` function runs: in one go, or in pieces side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib import names
from chalicelib.clock import iso
from chalicelib.datasets.content import Content, look
from chalicelib.datasets.cost.choices import choices
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.preflight.pieces import Pieces, Progress
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import ObjectNotFound

SHORTEST_LEASE = 10  # s; a function that has not run for a while takes some to start
LONGEST_LEASE = 960  # s; a little longer than the work function may run
SLOWEST = 10_000_000  # bytes of rows a second that the slowest function reads
# Without anything getting done: three quarters of an hour, which other large checks may take first.
TRIES = 6
LEFT_BEHIND = "other data took its place before its cost was approved"


def step(parts: Parts, state: State) -> Move:
    """Ask for the preflight, or for its pieces, or take up its report."""
    version = state.version or ""
    content = look(parts.storage, state.dataset)
    if content.version != version:
        return go(
            replace(
                _through(state),
                phase=Phase.WAITING,
                taken=None,
                message="the data changed while it was being checked",
            )
        )
    report = read_report(parts, state)
    if report is not None and int(report["check"]) >= state.check:
        return go(_checked(parts, _through(state), report))
    progress = Pieces(parts.storage, state.dataset, version, state.check).progress()
    if progress is not None and _came_on(state, progress):
        newly = state.pieces != progress.count
        return _leased(parts, _noted(state, progress), progress, ask=newly)
    if state.lease_until is not None:
        left = -parts.seconds_since(state.lease_until)
        if left > 0:
            return rest(state, wake=math.ceil(left))
    if state.tries >= TRIES:
        message = (
            f"the check of the data was asked for {TRIES} times, and did not come on: see the log "
            "of the function work, then `pigeonhole retrain`"
        )
        return go(_through(state).settle(Phase.FAILED, Outcome.FAILED, message))
    if progress is None:
        progress = Progress(0, (), _cost(parts, content))
    return _leased(parts, replace(state, tries=state.tries + 1), progress, ask=True)


def _came_on(state: State, progress: Progress) -> bool:
    done = progress.count - len(progress.missing)
    return state.pieces != progress.count or done > state.pieces_done


def _noted(state: State, progress: Progress) -> State:
    done = progress.count - len(progress.missing)
    message = f"checking the data: {done} of {progress.count} pieces are done"
    return replace(state, pieces=progress.count, pieces_done=done, tries=0, message=message)


def _through(state: State) -> State:
    return replace(state, lease_until=None, tries=0, pieces=0, pieces_done=0)


def _cost(parts: Parts, content: Content) -> int:
    """Of the first call: it checks what is small, and plans the rest."""
    return min(parts.settings.preflight_piece_bytes, sum(file.size for file in content.used))


def _leased(parts: Parts, state: State, progress: Progress, *, ask: bool) -> Move:
    """Wait for what is not done, and ask for it if need be.

    Whatever was asked for may be done twice, so the lease need not be longer than it takes most of
    the time. It doubles with each try.
    """
    seconds = max(SHORTEST_LEASE, parts.settings.retry_seconds) + progress.cost / SLOWEST
    lease = math.ceil(min(LONGEST_LEASE, seconds * 2 ** max(0, state.tries - 1)))
    until = iso(parts.clock() + timedelta(seconds=lease))
    leased = replace(state, lease_until=until)
    # Asked for behind the lease: of reconcilers side by side, the one that got it asks. Where that
    # one dies first, the lease ends and the next one asks.
    return rest(leased, wake=lease, then=partial(_ask, parts, state, progress) if ask else None)


def _ask(parts: Parts, state: State, progress: Progress) -> None:
    """For each piece that is not done; for none, which puts all together; or for the first call."""
    whole = {
        "dataset": state.dataset,
        "version": state.version or "",
        "check": state.check,
        "champion": None if state.champion is None else state.champion.version,
    }
    for piece in progress.missing:
        parts.queues.work("preflight", **whole, piece=piece)
    if not progress.missing:
        parts.queues.work("preflight", **whole)


def read_report(parts: Parts, state: State) -> Mapping[str, Any] | None:
    """The preflight's report.json of the version, or None."""
    key = names.preflight_prefix(state.dataset, state.version or "") + "report.json"
    try:
        report: Mapping[str, Any] = parts.storage.get_json(key)
    except ObjectNotFound:
        return None
    return report


def _checked(parts: Parts, state: State, report: Mapping[str, Any]) -> State:
    version = state.version or ""
    prefix = names.preflight_prefix(state.dataset, version)
    state = replace(
        state,
        report=parts.storage.uri(prefix + "report.txt"),
        set_aside=int(report.get("set_aside_count") or 0),
    )
    if report.get("failed"):
        return state.settle(Phase.FAILED, Outcome.FAILED, str(report["summary"]))
    if not report["ok"]:
        return state.settle(Phase.REFUSED, Outcome.REFUSED, str(report["summary"]))
    chosen = choices(report, parts.settings)
    state = replace(
        state,
        preset=chosen.preset,
        instances=str(chosen.instances),
        costs=state.costs.fresh(),
    )
    past = state.past_of(version)
    attempt = past.attempt + 1
    # Attempts that this item knows nothing of (it was lost once) keep their names. The first one is
    # taken over as it is: the same data, so the same job.
    while past.attempt and parts.training.describe(
        parts.names.job(state.dataset, version, attempt)
    ):
        attempt += 1
    return start_attempt(parts, state, attempt)


# What is kept of a version's model in case that no other one is trained after all.
OF_A_MODEL = (
    "attempt",
    "family",
    "outcome",
    "message",
    "package",
    "report",
    "by_person",
    "preset",
    "instances",
)


def start_attempt(parts: Parts, state: State, attempt: int) -> State:
    """Note the attempt before its job is made, so that no number is used twice.

    After a failed or stopped attempt it goes on from that one's checkpoints; where the version's
    newest attempt was finished, it starts from nothing.
    """
    version = state.version or ""
    past = state.past_of(version)
    family = past.family if past.family and past.package is None else attempt
    job = parts.names.job(state.dataset, version, attempt)
    if past.package is not None:
        former = {"version": version} | {name: getattr(past, name) for name in OF_A_MODEL}
        state = replace(state, costs=replace(state.costs, former=former))
    state = replace(
        state,
        phase=Phase.TRAINING,
        attempt=attempt,
        training_job=job,
        trained_at=iso(parts.clock()),
        package=None,
        publishing=None,
        publish_until=None,
        report_problem=None,
        message=f"training job {job} is about to start",
    )
    note = replace(
        past,
        attempt=attempt,
        family=family,
        package=None,
        outcome=None,
        report=state.report,
        preset=state.preset,
        instances=state.instances,
    )
    return state.remember(version, note)


def left_behind(state: State, version: str | None) -> State:
    """The state in which `version` (None: nothing) takes the place of what was asked for before.

    No other version waits for its cost any more. One that was to be trained once more, and was not,
    has the model that it had.
    """
    notes = {
        left: replace(past, outcome=None, message=LEFT_BEHIND)
        for left, past in state.past.items()
        if past.outcome == Outcome.PENDING_APPROVAL and past.package is None
    }
    state = replace(state, past={**state.past, **notes})
    former = state.costs.former
    owner = former.get("version", state.version) if former else None
    if owner is None or owner == version:
        return state
    return replace(with_former(state), costs=replace(state.costs, former=None))


def with_former(state: State) -> State:
    """The state that knows again of the model that a version had before a training of it that left
    none; of no other one, nothing changes."""
    former = dict(state.costs.former or {})
    owner = former.pop("version", state.version)
    past = state.past.get(owner or "")
    if not former or owner is None or past is None or past.package is not None:
        return state
    return replace(state, past={**state.past, owner: replace(past, **former)})
