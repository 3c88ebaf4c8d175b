"""Why a block of CSV text is no rows: its first fault, by file, row and column.

Only text that the parser refused comes here, so that plain Python is fast enough.
"""

from __future__ import annotations

import csv
import io
import math

from pigeonhole_training.data.version import DatasetVersion, SourceFile

_MISSING = frozenset(("nan", "na", "n/a", "#n/a", "null", "none", "?"))
_SHOWN = 30  # characters of a field


def first_trouble(
    block: bytes, first: int, file: SourceFile, version: DatasetVersion
) -> str | None:
    """One sentence, or None when every row looks well. `first` is the first row's number in the
    file; blank lines do not count."""
    known = set(version.labels)
    row = first
    text = io.StringIO(block.decode("utf-8", "replace"), newline="")
    try:
        for fields in csv.reader(text):
            if not any(field.strip() for field in fields) and len(fields) < 2:
                continue
            if reason := _row_trouble(fields, file, version, known):
                return f"{file.name}, row {row}{reason}"
            row += 1
    except csv.Error as error:
        return f"{file.name}, row {row}: {error}"
    return None


def _row_trouble(
    fields: list[str], file: SourceFile, version: DatasetVersion, known: set[str]
) -> str | None:
    values = version.shape.values
    if len(fields) != values + 1:
        return (
            f": {len(fields)} fields instead of a label and {values} values "
            f"({version.shape.height} x {version.shape.width} x {version.shape.channels})"
        )
    label = fields[file.label_column].strip()
    for place, field in enumerate(fields):
        if place == file.label_column:
            if not label:
                return ": the label is empty"
            if label not in known:
                return f" has the label {label[:_SHOWN]!r}, which version.json does not list"
        elif reason := _value_trouble(field.strip(), version.value_range[1]):
            return f", column {place + 1}: {reason}"
    return None


def _value_trouble(text: str, most: int) -> str | None:
    shown = repr(text[:_SHOWN])
    kind = "a whole number from 0 to 255" if most == 255 else "a number from 0 to 1"
    if not text:
        return f"an empty field instead of {kind}"
    if text.lower() in _MISSING:
        return f"{shown}, a missing value, instead of {kind}"
    try:
        value = float(text)
    except ValueError:
        return f"{shown} is not {kind}"
    if not (math.isfinite(value) and 0 <= value <= most) or (most == 255 and value % 1):
        return f"{shown} is not {kind}"
    return None
