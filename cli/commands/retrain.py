"""`pigeonhole retrain`: train the data that lies there once more, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

from cli.api import Api
from cli.commands.approve import caller
from cli.commands.drop import print_outcome
from cli.console import Waiting, interruptible, make_console
from cli.follow import Asked, follow_dataset, goes_on, pause
from cli.target import find_target


def retrain(dataset: str, home: Path | None, stage: str | None) -> int:
    """Ask, follow, print the outcome. Exit status 0 when the model is live."""
    target = find_target(home, stage)
    console = make_console()
    api = Api.of(target)
    api.retrain(dataset, by=caller())
    waiting = Waiting(console)
    with interruptible(console, goes_on(target)), waiting:
        status = follow_dataset(
            api,
            target.client("logs"),
            dataset,
            ready=Asked(),
            waiting=waiting,
            sleep=pause(0.5 if target.local else 3),
        )
    return print_outcome(status, target, console)
