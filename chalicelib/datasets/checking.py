"""Wait for the preflight, which the `work` function runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib import names
from chalicelib.clock import iso
from chalicelib.datasets.choices import choices
from chalicelib.datasets.content import look
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, Outcome, Phase, State, go, rest
from chalicelib.errors import ObjectNotFound

LEASE_SECONDS = 960  # a little longer than the work function may run
TRIES = 3


def step(parts: Parts, state: State) -> Move:
    """Ask for the preflight, or take up its report."""
    version = state.version or ""
    if look(parts.storage, state.dataset).version != version:
        return go(
            replace(
                state,
                phase=Phase.WAITING,
                taken=None,
                lease_until=None,
                tries=0,
                message="the data changed while it was being checked",
            )
        )
    report = read_report(parts, state)
    if report is not None and int(report["check"]) >= state.check:
        return go(_checked(parts, state, report))
    if state.lease_until is not None:
        left = -parts.seconds_since(state.lease_until)
        if left > 0:
            return rest(state, wake=math.ceil(left))
    if state.tries >= TRIES:
        message = (
            f"the check of the data did not finish in {TRIES} tries of 15 minutes: make the "
            "dataset smaller, or see the log of the function work"
        )
        return go(state.settle(Phase.FAILED, Outcome.FAILED, message))
    until = iso(parts.clock() + timedelta(seconds=LEASE_SECONDS))
    # Asked for behind the lease: of reconcilers side by side, the one that got it asks. Where that
    # one dies first, the lease ends and the next one asks.
    ask = partial(
        parts.queues.work, "preflight", dataset=state.dataset, version=version, check=state.check
    )
    leased = replace(state, lease_until=until, tries=state.tries + 1)
    return rest(leased, wake=LEASE_SECONDS, then=ask)


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
        state, report=parts.storage.uri(prefix + "report.txt"), lease_until=None, tries=0
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


def start_attempt(parts: Parts, state: State, attempt: int) -> State:
    """Note the attempt before its job is made, so that no number is used twice.

    After a failed or stopped attempt it goes on from that one's checkpoints; where the version's
    newest attempt was finished, it starts from nothing.
    """
    version = state.version or ""
    past = state.past_of(version)
    family = past.family if past.family and past.package is None else attempt
    job = parts.names.job(state.dataset, version, attempt)
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
