"""How the command talks: plain lines that can be piped; a spinner or a bar for who waits."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

_TAB = " " * 4
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OVERSTRIKE = re.compile(r"[\b\r]+")  # of progress bars


def make_console(stderr: bool = False) -> Console:
    """A console that never wraps, colours numbers or reads markup in what users name."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 200
    return Console(
        stderr=stderr, width=width, soft_wrap=True, highlight=False, markup=False, emoji=False
    )


def shown(path: Path) -> str:
    """The path as a person would type it here."""
    here = Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) else path))


def printable(name: str) -> str:
    """The name with what a terminal or an encoding cannot show written as an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name
    )


def tame(text: str) -> str:
    """Somebody's output as this terminal may show it: its own colours and cursor movements are left
    out, what else is not printable is written as an escape; lines stay lines.
    """
    plain = _ESCAPES.sub("", text).replace("\t", _TAB)
    return "\n".join(printable(_OVERSTRIKE.sub(" ", line)) for line in plain.split("\n"))


def bar(console: Console, *, size_in_bytes: bool) -> Progress:
    """A progress bar: bytes of few large files, or a count of many small ones."""
    amount: ProgressColumn = DownloadColumn() if size_in_bytes else MofNCompleteColumn()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        amount,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Waiting:
    """What is waited for and, at the bottom of a terminal, for how long; output goes above.

    Where the output is no terminal, each change of the text is a line of its own.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.text = ""
        self.took: dict[str, float] = {}
        self._started = time.monotonic()
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Waiting:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """What is waited for now; `took` keeps how many seconds each text stood."""
        if text != self.text:
            self._end()
            self.text = text
            self._started = time.monotonic()
            self.console.print(text, style="bold")
        if self._status:
            seconds = time.monotonic() - self._started
            self._status.update(f"{seconds:3.0f} s")

    def _end(self) -> None:
        if self.text:
            seconds = time.monotonic() - self._started
            self.took[self.text] = self.took.get(self.text, 0.0) + seconds

    def line(self, text: str) -> None:
        """A line of somebody's output, shown above."""
        self.console.print(f"  {tame(text)}", style="dim")


@contextmanager
def interruptible(console: Console, left_behind: str) -> Iterator[None]:
    """Ctrl-C leaves the work in the cloud alone: say so, and go on to the exit status 130."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"\n{left_behind}")
        raise
