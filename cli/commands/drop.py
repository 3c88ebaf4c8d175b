"""`pigeonhole drop`: CSVs or images up, `_READY`, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.api import Api, DatasetStatus
from cli.console import Waiting, interruptible, make_console, tame
from cli.dataset_files import dataset_name, gather
from cli.follow import Ready, follow_dataset, pause
from cli.target import Target, find_target
from cli.uploads import count, mark_ready, newest_ready, split_uri, upload

LIVE, NOT_LIVE = 0, 1
PROBLEMS_SHOWN = 20


def drop(files: Sequence[Path], dataset: str | None, home: Path | None, stage: str | None) -> int:
    """Upload, follow, print the outcome. Exit status 0 when the data's model is live."""
    name = dataset_name(files, dataset)
    target = find_target(home, stage)
    console = make_console()
    with interruptible(console, left_behind(name, target)):
        status = upload_and_follow(files, name, target, console=console, waiting=Waiting(console))
    code = print_outcome(status, target, console)
    if code == LIVE:
        console.print(f"Ask it: pigeonhole predict IMAGE --dataset {name}{target.option}")
    return code


def upload_and_follow(
    files: Sequence[Path], name: str, target: Target, *, console: Console, waiting: Waiting
) -> DatasetStatus:
    """The settled status of the dataset that the files were dropped into."""
    s3 = target.client("s3")
    prefix = f"datasets/{name}/"
    gathered = gather(files)
    if gathered.left_out:
        others = count(gathered.left_out, "file")
        console.print(f"Left behind: {others} that are neither images nor CSVs.")
    pairs = [(path, prefix + below) for path, below in gathered.files]
    upload(s3, target.bucket, pairs, console, f"Uploading to s3://{target.bucket}/{prefix}")
    ready = mark_ready(s3, target.bucket, prefix)
    with waiting:
        return follow_dataset(
            Api.of(target),
            target.client("logs"),
            name,
            ready=Ready(ready, lambda: newest_ready(s3, target.bucket, prefix), "drop"),
            waiting=waiting,
            sleep=pause(0.5 if target.local else 3),
        )


def print_outcome(status: DatasetStatus, target: Target, console: Console) -> int:
    """What came of the drop; the exit status."""
    good = status.outcome in ("Live", "AlreadyTrained")
    if status.outcome == "AlreadyTrained":
        said = status.message or "this very data has been trained already"
        console.print(_sentence(said), style="bold green")
    elif status.outcome == "Live":
        console.print(f"{status.dataset} is live.", style="bold green")
    else:
        outcome = status.outcome or status.phase
        plain = status.message.lower().startswith(outcome.lower())
        said = status.message if plain else f"{outcome}: {status.message}"
        console.print(_sentence(said), style="bold red")
    if status.outcome == "Refused" and status.report:
        print_problems(target.client("s3"), status.report, console)
        console.print(f"Report: {status.report}")
    if status.champion and status.champion.accuracy is not None:
        console.print(
            f"The model that answers: {status.champion.training_job}, "
            f"right on {status.champion.accuracy:.1%} of the held-out images."
        )
    elif status.champion:
        console.print(f"The model that answers: {status.champion.training_job}.")
    if status.preset and status.instances:
        console.print(f"Trained: preset {status.preset} on {status.instances}.")
    if status.report and status.report.endswith("/index.html"):
        console.print(f"Its report: pigeonhole report {status.dataset}{target.option}")
    return LIVE if good else NOT_LIVE


def print_problems(s3: Any, report: str, console: Console) -> None:
    """The problems in the report.json beside a preflight's report.txt: file, line and reason."""
    bucket, key = split_uri(report)
    key = key.removesuffix("report.txt") + "report.json"
    body = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    problems = body["problems"][:PROBLEMS_SHOWN]
    for problem in problems:
        console.print(f"  {tame(problem_line(problem))}")
    hidden = body["problem_count"] - len(problems)
    if hidden:
        console.print(f"  and {count(hidden, 'problem')} more")


def problem_line(problem: Mapping[str, Any]) -> str:
    """`file, line 7, column 3: reason`; a problem of the whole dataset names no file."""
    place = ", ".join(
        [problem["file"]] * bool(problem["file"])
        + [f"{part} {problem[part]}" for part in ("line", "column") if problem[part] is not None]
    )
    return f"{place}: {problem['reason']}" if place else str(problem["reason"])


def left_behind(name: str, target: Target) -> str:
    """What to say when the person stops watching."""
    return (
        f"No longer watching. What was uploaded to {name} goes on in the cloud; "
        f"`pigeonhole status{target.option}` shows it."
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
