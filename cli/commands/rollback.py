"""`pigeonhole rollback`: an earlier model live again, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

from cli.api import Api, Change, DatasetStatus
from cli.asking import caller
from cli.console import Waiting, interruptible, make_console
from cli.follow import PHASES, Sleep, goes_on, patient, pause
from cli.target import find_target

LIVE, NOT_LIVE = 0, 1


def rollback(
    dataset: str, version: str | None, *, reason: str, home: Path | None, stage: str | None
) -> int:
    """Ask, follow, print the outcome. Exit status 0 when the earlier model is live."""
    target = find_target(home, stage)
    console = make_console()
    api = Api.of(target)
    asked = api.rollback(dataset, version, reason=reason, by=caller())
    if asked.change is None or asked.change.outcome is not None:
        console.print(f"{asked.message}.")
        return LIVE
    console.print(f"Rolling {dataset} back to {asked.change.training_job}.")
    waiting = Waiting(console)
    with interruptible(console, goes_on(target)), waiting:
        change = follow(api, asked, waiting, pause(0.5 if target.local else 3))
    good = change.outcome == "Live" and change.training_job == asked.change.training_job
    console.print(f"{change.message}.", style="bold green" if good else "bold red")
    return LIVE if good else NOT_LIVE


def follow(api: Api, asked: DatasetStatus, waiting: Waiting, sleep: Sleep) -> Change:
    """The rollback once it is over; a later one that took its place is told, and followed."""
    change = asked.change
    assert change is not None
    while change.outcome is None:
        sleep()
        status = patient(lambda: api.dataset(asked.dataset), sleep)
        if status is None or status.change is None:
            continue
        if status.change.asked != change.asked:
            waiting.line(
                f"{status.change.who} asked for {status.change.training_job} meanwhile; "
                "following that."
            )
        change = status.change
        waiting.say(PHASES.get(status.phase, status.phase))
    return change
