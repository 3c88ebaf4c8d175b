"""`pigeonhole approve` and `pigeonhole reject`: a person's word, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from cli.api import Api, DatasetStatus
from cli.asking import caller, follow_asked
from cli.commands.drop import print_outcome
from cli.console import make_console
from cli.target import Target, find_target

DONE, NOT_DONE = 0, 1


def approve(
    dataset: str, version: str | None, *, reason: str, home: Path | None, stage: str | None
) -> int:
    """Exit status 0 when the model is live in the end."""
    target, console = find_target(home, stage), make_console()
    _, status = decided(target, console, "approve", dataset, version, reason=reason)
    print_outcome(status, target, console)
    if status.outcome not in ("Live", "AlreadyTrained"):
        return NOT_DONE
    if is_live(status, version):
        return DONE
    console.print(
        "That was under way before. The one that you approved comes after it: "
        f"`pigeonhole history {dataset}{target.option}` tells what becomes of it."
    )
    return NOT_DONE


def reject(
    dataset: str, version: str | None, *, reason: str, home: Path | None, stage: str | None
) -> int:
    """Exit status 0 when nothing new is live in the end."""
    target, console = find_target(home, stage), make_console()
    said, status = decided(target, console, "reject", dataset, version, reason=reason)
    same = said.champion and status.champion and said.champion.version == status.champion.version
    if same and status.champion and status.outcome in ("Live", "AlreadyTrained"):
        console.print(f"It is turned down. {status.champion.training_job} stays live.")
        return DONE
    print_outcome(status, target, console)
    return NOT_DONE if status.outcome == "Live" else DONE


def is_live(status: DatasetStatus, version: str | None) -> bool:
    """Is the model live that was named so? None: the one that waited, which the outcome tells."""
    champion = status.champion
    if champion is None or version is None:
        return champion is not None
    return champion.version.startswith(version.lower()) or champion.training_job.endswith(version)


def decided(
    target: Target,
    console: Console,
    verb: str,
    dataset: str,
    version: str | None,
    *,
    reason: str,
) -> tuple[DatasetStatus, DatasetStatus]:
    """Say so, and follow until nothing is under way: the status at first, and in the end."""
    said = Api.of(target).decide(dataset, verb, version=version, reason=reason, by=caller())
    if not said.settled:
        console.print(said.message)
    return said, follow_asked(target, console, dataset)
