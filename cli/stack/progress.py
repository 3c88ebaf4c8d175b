"""How long steps tell that they are alive."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Called with one line of text, without its line break, whenever something happened."""


def silent(line: str) -> None:
    """For callers that show nothing."""
