"""A dataset's history as people and programs read it: put together when it is asked for.

Each fact has one home: what happened, the item and the versions' records; the data, the check's
report; how good a model is, its job's evaluation; the decision's numbers, the model registry.
What one of them does not tell (any more) is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from chalicelib import names
from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.datasets.history import folding, records
from chalicelib.datasets.history.timeline import PASSIVE, Event, Kind
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import Past, State
from chalicelib.errors import Conflict, ObjectNotFound, PigeonholeError, VersionNotFound

MOST = 100  # versions of one answer
AT_ONCE = 8  # versions whose reports are read side by side
FEWEST = 4  # hex digits that name a version
MOST_FILES = 1000  # of one answer; version.json has all
# A schedule trains one version again and again, and Lambda answers with 6 MB at most. The newest:
MOST_RUNS = 10  # jobs, decisions and times live of each version of a list
MOST_RUNS_OF_ONE = 200
MOST_EVENTS = 1000  # of one version; its record has all
LARGEST_VERSION = 16 << 20  # bytes of a version.json that is read

Link = Callable[[str], str]


def listed(parts: Parts, state: State, limit: int, after: str | None) -> dict[str, Any]:
    """The versions, the newest first: `limit` of them behind the version `after`."""
    versions = _versions(parts, state)
    if after is not None:
        after = _named(parts, state, after, versions)
        versions = versions[versions.index(after) + 1 :]
    page = versions[: max(1, min(MOST, limit))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        entries = list(pool.map(lambda version: _entry(parts, state, version, MOST_RUNS), page))
    return {
        "dataset": state.dataset,
        "versions": entries,
        "next": page[-1] if len(versions) > len(page) else None,
        "notices": [asdict(notice) for notice in reversed((*state.told, *state.outbox))],
    }


def version(parts: Parts, state: State, named: str, link: Link) -> dict[str, Any]:
    """All there is to know of one version, with links to its reports that work for a while.

    `named`: the version, its beginning, a training job of it or what answers carry as
    `model_version`. Raises VersionNotFound, and Conflict where several begin so.
    """
    found = _named(parts, state, named, _versions(parts, state))
    past = _past(parts, state, found)
    entry = _entry(parts, state, found, MOST_RUNS_OF_ONE)
    prefix = names.preflight_prefix(state.dataset, found)
    report = _json(parts, prefix + "report.json")
    files = _files(parts, prefix + "version.json")
    registry = _registered(parts, past)
    return {
        "dataset": state.dataset,
        **entry,
        "data": {
            **(entry["data"] or {}),
            "class_rows": report.get("class_rows") if report else None,
            "problems": report.get("problems", []) if report else [],
            "notes": report.get("notes", []) if report else [],
            **files,
        },
        "metrics": _all_metrics(parts, state, _job(parts, state, found, past)),
        "decision": _as_registered(entry["decision"], registry),
        "registry": registry,
        "reports": {
            name: {"uri": uri, "url": link(uri.removeprefix(parts.storage.uri("")))}
            for name, uri in entry["reports"].items()
        },
        "events": [event.to_json() for event in past.events[-MOST_EVENTS:]],
        "events_of": len(past.events),
    }


def _versions(parts: Parts, state: State) -> list[str]:
    """All that are known, the newest first."""
    known = sorted(state.past, key=lambda version: _moved(state.past[version].events), reverse=True)
    return [*known, *(v for v in records.newest(parts.storage, state.dataset) if v not in known)]


def _moved(events: tuple[Event, ...]) -> str:
    """When the version was last the one that something was done with."""
    own = [event.at for event in events if event.kind not in PASSIVE]
    return max(own, default=max((event.at for event in events), default=""))


def _named(parts: Parts, state: State, named: str, versions: list[str]) -> str:
    run = parts.names.parse_job(named)
    beginning = run.hash12 if run is not None and run.name == state.dataset else named
    head, dash, attempt = beginning.partition("-")
    if dash and attempt.isdigit():  # what answers carry as model_version
        beginning = head
    found = [v for v in versions if len(beginning) >= FEWEST and v.startswith(beginning.lower())]
    if not found:
        raise VersionNotFound(
            f"{state.dataset} has no version {named!r}: give its first digits ({FEWEST} at least) "
            f"or a training job; `pigeonhole history {state.dataset}` lists them"
        )
    if len(found) > 1:
        choices = ", ".join(version[:12] for version in found[:10])
        raise Conflict(f"several versions of {state.dataset} begin so: {choices}")
    return found[0]


def _past(parts: Parts, state: State, version: str) -> Past:
    record = records.read(parts.storage, state.dataset, version)
    return records.whole(record, state.past.get(version))


def _entry(parts: Parts, state: State, version: str, most: int) -> dict[str, Any]:
    """One version in short; of its jobs, decisions and times live the newest, `most` of each."""
    past = _past(parts, state, version)
    under_way = state.version == version and not state.settled
    report = _json(parts, names.preflight_prefix(state.dataset, version) + "report.json")
    job = _job(parts, state, version, past)
    evaluation = _evaluation(parts, state, job)
    decision = folding.decision(past.events)
    if decision is not None:
        decision["before"] = decision["before"][-most:]
        decided = decision["training_job"]
        told = evaluation if decided in (None, job) else _evaluation(parts, state, decided)
        decision |= {} if told is None else _compared(told)
    jobs = folding.jobs(past.events)
    reports = _reports(parts, state.dataset, version, past, report)
    if evaluation is not None:
        reports["evaluation"] = parts.storage.uri(names.evaluation_key(state.dataset, job or ""))
    return {
        "version": version,
        "began": past.events[0].at if past.events else None,
        "phase": state.phase if state.version == version else None,
        "outcome": None if under_way else past.outcome,
        "message": state.message if under_way else past.message,
        "data": None if report is None else _data(report),
        "jobs": jobs[-most:],
        "jobs_of": len(jobs),
        "metrics": None if evaluation is None else _metrics(evaluation, job),
        "decision": decision,
        "live": _live(state, version, past)[-most:],
        "is_live": state.champion is not None and state.champion.version == version,
        "cost": folding.cost(past.events),
        "reports": reports,
    }


def _data(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "summary": report.get("summary"),
        "kind": report.get("kind"),
        "files": len(report.get("files", ())) + int(report.get("loose_images") or 0),
        "bytes": report.get("bytes"),
        "rows": report.get("rows"),
        "classes": len(report.get("classes", ())),
        "set_aside": int(report.get("set_aside_count") or 0),
    }


def _job(parts: Parts, state: State, version: str, past: Past) -> str | None:
    """The training job whose model is told of: the one that is live, else the version's newest."""
    if state.champion is not None and state.champion.version == version:
        return state.champion.training_job
    jobs = [event.job for event in past.events if event.kind == Kind.JOB_STARTED and event.job]
    if jobs:
        return jobs[-1]
    # Of an older release, or taken over from an item that was lost.
    return parts.names.job(state.dataset, version, past.attempt) if past.attempt else None


