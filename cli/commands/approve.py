"""`pigeonhole approve` and `pigeonhole reject`: a person's word, and what becomes of it."""

from __future__ import annotations

import getpass
from pathlib import Path

from cli.api import Api, DatasetStatus
from cli.commands.drop import left_behind, print_outcome
from cli.console import Waiting, interruptible, make_console
from cli.follow import Asked, follow_dataset, pause
from cli.target import find_target

DONE, NOT_DONE = 0, 1


def approve(
    dataset: str, version: str | None, *, reason: str, home: Path | None, stage: str | None
) -> int:
    """Exit status 0 when a model is live in the end."""
    status = _decided("approve", dataset, version, reason=reason, home=home, stage=stage)
    return DONE if status.outcome in ("Live", "AlreadyTrained") else NOT_DONE


def reject(
    dataset: str, version: str | None, *, reason: str, home: Path | None, stage: str | None
) -> int:
    """Exit status 0 when nothing new is live in the end."""
    status = _decided("reject", dataset, version, reason=reason, home=home, stage=stage)
    return NOT_DONE if status.outcome == "Live" else DONE


def _decided(
    verb: str,
    dataset: str,
    version: str | None,
    *,
    reason: str,
    home: Path | None,
    stage: str | None,
) -> DatasetStatus:
    """Say so, follow until nothing is under way, print the outcome."""
    target = find_target(home, stage)
    console = make_console()
    api = Api.of(target)
    said = api.decide(dataset, verb, version=version, reason=reason, by=caller())
    if not said.settled:
        console.print(said.message)
    waiting = Waiting(console)
    with interruptible(console, left_behind(dataset, target)), waiting:
        status = follow_dataset(
            api,
            target.client("logs"),
            dataset,
            ready=Asked(),
            waiting=waiting,
            sleep=pause(0.5 if target.local else 3),
        )
    print_outcome(status, target, console)
    return status


def caller() -> str:
    """What the operating system calls who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "somebody"
