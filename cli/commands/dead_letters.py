"""`pigeonhole dead-letters`, `pigeonhole replay`: what was given up; have it done after all."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.console import make_console
from cli.dead_letters import MOST_READ, DeadLetter, DeadLetters, chosen
from cli.errors import UsageError
from cli.target import find_target

SHORT_ID = 8


def dead_letters(as_json: bool, home: Path | None, stage: str | None) -> int:
    """Print them, the oldest first. Exit status 0, whether there are any or not."""
    target = find_target(home, stage)
    letters = DeadLetters.of(target).all()
    console = make_console()
    if as_json:
        print(json.dumps([letter.to_json() for letter in letters], indent=1))
        return 0
    if not letters:
        console.print("Nothing was given up.")
        return 0
    print_letters(letters, console)
    if len(letters) >= MOST_READ:
        console.print(f"\nThere may be more: these are the first {len(letters):,}.")
    console.print(
        f"\nOnce the cause is gone: pigeonhole replay --all{target.option}, or name their ids."
    )
    return 0


def replay(ids: list[str], everything: bool, home: Path | None, stage: str | None) -> int:
    """Send messages back to their queue."""
    if bool(ids) == everything:
        raise UsageError("Name the ids of dead letters, or --all. `pigeonhole dead-letters` lists.")
    target = find_target(home, stage)
    console = make_console()
    dead = DeadLetters.of(target)
    left = dead.count()
    sent = dead.replay(lambda letters: letters if everything else chosen(letters, ids))
    if not sent:
        console.print("Nothing was given up.")
    while sent:
        for about in dict.fromkeys(letter.about for letter in sent):
            console.print(f"Sent back: {about}")
        left -= len(sent)  # what fails at once comes back at once, and is left where it is
        sent = dead.replay(lambda letters: letters) if everything and left > 0 else []
    return 0


def print_letters(letters: list[DeadLetter], console: Console) -> None:
    """A paragraph for those of the same message and cause."""
    groups: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.about, letter.cause, letter.body), []).append(letter)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group in groups.values():
        newest = group[-1]
        times = "once" if len(group) == 1 else f"{len(group):,} times"
        table.add_row(newest.id[:SHORT_ID], f"{newest.about}, {times}, since {group[0].sent}")
        table.add_row("", newest.cause)
        table.add_row("", f"log group {newest.log_group}")
        if newest.request_id:
            table.add_row("", f"request {newest.request_id}")
    console.print(table)
