"""`pigeonhole history`: what became of each version of a dataset, and all that is known of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.api import Api, model_version
from cli.console import make_console, tame
from cli.target import find_target

SHOWN = 20  # classes and files of one version
UNTOLD = "not sent yet"
GIVEN_UP = "other data took its place before anything became of it"


def history(
    dataset: str,
    version: str | None,
    *,
    all_versions: bool,
    as_json: bool,
    home: Path | None,
    stage: str | None,
) -> int:
    """Print the versions, or one of them whole: in tables, or as the API's JSON."""
    target = find_target(home, stage)
    api = Api.of(target)
    console = make_console()
    if version is not None:
        found = api.version(dataset, version)
        parts = whole(found)
    else:
        found = api.history(dataset)
        while all_versions and found["next"]:
            page = api.history(dataset, found["next"])
            found = {**page, "versions": found["versions"] + page["versions"]}
        parts = overview(found, target.option)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    show(parts, console)
    return 0


def show(parts: Iterable[RenderableType], console: Console) -> None:
    """What is long wraps in its column; a text with no_wrap stays in one line, to be copied."""
    console.soft_wrap = False
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))


def overview(found: Mapping[str, Any], option: str = "") -> Iterator[RenderableType]:
    """A row a version, and the notices that were sent last."""
    dataset = found["dataset"]
    if not found["versions"]:
        yield Text(f"Nothing has been taken up of {dataset} yet.")
        return
    table = _table("Version", "Taken up", "Held-out", "What became of it")
    for entry in found["versions"]:
        metrics = entry.get("metrics") or {}
        table.add_row(
            entry["version"][:12],
            moment(entry.get("began")),
            share(metrics.get("accuracy")),
            Text("\n".join(_brief(line, dataset) for line in _became(entry))),
        )
    yield table
    if found["next"]:
        yield Text(f"\nThere are older ones: pigeonhole history {dataset} --all{option}")
    notices = found.get("notices") or []
    if notices:
        told = _table("Notice", "Version", "Sent")
        for notice in notices:
            version = (notice.get("version") or "")[:12]
            sent = moment(notice.get("sent")) or UNTOLD
            told.add_row(tame(str(notice["kind"])), version, sent)
        yield from ("", told)
    first = found["versions"][0]["version"][:12]
    yield Text(f"\nAll of one: pigeonhole history {dataset} {first}{option}")


