"""CSV text field by field, in plain Python: for text that is written in an unusual way, and to say
what is wrong with a row."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from pigeonhole_training.data.rows import Labels, Pixels
from pigeonhole_training.data.version import Shape

_MISSING = frozenset(("nan", "na", "n/a", "#n/a", "null", "none", "?"))
_SHOWN = 30  # characters of a field


class RowTrouble(Exception):
    """A row that cannot be used: its number in the block, from 1, and a text to follow it."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(f"row {row}{text}")
        self.row = row
        self.text = text


def parse_patiently(
    block: bytes, label_column: int, shape: Shape, labels: tuple[str, ...], most: int
) -> tuple[Pixels, Labels]:
    """uint8 `(N, values)` and the classes' indices int32 `(N,)`.

    Takes quotes, spaces around fields and whole numbers with a point; blank lines are no rows.
    `most` is 255 or 1, as values are written. Raises RowTrouble at the first fault.
    """
    index = {label: i for i, label in enumerate(labels)}
    values: list[bytes] = []
    found: list[int] = []
    row = 0
    lines = csv.reader(io.StringIO(block.decode("utf-8", "replace"), newline=""))
    try:
        for fields in lines:
            if not any(field.strip() for field in fields) and len(fields) < 2:
                continue
            row += 1
            if len(fields) != shape.values + 1:
                raise RowTrouble(
                    row,
                    f": {len(fields):,} fields instead of a label and {shape.values:,} values "
                    f"({shape.height} x {shape.width} x {shape.channels})",
                )
            label = fields[label_column].strip()
            if label not in index:
                text = f" has the label {label[:_SHOWN]!r}, which version.json does not list"
                raise RowTrouble(row, text if label else ": the label is empty")
            found.append(index[label])
            values.append(
                bytes(
                    _level(field.strip(), most, row, place)
                    for place, field in enumerate(fields, start=1)
                    if place != label_column + 1
                )
            )
    except csv.Error as error:
        raise RowTrouble(row + 1, f": {error}") from error
    pixels = np.frombuffer(b"".join(values), np.uint8).reshape(-1, shape.values)
    return pixels, np.array(found, np.int32)


def _level(text: str, most: int, row: int, column: int) -> int:
    """The field as 0 to 255."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value <= most and (most == 1 or value == int(value)):
        return round(value * 255) if most == 1 else int(value)
    kind = "a whole number from 0 to 255" if most == 255 else "a number from 0 to 1"
    if not text:
        reason = f"an empty field instead of {kind}"
    elif text.lower() in _MISSING:
        reason = f"{text!r}, a missing value, instead of {kind}"
    else:
        reason = f"{text[:_SHOWN]!r} is not {kind}"
    raise RowTrouble(row, f", column {column}: {reason}")
