"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from pigeonhole_training.reports import html


def percent(share: float, digits: int = 1) -> str:
    """`0.9123` as `91.2%`; what is not quite all is not called 100%, nor what is not quite none 0%.

    What is less than can be told so is `<0.1%`.
    """
    least = 10**-digits
    shown = round(100 * share, digits)
    if 0 < share < 1 and shown >= 100:
        return f"{100 - least:.{digits}f}%"
    if share > 0 and shown == 0:
        return f"<{least:g}%"
    return f"{shown:.{digits}f}%"


def span(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares, with an en dash."""
    return f"{100 * low:.{digits}f}\u2013{100 * high:.{digits}f}%"


def points(difference: float) -> str:
    """A difference of two shares, `0.0112`, as `1.1 points`, without its sign."""
    text = f"{100 * abs(difference):.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def count(number: int, what: str) -> str:
    """`1 row`, `1,200 rows`, `2 classes`."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    some = ", ".join(html.short(name) for name in names[:most])
    return some if len(names) <= most else f"{some} and {len(names) - most:,} more"
