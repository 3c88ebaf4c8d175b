"""`pigeonhole report`: the report on a dataset, fetched into a folder."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from rich.console import Console

from cli.api import Api, DatasetStatus
from cli.console import make_console, shown, tame
from cli.errors import CliError
from cli.target import Target, find_target
from cli.uploads import download, split_uri

READ, NO_REPORT = 0, 1


def report(
    dataset: str, *, out: Path | None, show: bool, home: Path | None, stage: str | None
) -> int:
    """Fetch what the status names as its report and say where it lies; `show`: in a browser, too.

    Texts (why data was refused, why a job failed) are printed.
    """
    target = find_target(home, stage)
    console = make_console()
    status = Api.of(target).dataset(dataset)
    if status is None:
        raise CliError(
            f"There is no dataset {tame(dataset)}. `pigeonhole status{target.option}` lists them."
        )
    if status.report is None:
        console.print(f"Nothing has been reported of {dataset} yet: {status.message}")
        return NO_REPORT
    page = fetch(status, out or default_folder(status.report), target, console)
    if page.suffix == ".txt":
        console.print(tame(page.read_text(encoding="utf-8")), end="")
    console.print(f"Report: {shown(page)}")
    if show and not webbrowser.open(page.resolve().as_uri()):
        console.print("No browser was found to open it with.")
    return READ


def default_folder(uri: str) -> Path:
    """`reports/<dataset>/<job>`, as it lies in the bucket."""
    return Path(split_uri(uri)[1]).parent


def fetch(status: DatasetStatus, folder: Path, target: Target, console: Console) -> Path:
    """Download everything beside the status' report; its file in the folder."""
    beside, _, name = (status.report or "").rpartition("/")
    download(target.client("s3"), beside, folder, console, "Downloading the report")
    return folder / name
