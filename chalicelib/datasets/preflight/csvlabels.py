"""The labels of a CSV's rows, and the names of image folders: which can be used."""

from __future__ import annotations

import re
import unicodedata

MOST_CLASSES = 1000
LONGEST_LABEL = 100
# As pandas and Excel write nothing. `None` and `NA` may be classes.
MISSING_LABELS = {"nan", "<na>", "#n/a"}
_INTEGER = re.compile(r"-?[0-9]+")


def label_problem(text: str, called: str = "label") -> str | None:  # noqa: PLR0911 - one a kind
    """Why this cannot be a label, nor the name of a class' folder."""
    if not text:
        return f"the {called} is empty"
    if text != text.strip():
        return f"{called} {text[:30]!r} has spaces around it"
    if len(text) > LONGEST_LABEL:
        return f"the {called} is longer than {LONGEST_LABEL} characters"
    if called == "label" and text.lower() in MISSING_LABELS:
        return f"label {text!r} is a missing value: fill it or leave the row out"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return f"the {called} is not UTF-8 text"
    if any(unicodedata.category(char) == "Cc" for char in text):
        return f"{called} {text[:30]!r} has control characters in it: take them out"
    return None


def too_many_labels(most: int) -> str:
    """Why a column of so many labels is refused; the commonest has `most` rows."""
    reason = f"more than {MOST_CLASSES:,} different labels"
    if most == 1:
        reason += ", each in one row alone: is the column one of row numbers or names?"
    return reason


def is_integer(label: str) -> bool:
    """Whether it is a whole number, perhaps negative."""
    return _INTEGER.fullmatch(label) is not None
