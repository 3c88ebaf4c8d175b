"""`pigeonhole status`: what runs and where everything stands; also when nothing runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.api import Api, DatasetStatus, model_version
from cli.console import make_console, printable
from cli.dead_letters import DeadLetters
from cli.errors import CliError, NotDeployed, NotRunning, UsageError
from cli.target import Target, endpoint_url, find_target
from cli.under_way import UnderWay, since

BATCHES_SHOWN = 20
LOOK_SECONDS, AWS_LOOK_SECONDS = 2.0, 10.0  # between two looks of --watch
TROUBLE_SECONDS = 2.0  # until the local cloud's door for trouble counts as shut


def status(home: Path | None, stage: str | None, watch: bool = False) -> int:
    """Print it all. Exit status 0, and 1 when the service does not answer.

    watch: again and again in the same place, until Ctrl-C.
    """
    console = make_console()
    if watch:
        if not console.is_terminal:
            raise UsageError("--watch needs a terminal. `pigeonhole status` alone prints it once.")
        return watched(lambda: find_target(home, stage), console)
    try:
        target = find_target(home, stage)
    except (NotRunning, NotDeployed) as error:
        console.print(str(error))
        return 1
    for part in report(target):
        console.print(part)
    return 0


def watched(
    find: Callable[[], Target], console: Console, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Show the report of the cloud that `find` finds, over and over; Ctrl-C ends it.

    A cloud that does not answer for a while is told, and waited for.
    """
    pause = LOOK_SECONDS
    console.soft_wrap = False  # a line that the terminal wraps would be counted as one
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
            while True:
                try:
                    target = find()
                    pause = LOOK_SECONDS if target.local else AWS_LOOK_SECONDS
                    parts = list(report(target))
                except (CliError, ClientError, BotoCoreError, httpx.HTTPError) as error:
                    parts = [Text(str(error))]
                live.update(Group(*parts, Text("\nCtrl-C ends this.", style="dim")), refresh=True)
                sleep(pause)
    except KeyboardInterrupt:
        return 0


def report(target: Target) -> Iterator[RenderableType]:
    """The parts of it, from the top."""
    where = target.env["AWS_ENDPOINT_URL"] if target.local else "AWS"
    yield Text(f"Cloud     {where}, stage {target.stage}")
    yield Text(f"Stack     {stack_state(target)}")
    yield Text(f"Bucket    {target.bucket}")
    yield Text(f"API       {target.api}")
    if target.local:
        yield Text(f"Page      {endpoint_url(target.env, 'sagemaker')}/")
    api = Api.of(target)
    yield from datasets(api.datasets(), target.option)
    yield from batches(api, batch_names(target))
    prefix = "" if target.local else f"pigeonhole-{target.stage}-"
    under_way = UnderWay(target.client("sagemaker"), prefix)
    yield from jobs(under_way)
    yield from endpoints(under_way)
    yield from given_up(DeadLetters.of(target).count(), target.option)
    if target.local:
        yield from trouble(endpoint_url(target.env, "sagemaker"))


def stack_state(target: Target) -> str:
    """The stack's name and state, in CloudFormation's spelling."""
    name = f"pigeonhole-{target.stage}"
    try:
        stacks = target.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return f"{name} does not exist"
    return f"{name} {stacks[0]['StackStatus']}"


def datasets(found: list[DatasetStatus], option: str) -> Iterator[RenderableType]:
    """A line a dataset: phase, its live model, since when, the one before (both as answers have
    them in `model_version`), how good it is; below, its message and its newest training.

    `option`: what a command line needs to mean this stage (Target.option).
    """
    if not found:
        yield Text(f"\nNo dataset yet. Drop one: pigeonhole drop FILE.csv…{option}")
        return
    table = _table("Dataset", "Phase", "Live model", "Since", "Before", "Held-out")
    more = _table("", "")
    more.show_header = False
    for item in found:
        champion = item.champion
        accuracy = champion.accuracy if champion else None
        table.add_row(
            item.dataset,
            item.phase,
            model_version(champion.training_job) if champion else "none",
            since(datetime.fromisoformat(champion.since)) if champion and champion.since else "",
            model_version(item.former[0]) if item.former else "",
            f"{accuracy:.1%}" if accuracy is not None else "",
        )
        said_below = any(item.message.startswith(one.message) for one in item.waiting)
        told = [] if said_below else [item.message]
        told += [f"newest training: {words}"] if (words := trained(item)) else []
        for name, line in zip((item.dataset, ""), told, strict=False):
            more.add_row(name, line)
    yield from ("", table, "", more)
    yield from for_a_person(found, option)


