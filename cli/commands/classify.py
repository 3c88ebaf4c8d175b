"""`pigeonhole classify`: a folder of images up, the labels of all of them back."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from cli.api import Api, BatchStatus
from cli.console import Waiting, interruptible, make_console, printable, shown, tame
from cli.dataset_files import NAME
from cli.errors import CliError, UsageError
from cli.follow import Ready, follow_batch, pause
from cli.target import Target, find_target
from cli.uploads import count, download, mark_ready, newest_ready, unusable, upload

SETTINGS, READY = "batch.json", "_READY"
REJECTED_SHOWN = 20
DONE, NOT_DONE = 0, 1


def classify(
    folder: Path,
    *,
    batch: str | None,
    dataset: str | None,
    out: Path | None,
    home: Path | None,
    stage: str | None,
) -> int:
    """Upload, follow, download, print. Exit status 0 when the results are there."""
    files = files_of(folder)
    name = batch if batch is not None else batch_name(folder, datetime.now())
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a batch's name: use up to 24 small letters, digits and single "
            "hyphens. Give one with --batch NAME."
        )
    target = find_target(home, stage)
    console = make_console()
    usable_files = with_usable_names(folder, files, console)
    left_out = len(files) - len(usable_files)
    with interruptible(
        console,
        f"No longer watching. Batch {name} goes on in the cloud as far as it is uploaded; "
        f"`pigeonhole status{target.option}` shows it.",
    ):
        status = upload_and_follow(
            folder, usable_files, name, target, dataset=dataset, console=console
        )
        if status.phase != "Done" or status.results is None:
            raise CliError(f"{status.phase}: {status.message}")
        where = out or Path("results") / name
        download(target.client("s3"), status.results, where, console)
    print_results(status, where, console)
    if left_out:
        console.print(f"Not uploaded because of their names: {count(left_out, 'file')}.")
    return DONE


def upload_and_follow(
    folder: Path,
    files: Sequence[Path],
    name: str,
    target: Target,
    *,
    dataset: str | None,
    console: Console,
) -> BatchStatus:
    """The settled status of the batch."""
    s3 = target.client("s3")
    prefix = f"inbox/{name}/"
    pairs = [(path, prefix + path.relative_to(folder).as_posix()) for path in files]
    upload(s3, target.bucket, pairs, console, f"Uploading to s3://{target.bucket}/{prefix}")
    if dataset is not None:
        body = json.dumps({"dataset": dataset}).encode()
        s3.put_object(Bucket=target.bucket, Key=prefix + SETTINGS, Body=body)
    ready = mark_ready(s3, target.bucket, prefix)
    with Waiting(console) as waiting:
        return follow_batch(
            Api.of(target),
            name,
            ready=Ready(ready, lambda: newest_ready(s3, target.bucket, prefix), "upload"),
            waiting=waiting,
            sleep=pause(0.5 if target.local else 3),
        )


def files_of(folder: Path) -> list[Path]:
    """All files below the folder but hidden ones (say .DS_Store) and a `_READY` of its own."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path != folder / READY
    ]
    if not found:
        raise UsageError(f"There is no file in {shown(folder)}.")
    return found


def with_usable_names(folder: Path, files: Sequence[Path], console: Console) -> list[Path]:
    """The files that can be uploaded; of each other one a sentence says why not.

    Raises CliError when none is left.
    """
    usable = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        reason = unusable(name)
        if reason is None:
            usable.append(path)
        else:
            console.print(f"not uploaded: {printable(name)}: {reason}; rename it")
    if not usable:
        raise CliError(
            f"Nothing was uploaded: no file in {shown(folder)} has a name that can be used."
        )
    return usable


def batch_name(folder: Path, now: datetime) -> str:
    """A new name: the folder's, as far as it can be used, and the time (month to second)."""
    stem = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    stem = stem[:13].strip("-") or "batch"
    return f"{stem}-{now:%m%d%H%M%S}"


def print_results(status: BatchStatus, where: Path, console: Console) -> None:
    """Counts, what was rejected and why, and where everything lies."""
    if status.counts:
        console.print(
            f"{count(status.counts.files, 'file')}: {status.counts.classified:,} classified, "
            f"{status.counts.rejected:,} rejected.",
            style="bold green",
        )
    print_rejected(where / "rejected.csv", console)
    console.print(f"Results: {where}/ and {status.results}")


def print_rejected(rejected: Path, console: Console) -> None:
    """A line for each rejected file with its reason."""
    if not rejected.exists():
        return
    with rejected.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:REJECTED_SHOWN]:
        reason = row.get("message") or row.get("reason") or row.get("error")
        console.print(tame(f"  rejected: {row['file']}: {reason}"))
    if len(rows) > REJECTED_SHOWN:
        console.print(f"  … and {len(rows) - REJECTED_SHOWN} more in {rejected}")
