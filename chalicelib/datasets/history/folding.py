"""A version's events, folded into what people ask: which jobs, who decided, live from when to when.

Pure functions of the events in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.datasets.history.timeline import Event, Kind

_DECIDED: dict[str, str] = {
    Kind.APPROVED: "approved",
    Kind.REJECTED: "rejected",
    Kind.APPROVAL_PENDING: "a person must decide",
}
_ENDS: dict[str, str] = {
    Kind.TRAINED: "Completed",
    Kind.JOB_FAILED: "Failed",
    Kind.FAILED: "Failed",
    Kind.COST_PENDING: "Stopped",  # of a job that was begun: at its cap
}


def jobs(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The training jobs, the first one first. `outcome` null: not ended, as far as is known."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.job is None:
            continue
        if event.kind == Kind.JOB_STARTED:
            found[event.job] = {
                "training_job": event.job,
                "preset": event.preset,
                "instances": event.instances,
                "code_version": event.code_version,
                "started": event.at,
                "ended": None,
                "outcome": None,
                "estimated_usd": event.usd,
                "usd": None,
            }
            continue
        job = found.get(event.job)
        outcome = _ENDS.get(event.kind)
        if job is not None and outcome is not None and job["ended"] is None:
            job |= {"ended": event.at, "outcome": outcome, "usd": event.usd}
    return list(found.values())


def decision(events: Sequence[Event]) -> dict[str, Any] | None:
    """The newest one: what, by whom, why and when; `before` are those that it overruled."""
    made = [event for event in events if event.kind in _DECIDED]
    if not made:
        return None
    told = [
        {
            "verdict": _DECIDED[event.kind],
            "by": event.by,
            "why": event.text,
            "at": event.at,
            "training_job": event.job,
        }
        for event in made
    ]
    return {**told[-1], "before": told[:-1]}


def live(events: Sequence[Event]) -> list[dict[str, Any]]:
    """From when to when which of the version's models was live; `until` null: it is."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event.kind == Kind.LIVE:
            found.append(
                {
                    "training_job": event.job,
                    "accuracy": event.accuracy,
                    "since": event.at,
                    "until": None,
                    "ended_by": None,
                }
            )
        elif event.kind in (Kind.REPLACED, Kind.ROLLED_BACK) and found:
            last = found[-1]
            if last["until"] is None and last["training_job"] == event.job:
                who = f" ({event.by})" if event.by else ""
                verb = "replaced" if event.kind == Kind.REPLACED else "rolled back"
                last |= {"until": event.at, "ended_by": f"{verb} {event.text}{who}"}
    return found


def cost(events: Sequence[Event]) -> dict[str, float | None]:
    """US dollars: of jobs that ended what was billed, of all what was estimated."""
    billed = [e.usd for e in events if e.kind in _ENDS and e.usd is not None]
    estimated = [e.usd for e in events if e.kind == Kind.JOB_STARTED and e.usd is not None]
    return {
        "usd": sum(billed) if billed else None,
        "estimated_usd": sum(estimated) if estimated else None,
    }
