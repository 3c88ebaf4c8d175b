"""The rows of a CSV: a label and the pixels, whole numbers from 0 to 255 or numbers from 0 to 1.

The first line may be a header. The label is the column that the dataset's settings name, else the
one that the header calls `label`, `class` or the like, else the first, unless that is called as
pixels are.

The loop over the rows is plain Python because the Lambda package has no native code. A dictionary
of the 256 values as they are written converts and checks at once, twice as fast as int(); only a
row with something else in it (`007`, `0.5`, `x`) takes a slower way.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from chalicelib.datasets.problem import some

if TYPE_CHECKING:
    from chalicelib.datasets.csvfile import CsvFile

LONGEST_LINE = 1 << 20  # bytes; 256 x 256 x 3 pixels need 786,433
MOST_CLASSES = 1000
LONGEST_LABEL = 100
LABEL_NAMES = ("label", "labels", "class", "target", "category")
_DIGITS_AND_COMMAS = b"0123456789,"
_VALUE_OF = {str(value).encode(): value for value in range(256)}.__getitem__
_OF_DECIMALS = b"0123456789,.+-eE"
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBERS = re.compile(r"[0-9]+")
_INDEX = re.compile(r"|Unnamed: [0-9]+")  # how pandas heads the row numbers that it writes
_MISSING = {"nan", "na", "n/a", "#n/a", "null", "none", "?"}
_INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity"}

Take = Callable[[bytes], tuple[bytes, bytes]]  # a line → its label, the values with their commas


def read_rows(found: CsvFile, lines: IO[bytes], label: str | None) -> None:
    """Read `lines` into `found`. Raises Enough where reading on has no use."""
    begins = not found.goes_on
    header = found.header_line or None
    take = _taker(found.label_column, found.columns)
    counts: dict[bytes, int] = {}
    number = 0
    try:
        for number, line in _numbered(found, lines):
            if begins and number == 1 and is_header(line):
                header, found.header, found.header_line = line, True, line
                take = _headed(found, line, label)
            elif begins and number == 1 and label is not None:
                reason = f"dataset.json says that the label's column is {label!r}"
                found.hopeless(f"{reason}, but the file has no header", 1)
            elif line == header:
                found.wrong("the header is repeated", number, 1)
            else:
                _read_row(found, line, number, take, counts)
    finally:
        found.counts = {
            text: count
            for raw, count in counts.items()
            if (text := raw.decode("utf-8", "surrogateescape")) in found.labels
        }
    if not begins:
        return
    if number == 0:
        found.hopeless("the file is empty")
    elif found.rows == 0 and not found.problems:
        found.hopeless("the file has no rows below its header")


def _numbered(found: CsvFile, lines: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; empty ones at the end are left out."""
    blank_at: int | None = None
    number = 0
    try:
        while line := lines.readline(LONGEST_LINE + 1):
            number += 1
            if number == 1 and not found.goes_on and (what := _other_kind(line)):
                found.hopeless(what)
            if len(line) > LONGEST_LINE:
                found.hopeless(f"the line is longer than {LONGEST_LINE:,} bytes", number)
            line = line.rstrip(b"\r\n")
            if number == 1 and not found.goes_on:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line:
                blank_at = blank_at or number
                continue
            if blank_at is not None:
                found.wrong("an empty line between rows", blank_at)
                blank_at = None
            yield number, line
    finally:
        found.lines, found.blank_at = number, blank_at


def _other_kind(beginning: bytes) -> str | None:
    """What a file is that is called .csv and is none, by its first bytes."""
    kinds = {
        b"\x1f\x8b": "the file is gzip inside: call it .csv.gz",
        b"PK\x03\x04": "the file is a zip (or of Excel) inside: call a zip .csv.zip",
        b"\xff\xfe": "the file is UTF-16: save it as UTF-8",
        b"\xfe\xff": "the file is UTF-16: save it as UTF-8",
        b"BZh": "the file is bzip2 inside: gzip and zip are taken",
        b"\xfd7zXZ": "the file is xz inside: gzip and zip are taken",
        b"\x28\xb5\x2f\xfd": "the file is zstd inside: gzip and zip are taken",
    }
    return next((kind for magic, kind in kinds.items() if beginning.startswith(magic)), None)


def is_header(line: bytes) -> bool:
    """No field is a number, or they count up as pandas' column names do; all but one of them."""
    fields = _fields(line)
    if len(fields) < 2:
        return False
    words = [field for field in fields if not _is_number(field)]
    if len(words) >= len(fields) - 1:
        return not any(_is_number(field) for field in fields[1:])
    counting = [field for field in fields if _is_number(field)]
    start = int(counting[0] == "1")
    expected = [str(i + start) for i in range(len(counting))]
    return len(words) == 1 and len(counting) > 2 and counting == expected


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "surrogateescape")
    if '"' in text:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error:  # quotes that do not close, or not what quotes are for
            pass
    return text.split(",")


def _headed(found: CsvFile, line: bytes, label: str | None) -> Take:
    """How to take rows apart under this header; notes the label's column."""
    text = line.decode("utf-8", "replace").encode()  # it may be told to people
    columns = [field.strip() for field in _fields(text)]
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
                'say which it is in dataset.json, {"label": "…"}',
                1,
                1,
            )
    found.label_column, found.columns = named[0] if named else 0, len(columns)
    return _taker(found.label_column, found.columns)


def _pixel_stem(columns: Sequence[str]) -> str:
    """What two names have in common that differ in their numbers alone, as pixel0 and pixel1."""
    stems = {_NUMBERS.sub("", column) for column in columns}
    return stems.pop() if len(columns) == 2 and len(stems) == 1 else ""


