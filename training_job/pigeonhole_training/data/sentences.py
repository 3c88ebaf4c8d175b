"""Counts and lists in sentences for people."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, one: str, several: str) -> str:
    """`1 row is …` or `1,234 rows are …`."""
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
