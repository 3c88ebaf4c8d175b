"""How a CSV is written, told by its first rows: header, label's column, how many values, which.

What most of the first rows have in common is what the others are held against: a first row that is
broken does not make all others look so.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.csvvalues import (
    MISSING,
    Measured,
    is_digits,
    is_number,
    measure,
)
from chalicelib.datasets.preflight.problem import some

ROWS = 64  # that tell how the file is written
TELLING = 10  # rows with other values than 0 and 1, which say how values are written
BYTES = 4 << 20  # read for that, at most, and a line
SMALLEST_SIDE, LARGEST_SIDE = 8, 256  # of an image, in pixels
LABEL_NAMES = ("label", "labels", "class", "target", "category")
SURE = 10  # rows that count up: too many for chance
_NUMBERS = re.compile(r"[0-9]+")
_INDEX = re.compile(r"|Unnamed: [0-9]+")  # how pandas heads the row numbers that it writes
_MANGLED = re.compile(r"(.*)\.([0-9]+)")  # how pandas heads a column whose name was there before

Line = tuple[int, bytes]  # number, from 1, and text without its end
Take = Callable[[bytes], tuple[bytes, bytes]]  # a line → its label, the values with their commas


def read_head(found: CsvFile, head: Sequence[Line], label: str | None) -> None:
    """Note in `found` what the first lines tell. Raises Enough where the file is of no use."""
    number, line = head[0]
    fields = fields_of(line)
    _check_separator(found, fields)
    if is_header(line):
        found.header, found.header_line = True, line
        _read_header(found, line, label)
    elif label is not None:
        reason = f"dataset.json says that the label's column is {label!r}"
        found.hopeless(f"{reason}, but the file has no header", number)
    rows = head[1:] if found.header else head
    found.pixels, found.scale = _commonest(found.label_column, rows)
    if found.pixels is not None and found.pixels < SMALLEST_SIDE**2:
        found.hopeless(
            f"its rows have {found.pixels} value{'' if found.pixels == 1 else 's'} besides the "
            "label: the smallest image, "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE}, has {SMALLEST_SIDE**2}. Is it a list, or another "
            "table? Take it out",
            rows[0][0],
        )
    if found.pixels is None and not found.label_column:
        _check_last_column(found, rows)
    if not found.header:
        _check_first_row(found, fields)
    elif found.pixels is not None and len(fields) != found.pixels + 1:
        found.hopeless(
            f"the header names {len(fields):,} columns, the rows have {found.pixels + 1:,}", number
        )
    _check_columns(found, rows)


def taker(column: int, pixels: int | None) -> Take:
    """How to take a row apart whose label stands in this column, before so many pixels."""
    if column == 0:
        return _first
    return _last if column == pixels else _nth(column)


def measured(column: int, line: bytes) -> Measured | None:
    """The values of a row whose label stands in this column."""
    fields = fields_of(line) if b'"' in line else line.decode("latin-1").split(",")
    if column >= len(fields):
        return None
    del fields[column]
    return measure(",".join(fields).encode("utf-8", "surrogateescape"))


def _commonest(column: int, rows: Sequence[Line]) -> tuple[int | None, int | None]:
    """How many values most rows have, and how most of those are written."""
    read = [one for _, line in rows if (one := measured(column, line)) is not None]
    if not read:
        return None, None
    pixels = Counter(count for count, _ in read).most_common(1)[0][0]
    scales = Counter(scale for count, scale in read if count == pixels and scale is not None)
    return pixels, scales.most_common(1)[0][0] if scales else None


def _check_separator(found: CsvFile, fields: Sequence[str]) -> None:
    text = ",".join(fields)
    # Decimal commas stand between semicolons.
    other = next((mark for mark in ";\t| " if text.count(mark) > max(2, len(fields) - 2)), None)
    if other is not None and (other != " " or sum(map(is_number, text.split())) > len(fields)):
        found.hopeless(f"its fields are separated by {other!r}: commas are taken", 1)


# The header


def is_header(line: bytes) -> bool:
    """No field is a number, or they count up as pandas' column names do; all but one of them, or
    all."""
    fields = fields_of(line)
    if len(fields) < 2:
        return False
    words = [field for field in fields if not is_number(field)]
    if len(words) >= len(fields) - 1:
        # A row whose values are all missing names no columns.
        return not all(map(_is_missing, fields[1:])) and not any(
            is_number(field) for field in fields[1:]
        )
    counting = [field for field in fields if is_number(field)]
    if len(words) > 1 or len(counting) <= (2 if words else SURE):
        return False
    start = int(counting[0] == "1")
    return counting == [str(i + start) for i in range(len(counting))]


def fields_of(line: bytes) -> list[str]:
    """The fields of a line, out of their quotes."""
    text = line.decode("utf-8", "surrogateescape")
    if '"' in text:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error:  # quotes that do not close, or not what quotes are for
            pass
    return text.split(",")


def closes_quotes(line: bytes) -> bool:
    """Whether every quote of the line is closed, and stands where quotes may."""
    try:
        next(csv.reader([line.decode("utf-8", "surrogateescape")], strict=True))
    except csv.Error:
        return False
    return True


def _is_missing(field: str) -> bool:
    return not field.strip() or field.strip().lower() in MISSING


def _read_header(found: CsvFile, line: bytes, label: str | None) -> None:
    """Note the label's column."""
    text = line.decode("utf-8", "replace").encode()  # it may be told to people
    columns = [field.strip() for field in fields_of(text)]
    if _INDEX.fullmatch(columns[0]):
        found.hopeless(
            "the first column has no name, as the row numbers that pandas writes: "
            "leave them out (index=False)",
            1,
            1,
        )
    if label is not None:
        named = [i for i, column in enumerate(columns) if column == label]
        if len(named) != 1:
            found.hopeless(
                f"dataset.json says that the label's column is {label!r}; the header has "
                f"{len(named) or 'no'} such, but {some([c[:40] for c in columns])}",
                1,
            )
    else:
        named = [i for i, column in enumerate(columns) if column.lower() in LABEL_NAMES]
        if len(named) > 1:
            both = " and ".join(repr(columns[i]) for i in named[:2])
            found.hopeless(
                f"columns {both} could both be the label: say which in dataset.json, "
                f'{{"label": "{columns[named[0]]}"}}',
                1,
                named[1] + 1,
            )
        elif not named and (stem := _pixel_stem(columns[:2])):
            found.hopeless(
                f"the header names no column of labels ({', '.join(LABEL_NAMES)}), and its first "
                f"one, {columns[0][:40]!r}, is called as the second is, {stem!r} with a number: "
                'say which it is in dataset.json, {"label": "…"}; rows that have no labels cannot '
                "be used",
                1,
                1,
            )
    if all(is_number(column) for column in columns):
        found.notes.append(
            f"{found.name}: line 1 counts up from {columns[0]} to {columns[-1]}: it is taken for "
            "the numbers of the columns, as pandas writes them, not for a row"
        )
    found.label_column = named[0] if named else 0