def _taker(column: int, columns: int) -> Take:
    if column == 0:
        return _first
    return _last if column == columns - 1 else _nth(column)


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


def _read_row(
    found: CsvFile, line: bytes, number: int, take: Take, counts: dict[bytes, int]
) -> None:
    if b'"' in line:  # as some programs write them
        fields = _fields(line)
        if any("," in field for field in fields):
            found.wrong("a field in quotes holds a comma", number)
            return
        line = ",".join(fields).encode("utf-8", "surrogateescape")
    label, rest = take(line)
    pixels = _pixels(found, rest)
    if pixels is None:
        _explain(found, line, number)
        return
    if found.pixels is None:
        found.pixels, found.first = pixels, rest
    elif pixels != found.pixels:
        found.wrong(f"the row has {pixels} pixels, the rows before it have {found.pixels}", number)
        return
    elif not found.varied and rest != found.first:
        found.varied = True
    found.rows += 1
    count = counts.get(label, 0)
    if not count:
        _new_label(found, label.decode("utf-8", "surrogateescape"), number)
    counts[label] = count + 1


def _pixels(found: CsvFile, rest: bytes) -> int | None:
    """How many values the row has; None when one of them is none, or not as those before."""
    try:
        return _whole(found, bytes(map(_VALUE_OF, rest.split(b","))))
    except KeyError:
        return _unusual_pixels(found, rest)


def _whole(found: CsvFile, values: bytes) -> int | None:
    if found.scale != 255 and max(values) > 1:
        if found.scale == 1:
            return None
        found.scale = 255
    return len(values)


def _unusual_pixels(found: CsvFile, rest: bytes) -> int | None:
    fields = rest.split(b",")
    try:
        if not rest.translate(None, _DIGITS_AND_COMMAS):  # int() takes `+5`, `1_0` and ` 5` too
            return _whole(found, bytes(map(int, fields)))
        if found.scale == 255 or rest.translate(None, _OF_DECIMALS):
            return None
        decimals = list(map(float, fields))
    except ValueError:
        return None
    if min(decimals) < 0 or max(decimals) > 1:
        return None
    found.scale = 1
    return len(decimals)


def _explain(found: CsvFile, line: bytes, number: int) -> None:
    """Name the first field that is no pixel."""
    fields = line.decode("utf-8", "replace").split(",")
    if len(fields) == 1:
        other = next((mark for mark in ";\t| " if fields[0].count(mark) > 2), None)
        if other is not None:
            found.hopeless(f"its fields are separated by {other!r}: commas are taken", number)
        found.wrong("the row has no pixels behind its label", number)
        return
    places = [column for column in range(len(fields)) if column != found.label_column]
    for place in places:
        if reason := _value_problem(fields[place], found.scale):
            found.wrong(reason, number, place + 1)
            return
    # Each could be: so they are of both kinds, in one row.
    place = next((place for place in places if not _is_digits(fields[place])), places[0])
    found.wrong(
        f"{fields[place][:30]!r} in a row with whole numbers above 1: write all values as whole "
        "numbers from 0 to 255, or all from 0 to 1",
        number,
        place + 1,
    )


def _value_problem(text: str, scale: int | None) -> str | None:  # noqa: PLR0911 - one a kind
    shown, low = repr(text[:30]), text.strip().lower()
    if not text:
        return "an empty field is not a whole number from 0 to 255"
    if low in _MISSING:
        return f"{shown} is a missing value: fill it or leave the row out"
    if low in _INFINITE:
        return f"{shown} is no pixel value: fill it or leave the row out"
    if len(parts := text.split()) > 1 and all(map(_is_digits, parts)):
        return f"{len(parts)} values in one field, with spaces between: give each a column"
    if scale == 1:
        fine = _is_decimal(text)
        return None if fine else f"{shown} is not a number from 0 to 1, as the values before it are"
    if _is_digits(text):
        return f"{text[:30]} is out of 0 to 255" if int(text[:10]) > 255 else None
    if scale is None and _is_decimal(text):
        return None
    if scale is None:
        return f"{shown} is not a whole number from 0 to 255, nor a number from 0 to 1"
    return f"{shown} is not a whole number from 0 to 255, as the values before it are"


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_decimal(text: str) -> bool:
    if text.encode("utf-8", "replace").translate(None, _OF_DECIMALS):
        return False
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and 0 <= value <= 1


def _new_label(found: CsvFile, text: str, number: int) -> None:
    first = next(iter(found.labels), None)
    column = found.label_column + 1
    if problem := label_problem(text):
        found.wrong(problem, number, column)
    elif first is not None and is_integer(first) != is_integer(text):
        found.wrong(
            f"label {text!r} where the rows before have labels like {first!r}: "
            "a header in the middle, or another kind of file",
            number,
            column,
        )
    else:
        found.labels[text] = number
        if len(found.labels) > MOST_CLASSES:
            found.hopeless(f"more than {MOST_CLASSES:,} different labels", number, column)


def label_problem(text: str, called: str = "label") -> str | None:
    """Why this cannot be a label, nor the name of a class' folder."""
    if not text:
        return f"the {called} is empty"
    if text != text.strip():
        return f"{called} {text[:30]!r} has spaces around it"
    if len(text) > LONGEST_LABEL:
        return f"the {called} is longer than {LONGEST_LABEL} characters"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return f"the {called} is not UTF-8 text"
    if any(unicodedata.category(char) == "Cc" for char in text):
        return f"{called} {text[:30]!r} has control characters in it: take them out"
    return None


def is_integer(label: str) -> bool:
    return _INTEGER.fullmatch(label) is not None
