"""`pigeonhole retrain`: train the data that lies there once more, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

from cli.api import Api
from cli.asking import caller, follow_asked
from cli.commands.drop import print_outcome
from cli.console import make_console
from cli.target import find_target


def retrain(dataset: str, home: Path | None, stage: str | None) -> int:
    """Ask, follow, print the outcome. Exit status 0 when the model is live."""
    target = find_target(home, stage)
    console = make_console()
    Api.of(target).retrain(dataset, by=caller())
    return print_outcome(follow_asked(target, console, dataset), target, console)
