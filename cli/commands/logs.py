"""`pigeonhole logs`: what a job or an endpoint prints, from CloudWatch Logs, here and on AWS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from cli.console import make_console, printable, tame
from cli.errors import CliError
from cli.target import Target, find_target
from cli.training_log import GROUP, Log

LOOK_SECONDS = 1.0  # between two looks for new lines
LAST_LOOKS = 2  # after the end of a job: what it printed last is still on its way
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
_OVER = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Source:
    """Who prints. `log`: group and prefix of the streams; `status` asks SageMaker for its state."""

    name: str
    log: tuple[str, str]
    status: Callable[[], str]


def logs(name: str | None, follow: bool, home: Path | None, stage: str | None) -> int:
    """Print what was printed so far; with `follow`, what comes, until a job's end or Ctrl-C."""
    target = find_target(home, stage)
    console = make_console()
    sagemaker = target.client("sagemaker")
    source = find(sagemaker, name or newest_job(sagemaker, target))
    log = Log(target.client("logs"), *source.log)
    if name is None:
        make_console(stderr=True).print(f"{source.name}:", style="bold")
    try:
        printed = show(log, console)
        if follow:
            until_over(log, source, console, time.sleep)
        elif not printed:
            make_console(stderr=True).print(f"{source.name} has printed nothing yet.")
    except KeyboardInterrupt:
        if not follow:
            raise
    return 0


def newest_job(sagemaker: Any, target: Target) -> str:
    """The training job that was made last. Raises CliError when there is none."""
    prefix = "" if target.local else f"pigeonhole-{target.stage}-"
    wanted = {"NameContains": prefix} if prefix else {}
    pages = sagemaker.get_paginator("list_training_jobs")
    for page in pages.paginate(SortBy="CreationTime", SortOrder="Descending", **wanted):
        for job in page["TrainingJobSummaries"]:
            if job["TrainingJobName"].startswith(prefix):
                return str(job["TrainingJobName"])
    raise CliError(
        "There is no training job yet. Name an endpoint or a batch transform job, "
        f"or drop CSVs first: pigeonhole drop FILE.csv…{target.option}"
    )


def find(sagemaker: Any, name: str) -> Source:
    """The training job, transform job or endpoint of this name. Raises CliError."""
    kinds: list[tuple[str, str, tuple[str, str]]] = [
        ("TrainingJob", "training_job", (GROUP, name)),
        ("TransformJob", "transform_job", (TRANSFORM_GROUP, name)),
        ("Endpoint", "endpoint", (f"{ENDPOINT_GROUP}{name}", "")),
    ]
    for kind, call, log in kinds:
        describe = getattr(sagemaker, f"describe_{call}")

        def status(kind: str = kind, describe: Any = describe) -> str:
            return str(describe(**{f"{kind}Name": name})[f"{kind}Status"])

        try:
            status()
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
                raise
        else:
            return Source(name, log, status)
    raise CliError(
        f"There is no training job, batch transform job or endpoint {printable(name)}. "
        "`pigeonhole status` names those that are there."
    )


def until_over(log: Log, source: Source, console: Console, sleep: Callable[[float], None]) -> None:
    """Show what comes, until the job is over (an endpoint: until it is gone)."""
    looks = LAST_LOOKS
    while looks:
        try:
            over = source.status() in _OVER
        except ClientError:
            over = True
        looks = looks - 1 if over else LAST_LOOKS
        sleep(LOOK_SECONDS)
        show(log, console)


def show(log: Log, console: Console) -> int:
    """Print what is new; returns how many lines that were."""
    lines = log.new()
    for line in lines:
        console.print(tame(line.text))
    return len(lines)
