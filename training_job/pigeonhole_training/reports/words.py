"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from pigeonhole_training.reports import html


def percent(share: float, digits: int = 1) -> str:
    """`0.9123` as `91.2 %`; what is not quite all is not called 100 %."""
    text = f"{100 * share:.{digits}f}"
    if share < 1 and float(text) == 100:
        text = f"{100 - 10**-digits:.{digits}f}" if digits else "99"
    return f"{text} %"


def points(difference: float) -> str:
    """A difference of two shares, `0.0112`, as `1.1 points`, without its sign."""
    text = f"{100 * abs(difference):.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def count(number: int, what: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    some = ", ".join(html.short(name) for name in names[:most])
    return some if len(names) <= most else f"{some} and {len(names) - most:,} more"
