"""`pigeonhole drop`: CSVs up, `_READY`, and what becomes of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.api import Api, DatasetStatus
from cli.console import Waiting, interruptible, make_console, printable, tame
from cli.errors import UsageError
from cli.follow import Ready, follow_dataset, pause
from cli.target import Target, find_target
from cli.uploads import count, mark_ready, newest_ready, split_uri, unusable, upload

SETTINGS = "dataset.json"
CSV_ENDINGS = (".csv", ".csv.gz", ".csv.zip")
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,23}")
_ROLE = re.compile(r"(^|[^a-z])(training|train|testing|test|validation|valid|val)(?=[^a-z]|$)")
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
    pairs = [(path, prefix + path.name) for path in files]
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


def dataset_name(files: Sequence[Path], asked: str | None = None) -> str:
    """The dataset that these files are for: the name asked for, else what their names share.

    `fashion-mnist_train.csv.gz` and `fashion-mnist_test.csv.gz` give `fashion-mnist`. Raises
    UsageError for files or names that cannot be used.
    """
    names = [path.name for path in files]
    for name in names:
        if reason := unusable(name):
            raise UsageError(f"{printable(name)} cannot be uploaded: {reason}. Rename it.")
    wrong = [n for n in names if n != SETTINGS and not n.lower().endswith(CSV_ENDINGS)]
    if wrong:
        raise UsageError(
            f"{wrong[0]} is no CSV. Drop .csv, .csv.gz or .csv.zip files, and a {SETTINGS} beside."
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UsageError(f"Two files are called {twice[0]}; rename one, or drop one at a time.")
    csvs = [name for name in names if name != SETTINGS]
    if asked is None and not csvs:
        raise UsageError(f"A {SETTINGS} alone names no dataset; add --dataset NAME.")
    found = {asked} if asked is not None else {_stem(name) for name in csvs}
    if len(found) > 1:
        raise UsageError(
            f"The files' names suggest several datasets ({', '.join(sorted(found))}); "
            "say which with --dataset NAME."
        )
    name = found.pop()
    if not NAME.fullmatch(name) or name.endswith("-next"):
        raise UsageError(
            f"{name!r} cannot be a dataset's name: use up to 24 small letters, digits and single "
            "hyphens, not ending in -next. Give one with --dataset NAME."
        )
    return name


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


def _stem(file_name: str) -> str:
    stem = re.sub(r"\.csv(\.gz|\.zip)?$", "", file_name.lower())
    stem = _ROLE.sub(r"\1", stem)
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")
