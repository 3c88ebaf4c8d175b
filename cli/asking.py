"""Who asks something of a dataset, and the wait for what becomes of it."""

from __future__ import annotations

import getpass

from rich.console import Console

from cli.api import Api, DatasetStatus
from cli.console import Waiting, interruptible
from cli.follow import Asked, follow_dataset, goes_on, pause
from cli.target import Target


def caller() -> str:
    """What the operating system calls who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "somebody"


def follow_asked(target: Target, console: Console, dataset: str) -> DatasetStatus:
    """The status once nothing is under way any more."""
    waiting = Waiting(console)
    with interruptible(console, goes_on(target)), waiting:
        return follow_dataset(
            Api.of(target),
            target.client("logs"),
            dataset,
            ready=Asked(),
            waiting=waiting,
            sleep=pause(0.5 if target.local else 3),
        )
