"""The pixel values of a CSV's row: what they are, and what is wrong with the first that is none.

Whole numbers from 0 to 255, or numbers from 0 to 1. The loop over the rows is plain Python because
the Lambda package has no native code. A dictionary of the 256 values as they are written converts
and checks at once, twice as fast as int(); only a row with something else in it (`007`, `0.5`, `x`)
takes a slower way.
"""

from __future__ import annotations

import math

WHOLE, UNIT = 255, 1  # how values are written: whole numbers to 255, or numbers from 0 to 1
MISSING = {"nan", "na", "n/a", "#n/a", "null", "none", "?"}
VALUE_OF = {str(value).encode(): value for value in range(256)}.__getitem__
PLAIN = frozenset(map(str, range(256)))
_DIGITS_AND_COMMAS = b"0123456789,"
_OF_DECIMALS = b"0123456789,.+-eE"
_INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity"}

Measured = tuple[int, int | None]  # how many values; WHOLE, UNIT, or None where all are 0 or 1


def measure(values: bytes) -> Measured | None:
    """What a row's values are, written with commas between them; None when one of them is none."""
    fields = values.split(b",")
    try:
        return _whole(bytes(map(VALUE_OF, fields)))
    except KeyError:
        pass
    try:
        if not values.translate(None, _DIGITS_AND_COMMAS):  # int() takes `+5`, `1_0` and ` 5` too
            return _whole(bytes(map(int, fields)))
        if values.translate(None, _OF_DECIMALS):
            return None
        decimals = list(map(float, fields))
    except ValueError:
        return None
    return None if min(decimals) < 0 or max(decimals) > 1 else (len(decimals), UNIT)


def _whole(values: bytes) -> Measured:
    return len(values), WHOLE if max(values) > 1 else None


def value_problem(text: str, scale: int | None) -> str | None:  # noqa: PLR0911 - one a kind
    """Why the field is no pixel value among values written in this way; None when it is one."""
    if text in PLAIN and (scale != UNIT or text in ("0", "1")):
        return None
    shown, low = repr(text[:30]), text.strip().lower()
    if not text:
        return "an empty field is not a whole number from 0 to 255"
    if low in MISSING:
        return f"{shown} is a missing value: fill it or leave the row out"
    if "\r" in text:
        return f"{shown} has a carriage return in it, which ends no line here: save with line feeds"
    if low in _INFINITE:
        return f"{shown} is no pixel value: fill it or leave the row out"
    if len(parts := text.split()) > 1 and all(map(is_digits, parts)):
        return f"{len(parts)} values in one field, with spaces between: give each a column"
    if scale == UNIT:
        fine = _is_decimal(text)
        return None if fine else f"{shown} is not a number from 0 to 1, as the other values are"
    if is_digits(text):
        return f"{text[:30]} is out of 0 to 255" if int(text[:10]) > WHOLE else None
    if scale is None and _is_decimal(text):
        return None
    written = f"{shown} is not a whole number from 0 to 255"
    written += ", nor a number from 0 to 1" if scale is None else ", as the other values are"
    if text != text.strip():
        return f"{written}: take out the spaces around it"
    return f"{written}: write it without a point" if _is_whole(text) else written


def is_digits(text: str) -> bool:
    """Whether it is a whole number without a sign."""
    return text.isascii() and text.isdigit()


def is_number(text: str) -> bool:
    """Whether Python reads it as a number, `nan` included."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_whole(text: str) -> bool:
    """Whether it is one of 0 to 255, written as `12.0` or `1.2e+01`."""
    return is_number(text) and float(text) in range(WHOLE + 1)


def _is_decimal(text: str) -> bool:
    if text.encode("utf-8", "replace").translate(None, _OF_DECIMALS):
        return False
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and 0 <= value <= 1
