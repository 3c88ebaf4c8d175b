"""Have a job's reports published, and wait for it a while: no model waits for its report for ever.

The `work` function does it (`reports.py`) and writes published.json last. The outcome is told with
the report where that comes in time; where it does not, the flow goes on, publishing is asked for
once more, and the status gets its report whenever it is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib import names
from chalicelib.aws.training import TrainingJob
from chalicelib.clock import iso
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Move, State, rest
from chalicelib.errors import ObjectNotFound

WAIT_SECONDS = 180


def awaited(parts: Parts, state: State) -> State | Move:
    """The state with the report of `training_job`, or what to do until it is there."""
    job = state.training_job or ""
    found = _published(parts, state.dataset, job)
    if found is not None:
        return _taken_up(parts, state, found)
    if state.publishing != job:
        until = iso(parts.clock() + timedelta(seconds=WAIT_SECONDS))
        message = f"the reports of training job {job} are being published"
        return _ask(
            parts,
            replace(state, publishing=job, publish_until=until, message=message),
            WAIT_SECONDS,
        )
    if state.publish_until is None:
        return state
    left = -parts.seconds_since(state.publish_until)
    if left > 0:
        lease = 0.0 if state.lease_until is None else -parts.seconds_since(state.lease_until)
        return rest(state, wake=math.ceil(lease)) if lease > 0 else _ask(parts, state, left)
    parts.logger.warning("reports take too long: going on without them", job=job)
    parts.queues.work("reports", dataset=state.dataset, job=job)
    return replace(state, publish_until=None, lease_until=None)


def _ask(parts: Parts, state: State, left: float) -> Move:
    """Have them published, and ask again if they are not there after a while: each time as long
    again as it took so far. `left`: of the seconds that the flow waits."""
    lease = math.ceil(min(left, max(parts.settings.retry_seconds, WAIT_SECONDS - left)))
    until = iso(parts.clock() + timedelta(seconds=lease))
    # Behind the write: of reconcilers side by side, one asks. Should it die first, the lease ends.
    ask = partial(parts.queues.work, "reports", dataset=state.dataset, job=state.training_job)
    return rest(replace(state, lease_until=until), wake=lease, then=ask)


def noticed(parts: Parts, state: State) -> State:
    """The state with a report that came after the flow had gone on without it."""
    if state.publishing is None or state.publish_until is not None:
        return state
    if state.publishing != state.training_job:  # the phase speaks of another job now
        return replace(state, publishing=None)
    found = _published(parts, state.dataset, state.publishing)
    return state if found is None else _taken_up(parts, state, found)


def tell_failure(parts: Parts, state: State, job: TrainingJob, message: str) -> State:
    """Leave the reason beside the job's reports; it is the report, unless the job drew one."""
    prefix = names.job_reports_prefix(state.dataset, job.name)
    document = {
        "format": 1,
        "dataset": state.dataset,
        "dataset_version": state.version,
        "training_job": job.name,
        "status": job.status,
        "secondary_status": job.secondary,
        "reason": job.reason,
        "message": message,
    }
    parts.storage.put_json(prefix + "failure.json", document)
    text = f"{message}\n\nIts log: pigeonhole logs {job.name}\n"
    parts.storage.put_text(prefix + "failure.txt", text)
    return replace(state, report=parts.storage.uri(prefix + "failure.txt"))


def left_something(parts: Parts, state: State) -> bool:
    """Is there an output.tar.gz? A job that failed may have left one."""
    key = names.output_key(state.dataset, state.training_job or "")
    return parts.storage.head(key) is not None


def page(parts: Parts, dataset: str, job: str) -> str | None:
    """The s3 URI of the page that a job drew, once it is published."""
    name = (_published(parts, dataset, job) or {}).get("page")
    prefix = names.job_reports_prefix(dataset, job)
    return parts.storage.uri(prefix + str(name)) if name else None


def _published(parts: Parts, dataset: str, job: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = parts.storage.get_json(names.published_key(dataset, job))
    except ObjectNotFound:
        return None
    return found


def _taken_up(parts: Parts, state: State, found: Mapping[str, Any]) -> State:
    state = replace(
        state,
        publishing=None,
        publish_until=None,
        lease_until=None,
        report_problem=_problem(found),
    )
    if not found.get("page"):
        return state
    state = replace(state, report=page(parts, state.dataset, str(found["training_job"])))
    version = state.version or ""
    return state.remember(version, replace(state.past_of(version), report=state.report))


def _problem(found: Mapping[str, Any]) -> str | None:
    """What people should know of what was published."""
    problem: str | None = found.get("problem")
    count = int(found.get("left_out_count", 0))
    if problem or not count:
        return problem
    files = "1 file was" if count == 1 else f"{count:,} files were"
    return f"{files} left out; published.json beside it says why"