def _pixel_stem(columns: Sequence[str]) -> str:
    """What two names have in common that differ in their numbers alone, as pixel0 and pixel1."""
    stems = {_NUMBERS.sub("", column) for column in columns}
    return stems.pop() if len(columns) == 2 and len(stems) == 1 else ""


# What stands where the first row should


def _check_first_row(found: CsvFile, fields: Sequence[str]) -> None:
    if _is_mangled(fields):
        at = next(i for i, field in enumerate(fields) if _MANGLED.fullmatch(field))
        found.hopeless(
            f"a first row that was taken for a header when this file was written: {fields[at]!r} "
            "is how pandas heads a column whose name was there before. Read the original with "
            "header=None, and write it with header=False",
            1,
            at + 1,
        )
    words = [f for f in fields[1:] if not (is_number(f) or _is_missing(f))]
    if found.pixels is not None and 2 * len(words) > len(fields) - 1:
        at = next((i for i, field in enumerate(fields) if i and is_number(field)), 0)
        found.hopeless(
            f"a header, it seems, read as a row because column {at + 1} is called "
            f"{fields[at][:30]!r}: name every column by a word (label, pixel1, pixel2, …), or "
            "leave the header out",
            1,
            at + 1,
        )


def _check_last_column(found: CsvFile, rows: Sequence[Line]) -> None:
    """Do labels stand behind the pixels, and nobody says so?"""
    split = [fields_of(line) for _, line in rows]
    if len(split) < SURE or len({len(fields) for fields in split}) > 1 or len(split[0]) < 3:
        return
    last = [fields[-1] for fields in split]
    if any(is_number(f) or _is_missing(f) for f in last) or not all(
        is_number(field) for fields in split for field in fields[:-1]
    ):
        return
    found.hopeless(
        f"column {len(split[0])} looks like the labels ({some(list(dict.fromkeys(last)))}): the "
        f"first one is taken for them where no header calls another one {' or '.join(LABEL_NAMES)}",
        rows[0][0],
        len(split[0]),
    )