def _live(state: State, version: str, past: Past) -> list[dict[str, Any]]:
    """When the version's models were live; of what an older release made live, since when."""
    champion = state.champion
    told = folding.live(past.events)
    if champion is None or champion.version != version or any(t["until"] is None for t in told):
        return told
    since = Event(champion.since, Kind.LIVE, job=champion.training_job, accuracy=champion.accuracy)
    return [*told, *folding.live([since])]


def _evaluation(parts: Parts, state: State, job: str | None) -> Mapping[str, Any] | None:
    return None if job is None else _json(parts, names.evaluation_key(state.dataset, job))


def _metrics(evaluation: Mapping[str, Any], job: str | None) -> dict[str, Any]:
    challenger, heldout = evaluation.get("challenger") or {}, evaluation.get("heldout") or {}
    return {
        "training_job": job,
        "accuracy": challenger.get("accuracy"),
        "interval": challenger.get("interval"),
        "macro_f1": challenger.get("macro_f1"),
        "log_loss": challenger.get("log_loss"),
        "ece": challenger.get("ece"),
        "heldout_rows": heldout.get("rows"),
    }


def _all_metrics(parts: Parts, state: State, job: str | None) -> dict[str, Any] | None:
    evaluation = _evaluation(parts, state, job)
    if evaluation is None:
        return None
    challenger = evaluation.get("challenger") or {}
    by_class = {name: challenger.get(name) for name in ("recall", "precision", "f1")}
    return _metrics(evaluation, job) | by_class


def _compared(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """With whom the training job compared its model, and the numbers."""
    champion, paired = evaluation.get("champion") or {}, evaluation.get("paired") or {}
    return {
        "compared_with": champion.get("training_job"),
        "champion_accuracy": champion.get("accuracy"),
        "difference": paired.get("difference"),
        "standard_error": paired.get("standard_error"),
        "paired_rows": paired.get("rows"),
    }


def _registered(parts: Parts, past: Past) -> dict[str, Any] | None:
    """What the registry says now of the version's newest model."""
    if past.package is None:
        return None
    try:
        package = parts.registry.describe(past.package)
    except (PigeonholeError, *AWS_TROUBLE) as error:
        return {"model_package_arn": past.package, "unavailable": str(error)}
    if package is None:
        return {"model_package_arn": past.package, "unavailable": "it was deleted"}
    return {
        "model_package_arn": package.arn,
        "approval": package.approval,
        "description": package.description,
        "properties": dict(package.properties),
    }


def _as_registered(
    decision: dict[str, Any] | None, registry: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The decision with the numbers of the registry: of the newest comparison, where the champion
    changed and it was made again."""
    properties = (registry or {}).get("properties", {})
    if decision is None or "compared_with" not in properties:
        return decision
    numbers = {
        name: float(properties[name])
        for name in ("difference", "standard_error", "paired_rows")
        if name in properties
    }
    compared = {"compared_with": properties["compared_with"]}
    if compared["compared_with"] != decision.get("compared_with"):
        compared["champion_accuracy"] = None
    return decision | numbers | compared


def _reports(
    parts: Parts, dataset: str, version: str, past: Past, checked: Mapping[str, Any] | None
) -> dict[str, str]:
    """What lies in the bucket, by what it tells."""
    uri, prefix = parts.storage.uri, names.preflight_prefix(dataset, version)
    found = {} if past.report is None else {"report": past.report}
    if checked is not None:
        found |= {"check": uri(prefix + "report.txt"), "check_json": uri(prefix + "report.json")}
        if past.report == found["check"]:
            del found["report"]
        if checked.get("ok"):
            found["data"] = uri(prefix + "version.json")
    return found


def _files(parts: Parts, key: str) -> dict[str, Any]:
    """The files of the version as they were checked: keys, ETags, versions, rows."""
    stored = parts.storage.head(key)
    if stored is None or stored.size > LARGEST_VERSION:
        return {"listed": None, "listed_of": None}
    listed = (_json(parts, key) or {}).get("files", [])
    return {"listed": listed[:MOST_FILES], "listed_of": len(listed)}


def _json(parts: Parts, key: str) -> Mapping[str, Any] | None:
    try:
        found = parts.storage.get_json(key)
    except (ObjectNotFound, ValueError):
        return None
    return found if isinstance(found, Mapping) else None