def for_a_person(found: list[DatasetStatus], option: str) -> Iterator[RenderableType]:
    """What waits for a person: why, and the command that lets it go on."""
    if not any(item.waiting for item in found):
        return
    yield Text("\nWaits for a person", style="bold")
    for item in found:
        for one in item.waiting:
            short = one.version[:12]
            why = one.message.partition(". `pigeonhole ")[0]
            about = _table("", "")
            about.show_header = False
            about.add_row(f"{item.dataset} {short}, its {one.what}", why)
            yield about
            command = f"pigeonhole approve {item.dataset} {short}{option}"
            yield Text(f"  {command}  (or reject)", no_wrap=True)


def trained(item: DatasetStatus) -> str:
    """Which preset on which instances, and what it costs, of the newest training; and when the
    schedule wants the next one."""
    if not item.preset or not item.instances:
        return ""
    told = f"{item.preset} on {item.instances}" + (f", {item.cost}" if item.cost else "")
    if item.next_training is None:
        return told
    return (
        f"{told}; again in {since(datetime.now(UTC), datetime.fromisoformat(item.next_training))}"
    )


def batch_names(target: Target) -> list[str]:
    """Batches that were uploaded, by name."""
    pages = target.client("s3").get_paginator("list_objects_v2")
    return [
        prefix["Prefix"].removeprefix("inbox/").rstrip("/")
        for page in pages.paginate(Bucket=target.bucket, Prefix="inbox/", Delimiter="/")
        for prefix in page.get("CommonPrefixes", [])
    ]


def batches(api: Api, names: list[str]) -> Iterator[RenderableType]:
    """A line a batch: phase, counts, where its results are."""
    if not names:
        return
    table = _table("Batch", "Phase", "Files", "Classified", "Rejected", "Results")
    for name in names[:BATCHES_SHOWN]:
        item = api.batch(name)
        if item is None:
            table.add_row(printable(name), "not taken up yet")
            continue
        numbers: tuple[str, ...] = ("", "", "")
        if item.counts:
            counts = (item.counts.files, item.counts.classified, item.counts.rejected)
            numbers = tuple(f"{number:,}" for number in counts)
        table.add_row(name, item.phase, *numbers, item.results or item.message)
    yield from ("", table)
    if len(names) > BATCHES_SHOWN:
        yield Text(f"… and {len(names) - BATCHES_SHOWN} more batches")


def jobs(under_way: UnderWay) -> Iterator[RenderableType]:
    """A line a job that is not over: where it is, and for how long it has been under way."""
    found = under_way.jobs()
    if not found:
        return
    table = _table("Job", "Kind", "Status", "For", "")
    for job in found:
        table.add_row(job.name, job.kind, job.status, since(job.created), job.detail)
    yield from ("", table)


def endpoints(under_way: UnderWay) -> Iterator[RenderableType]:
    """A line an endpoint, and what serves it."""
    found = under_way.endpoints()
    if not found:
        return
    table = _table("Endpoint", "Status", "Since", "Variants")
    for endpoint in found:
        changed = endpoint.modified.astimezone()
        variants = "\n".join(endpoint.variants)
        table.add_row(endpoint.name, endpoint.status, f"{changed:%Y-%m-%d %H:%M}", variants)
    yield from ("", table)


def given_up(count: int, option: str) -> Iterator[RenderableType]:
    """How many messages lie in the dead-letter queues, when any do.

    `option`: what a command line needs to mean this stage (Target.option).
    """
    if count:
        messages = "1 message was" if count == 1 else f"{count} messages were"
        yield Text(f"\n{messages} given up: pigeonhole dead-letters{option} says why")


def trouble(url: str) -> Iterator[RenderableType]:
    """The rules of trouble that are in force on a local cloud, a line each."""
    try:
        answer = httpx.get(f"{url}/_pigeonhole/trouble", timeout=TROUBLE_SECONDS, trust_env=False)
        rules: list[dict[str, Any]] = answer.json()["rules"] if answer.is_success else []
    except (httpx.HTTPError, ValueError, KeyError):
        return
    if not rules:
        return
    table = _table("Trouble", "On", "Times left", "Struck", "")
    for rule in rules:
        left = "until cleared" if rule["times"] is None else str(rule["times"])
        detail = printable(str(rule.get("message") or ""))
        table.add_row(rule["kind"], printable(rule["on"]), left, str(rule["used"]), detail)
    yield from ("", table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
