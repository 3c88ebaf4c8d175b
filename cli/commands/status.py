"""`pigeonhole status`: what runs and where everything stands; also when nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from cli.api import Api, DatasetStatus
from cli.console import make_console
from cli.errors import NotDeployed, NotRunning
from cli.target import Target, find_target

BATCHES_SHOWN = 20


def status(home: Path | None, stage: str | None) -> int:
    """Print it all. Exit status 0, and 1 when the service does not answer."""
    console = make_console()
    try:
        target = find_target(home, stage)
    except (NotRunning, NotDeployed) as error:
        console.print(str(error))
        return 1
    where = target.env["AWS_ENDPOINT_URL"] if target.local else "AWS"
    console.print(f"Cloud     {where}, stage {target.stage}")
    console.print(f"Stack     {stack_state(target)}")
    console.print(f"Bucket    {target.bucket}")
    console.print(f"API       {target.api}")
    api = Api.of(target)
    print_datasets(api.datasets(), target.option, console)
    print_batches(api, batch_names(target), console)
    print_endpoints(target, console)
    return 0


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


def print_datasets(datasets: list[DatasetStatus], option: str, console: Console) -> None:
    """A line a dataset: phase, how good its live model is, what its message says.

    `option`: what a command line needs to mean this stage (Target.option).
    """
    if not datasets:
        console.print(f"\nNo dataset yet. Drop one: pigeonhole drop FILE.csv…{option}")
        return
    table = _table("Dataset", "Phase", "Live model", "Held-out", "Message")
    for item in datasets:
        champion = item.champion
        accuracy = champion.accuracy if champion else None
        table.add_row(
            item.dataset,
            item.phase,
            champion.training_job if champion else "none",
            f"{accuracy:.1%}" if accuracy is not None else "",
            item.message,
        )
    console.print()
    console.print(table)


def batch_names(target: Target) -> list[str]:
    """Batches that were uploaded, by name."""
    pages = target.client("s3").get_paginator("list_objects_v2")
    return [
        prefix["Prefix"].removeprefix("inbox/").rstrip("/")
        for page in pages.paginate(Bucket=target.bucket, Prefix="inbox/", Delimiter="/")
        for prefix in page.get("CommonPrefixes", [])
    ]


def print_batches(api: Api, names: list[str], console: Console) -> None:
    """A line a batch: phase, counts, where its results are."""
    if not names:
        return
    table = _table("Batch", "Phase", "Files", "Classified", "Rejected", "Results")
    for name in names[:BATCHES_SHOWN]:
        item = api.batch(name)
        if item is None:
            table.add_row(name, "not taken up yet")
            continue
        numbers: tuple[str, ...] = ("", "", "")
        if item.counts:
            counts = (item.counts.files, item.counts.classified, item.counts.rejected)
            numbers = tuple(f"{number:,}" for number in counts)
        table.add_row(name, item.phase, *numbers, item.results or item.message)
    console.print()
    console.print(table)
    if len(names) > BATCHES_SHOWN:
        console.print(f"… and {len(names) - BATCHES_SHOWN} more batches")


def print_endpoints(target: Target, console: Console) -> None:
    """A line an endpoint of this stage."""
    prefix = f"pigeonhole-{target.stage}-"
    pages = target.client("sagemaker").get_paginator("list_endpoints")
    found: list[dict[str, Any]] = [
        endpoint
        for page in pages.paginate(NameContains=prefix)
        for endpoint in page["Endpoints"]
        if endpoint["EndpointName"].startswith(prefix)
    ]
    if not found:
        return
    table = _table("Endpoint", "Status", "Since")
    for endpoint in found:
        changed = endpoint["LastModifiedTime"].astimezone()
        table.add_row(
            endpoint["EndpointName"], endpoint["EndpointStatus"], f"{changed:%Y-%m-%d %H:%M}"
        )
    console.print()
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