def _is_mangled(fields: Sequence[str]) -> bool:
    """No two fields are alike, and some only because pandas numbered them: `0`, `0.1`, `0.2`."""
    if len(fields) <= SURE or len(set(fields)) < len(fields):
        return False
    times: Counter[str] = Counter()
    numbered = 0
    for field in fields:
        match = _MANGLED.fullmatch(field)
        if match and times[match[1]] and int(match[2][:9]) == times[match[1]]:
            times[match[1]] += 1
            numbered += 1
        else:
            times[field] += 1
    return numbered > 2


# Row numbers in a column


def _check_columns(found: CsvFile, rows: Sequence[Line]) -> None:
    """Is there a column that only numbers or names the rows? Which one looks like labels, then?"""
    split = [fields_of(line) for _, line in rows]
    width = Counter(map(len, split)).most_common(1)[0][0] if split else 0
    split = [fields for fields in split if len(fields) == width]
    if len(split) < SURE or width < 3 or is_square(width - 1):
        return
    names = fields_of(found.header_line) if found.header else []
    places = list(dict.fromkeys((0, 1, width - 2, width - 1)))
    values = {place: [fields[place] for fields in split] for place in (*places, found.label_column)}
    looks = ""
    at = next((place for place in places if _counts_up(values[place])), found.label_column)
    if at == found.label_column:
        labels = [place for place in places if place != at and _like_labels(values[place])]
        if not labels or not is_square(width - 2) or len(set(values[at])) < len(split):
            return
        told = some([value[:20] for value in dict.fromkeys(values[labels[0]])])
        looks = f", while {_column(labels[0], names)} looks like them ({told})"
    what = "counts the rows" if _counts_up(values[at]) else "is another in every row"
    where = "the labels should be" if at == found.label_column else "pixels should be"
    found.hopeless(
        f"{_column(at, names)} {what} ({', '.join(v[:20] for v in values[at][:3])}, …), where "
        f"{where}{looks}. Leave column {at + 1} out",
        rows[0][0],
        at + 1,
    )


def _counts_up(values: Sequence[str]) -> bool:
    if not all(map(is_digits, values)):
        return False
    start = int(values[0][:18])
    return all(int(value[:18]) == start + i for i, value in enumerate(values))


def _like_labels(values: Sequence[str]) -> bool:
    """A few different ones that come again, none of which is missing."""
    return "" not in values and 1 < len(set(values)) <= len(values) // 2


def _column(column: int, names: Sequence[str]) -> str:
    name = f" ({names[column].strip()[:40]!r})" if column < len(names) else ""
    return f"column {column + 1}{name}"


def is_square(pixels: int) -> bool:
    """Do so many values make a square image, grey or RGB, of 8 to 256 pixels a side?"""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if side * side * channels == pixels and SMALLEST_SIDE <= side <= LARGEST_SIDE:
            return True
    return False


# A line, taken apart


def _first(line: bytes) -> tuple[bytes, bytes]:
    label, _, rest = line.partition(b",")
    return label, rest


def _last(line: bytes) -> tuple[bytes, bytes]:
    rest, _, label = line.rpartition(b",")
    return label, rest


def _nth(column: int) -> Take:
    def take(line: bytes) -> tuple[bytes, bytes]:
        fields = line.split(b",")
        label = fields.pop(column) if column < len(fields) else b""
        return label, b",".join(fields)

    return take