def whole(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Everything about one version, in paragraphs."""
    yield Text(f"{found['dataset']}, version {found['version']}", style="bold", no_wrap=True)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, Text(tame(value)))
    yield facts
    yield from _jobs(found.get("jobs") or [])
    yield from _classes(found)
    yield from _files(found["data"])
    yield from _events(found.get("events") or [])
    reports = found.get("reports") or {}
    if reports:
        yield Text("\nReports", style="bold")
        for name, link in reports.items():
            yield Text(f"{name:12}{tame(link['uri'])}", no_wrap=True)


def _brief(line: str, dataset: str) -> str:
    """With jobs of this dataset by their last parts alone: `<hash12>-<attempt>`."""
    job = rf"pigeonhole-[a-z0-9]+-{re.escape(dataset)}-([0-9a-f]{{12}}-\d+)"
    return re.sub(job, r"\1", tame(line))


def _became(entry: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an overview's row."""
    metrics = entry.get("metrics") or {}
    live = entry.get("live") or []
    outcome = entry.get("outcome")
    if entry.get("is_live") and live:
        yield f"live since {moment(live[-1]['since'])}"
    elif live:
        last = live[-1]
        yield f"live {moment(last['since'])} to {moment(last['until']) or 'now'}"
        if last.get("ended_by"):
            yield last["ended_by"]
    elif outcome is None:
        phase = entry.get("phase")
        yield f"{phase}: {entry['message']}" if phase else entry["message"] or GIVEN_UP
    if outcome not in (None, "Live", "AlreadyTrained") and not live:
        yield entry["message"]
    elif decision := entry.get("decision"):
        told, decided = metrics.get("training_job"), decision.get("training_job")
        yield _decided(decision, decided if told and decided != told else "")
    if summary := _summary(entry):
        yield summary


def _decided(decision: Mapping[str, Any], job: str = "") -> str:
    """The decision in short; `job`: whose, where the row tells of another one."""
    by = f" by {decision['by']}" if decision.get("by") else ""
    said = f"{decision['verdict']}{by}"
    if job:
        said = f"{job} {said}"
    difference = decision.get("difference")
    if difference is None or decision.get("by") != "gate":
        return said
    return (
        f"{said}: {difference:+.4f} ± {decision['standard_error']:.4f} "
        f"against {model_version(decision['compared_with'])}"
    )


def _summary(entry: Mapping[str, Any]) -> str:
    """`60,000 rows, 10 classes; $0.42`."""
    data = entry.get("data") or {}
    rows = sum((data.get("rows") or {}).values())
    thing = "image" if data.get("kind") == "images" else "row"
    found = []
    if rows and entry.get("outcome") != "Refused":
        found = [f"{_many(rows, thing)}, {_many(data.get('classes') or 0, 'class', 'classes')}"]
    if data.get("set_aside"):
        found.append(f"{data['set_aside']:,} set aside")
    cost = entry.get("cost") or {}
    if cost.get("usd") is not None:
        found.append(dollars(cost["usd"]))
    elif cost.get("estimated_usd") is not None:
        found.append(f"about {dollars(cost['estimated_usd'])}")
    return "; ".join(found)


def _many(count: int, thing: str, things: str | None = None) -> str:
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data, decision = found["data"], found.get("decision")
    yield "Taken up", moment(found.get("began"))
    outcome = found.get("outcome") or found.get("phase")
    if outcome:
        yield "Outcome", f"{outcome}: {found['message'].removeprefix(outcome.lower() + ': ')}"
    else:
        yield "Outcome", found["message"] or GIVEN_UP
    if data.get("summary"):
        yield "Data", data["summary"]
    if data.get("set_aside"):
        yield "Set aside", f"{data['set_aside']:,} bad rows"
    metrics = found.get("metrics") or {}
    if metrics.get("accuracy") is not None:
        interval = metrics.get("interval")
        between = f" ({interval[0]:.2%} to {interval[1]:.2%})" if interval else ""
        rows = f" of {metrics['heldout_rows']:,} held-out rows" if metrics["heldout_rows"] else ""
        yield "Accuracy", f"{metrics['accuracy']:.2%}{between}{rows}"
    if decision:
        for made in (*decision["before"], decision):
            yield (
                "Decision",
                f"{moment(made['at'])} {made['verdict']} by {made['by']}: {_why(made)}",
            )
        if decision.get("compared_with"):
            yield "Compared", _numbers(decision)
    for live in found.get("live") or []:
        ended = f"; {live['ended_by']}" if live.get("ended_by") else ""
        yield "Live", f"{moment(live['since'])} to {moment(live['until']) or 'now'}{ended}"
    registry = found.get("registry")
    if registry:
        said = registry.get("approval") or registry.get("unavailable")
        yield "Registry", f"{registry['model_package_arn']}: {said}"


def _why(made: Mapping[str, Any]) -> str:
    why: str = made["why"] or "no reason given"
    return why.removeprefix(f"{made['verdict']}: ")


def _numbers(decision: Mapping[str, Any]) -> str:
    said = f"with {decision['compared_with']}"
    if decision.get("difference") is None:
        return said
    return (
        f"{said}: {decision['difference']:+.4f}, standard error "
        f"{decision['standard_error']:.4f}, {decision['paired_rows']:,.0f} paired rows"
    )


def _jobs(jobs: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    for job in jobs:
        yield Text(f"\nJob {job['training_job']}", style="bold")
        ended = moment(job["ended"]) or "now"
        yield Text(
            f"{job['outcome'] or 'under way'}, {moment(job['started'])} to {ended}; "
            f"{job['preset']} on {job['instances']}; code {job['code_version']}" + _cost(job)
        )


def _cost(job: Mapping[str, Any]) -> str:
    if job.get("usd") is not None:
        return f"; {dollars(job['usd'])}"
    if job.get("estimated_usd") is not None:
        return f"; about {dollars(job['estimated_usd'])}"
    return ""


def _classes(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    by_class: Mapping[str, Mapping[str, int]] = found["data"].get("class_rows") or {}
    if not by_class:
        return
    roles = [r for r in ("train", "validation", "test") if any(c.get(r) for c in by_class.values())]
    recall = (found.get("metrics") or {}).get("recall") or {}
    table = _table("Class", *roles, *(["recall"] if recall else []))
    for name, counts in list(by_class.items())[:SHOWN]:
        numbers = [f"{counts.get(role, 0):,}" for role in roles]
        table.add_row(tame(name), *numbers, *([share(recall.get(name))] if recall else []))
    yield from ("", table)
    yield from _more(len(by_class) - SHOWN, "classes")


def _files(data: Mapping[str, Any]) -> Iterator[RenderableType]:
    files = data.get("listed") or []
    if not files:
        return
    table = _table("File", "Rows", "Bytes", "ETag")
    for file in files[:SHOWN]:
        key = file.get("key") or file.get("path") or ""
        if file.get("member"):
            key += f" ({file['member']})"
        rows = file.get("rows", file.get("members"))
        table.add_row(
            tame(key),
            "" if rows is None else f"{rows:,}",
            f"{file.get('size', 0):,}",
            str(file.get("etag") or ""),
        )
    yield from ("", table)
    yield from _more((data.get("listed_of") or 0) - SHOWN, "files")


def _more(count: int, things: str) -> Iterator[RenderableType]:
    if count > 0:
        yield Text(f"… and {count:,} more {things} (--json, or the report, has them)")


def _events(events: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    if not events:
        return
    table = _table("When", "What", "")
    for event in events:
        by = f"by {event['by']}" if event.get("by") else ""
        said = "; ".join(filter(None, (by, event.get("text"))))
        table.add_row(moment(event["at"], seconds=True), event["kind"], Text(tame(said)))
    yield from ("", table)


def moment(at: str | None, *, seconds: bool = False) -> str:
    """An ISO 8601 time in this computer's time zone; empty for none."""
    if not at:
        return ""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromisoformat(at).astimezone().strftime(form)


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 0.01 or not usd else "under $0.01"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
