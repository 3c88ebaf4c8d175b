"""What is wrong with data, in words for the person who dropped it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_NAMES = 10


@dataclass(frozen=True)
class Problem:
    """Why data cannot train. `line` and `column` count from 1; None where they say nothing."""

    file: str
    reason: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file
        place += "" if self.line is None else f", line {self.line}"
        place += "" if self.column is None else f", column {self.column}"
        return f"{place}: {self.reason}" if place else self.reason


def some(names: Sequence[str]) -> str:
    """The first ten of them, for a sentence."""
    return ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
