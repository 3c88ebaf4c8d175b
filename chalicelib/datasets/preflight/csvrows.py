"""The rows of a CSV: a label and the pixels, whole numbers from 0 to 255 or numbers from 0 to 1.

The first line may be a header. The label is the column that the dataset's settings name, else the
one that the header calls `label`, `class` or the like, else the first, unless that is called as
pixels are (`csvhead`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO

from chalicelib.datasets.preflight.csvfound import LINES_OF_A_LABEL, BadRow, CsvFile
from chalicelib.datasets.preflight.csvhead import (
    BYTES,
    ROWS,
    TELLING,
    Line,
    Take,
    closes_quotes,
    fields_of,
    measured,
    read_head,
    taker,
)
from chalicelib.datasets.preflight.csvlabels import (
    MOST_CLASSES,
    is_integer,
    label_problem,
    too_many_labels,
)
from chalicelib.datasets.preflight.csvvalues import (
    VALUE_OF,
    WHOLE,
    is_digits,
    is_number,
    measure,
    value_problem,
)
from chalicelib.datasets.preflight.otherkinds import OLD_LINE_ENDS, other_kind
from chalicelib.datasets.preflight.problem import Problem

LONGEST_LINE = 1 << 20  # bytes; 256 x 256 x 3 pixels need 786,433


def read_rows(found: CsvFile, lines: IO[bytes], label: str | None) -> None:
    """Read `lines` into `found`. Raises Enough where reading on has no use."""
    numbered = _numbered(found, lines)
    head: list[Line] = []
    if not found.goes_on:
        size = 0
        for number, line in numbered:
            head.append((number, line))
            size += len(line)
            if len(head) > ROWS or size > BYTES:
                break
        if not head:
            found.hopeless("the file is empty")
        read_head(found, head, label)
        if found.header:
            del head[0]
        head += _until_told(found, head, numbered, BYTES - size)
    reader = _Reader(found)
    try:
        for number, line in chain(head, numbered):
            reader.read(number, line)
    finally:
        reader.finish()
        found.bad.sort(key=lambda row: row.line)  # empty lines in the head came first
    if not found.goes_on and not found.rows:
        found.hopeless("the file has no rows below its header")


def _until_told(
    found: CsvFile, head: Sequence[Line], numbered: Iterator[Line], most: int
) -> list[Line]:
    """More lines, of `most` bytes, where those of the head are 0 and 1 alone: until enough have
    other values. One row that is written in another way must not speak for all."""
    more: list[Line] = []
    scales: Counter[int] = Counter()
    lines = chain(head, numbered)
    for place, (number, line) in enumerate(lines):
        if place >= len(head):
            more.append((number, line))
            most -= len(line)
        row = measured(found.label_column, line)
        if row is not None and row[0] == found.pixels and row[1] is not None:
            scales[row[1]] += 1
        if most < 0 or max(scales.values(), default=0) >= TELLING:
            break
    if scales:
        found.scale = scales.most_common(1)[0][0]
    return more


def settle_labels(found: CsvFile) -> None:
    """Leave out the rows whose labels are numbers where most are words, or the other way around;
    and see whether the header was one.

    For a whole file, put together from its parts.
    """
    _check_header(found)
    numbers = [label for label in found.labels if is_integer(label)]
    words = [label for label in found.labels if not is_integer(label)]
    if not numbers or not words:
        return

    def more_and_earlier(labels: list[str]) -> tuple[int, int]:
        return -sum(found.counts[one] for one in labels), min(found.labels[one] for one in labels)

    usual, odd = sorted((numbers, words), key=more_and_earlier)
    for label in odd:
        reason = (
            f"label {label!r} where the other rows have labels like {usual[0]!r}: "
            "a header in the middle, or another kind of file"
        )
        place = found.labels[label], found.label_column + 1
        if not leave_out_label(found, label, reason):
            found.problems.append(Problem(found.name, reason, *place))


def _check_header(found: CsvFile) -> None:
    columns = fields_of(found.header_line) if found.header else []
    name = columns[found.label_column].strip() if found.label_column < len(columns) else ""
    if name in found.labels and not is_number(name):
        reason = (
            f"a row taken for a header, it seems: its column {found.label_column + 1} says "
            f"{name[:30]!r}, as rows below it do. Name the columns in a first line of their own "
            "(label, pixel1, pixel2, …)"
        )
        found.problems.append(Problem(found.name, reason, 1, found.label_column + 1))


def leave_out_label(found: CsvFile, label: str, reason: str) -> bool:
    """Leave out every row of a label; False where there are too many of it to be a slip."""
    lines = found.lines_of[label]
    if len(lines) < found.counts[label]:
        return False
    del found.labels[label], found.counts[label], found.lines_of[label]
    column = found.label_column + 1
    found.bad = sorted([*found.bad, *(BadRow(line, column, reason) for line in lines)])
    return True


def _numbered(found: CsvFile, lines: IO[bytes]) -> Iterator[Line]:
    """Lines with their numbers, from 1; empty ones at the end are left out."""
    begins = not found.goes_on
    while line := lines.readline(LONGEST_LINE + 1):
        found.lines += 1
        number = found.lines
        if number == 1 and begins and (what := other_kind(line)):
            found.hopeless(what)
        if len(line) > LONGEST_LINE:
            reason = f"the line is longer than {LONGEST_LINE:,} bytes"
            found.hopeless(f"{reason}: {OLD_LINE_ENDS}" if b"\r" in line else reason, number)
        line = line.rstrip(b"\r\n")
        if number == 1 and begins:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            found.blank_at = found.blank_at or number
            continue
        if found.blank_at is not None:
            blank, found.blank_at = found.blank_at, None
            if blank == 1 and begins:
                found.hopeless("the first line is empty: take it out", 1)
            for empty in range(blank, number):
                found.leave_out(empty, None, "an empty line between rows")
        yield number, line


class _Reader:
    """Takes a file's rows one by one."""

    def __init__(self, found: CsvFile) -> None:
        self._found = found
        self._header = found.header_line or None
        self._take: Take = taker(found.label_column, found.pixels)
        self._counts: dict[bytes, int] = {}
        self._first: bytes | None = None
        self._given = found.first  # of the rows before these

    def read(self, number: int, line: bytes) -> None:
        """A row. Raises Enough."""
        found = self._found
        if line == self._header:
            found.leave_out(number, 1, "the header is repeated")
            return
        given = line
        if b'"' in line:  # as some programs write them
            fields = fields_of(line)
            if any("," in field for field in fields):
                found.leave_out(number, None, "a field in quotes holds a comma")
                return
            line = ",".join(fields).encode("utf-8", "surrogateescape")
        label, rest = self._take(line)
        pixels = self._pixels(rest)
        if pixels is None or pixels != found.pixels:
            self._explain(line, number, label, pixels)
            return
        count = self._counts.get(label, 0)
        if b'"' in line and label.startswith(b'"') and not closes_quotes(given):
            found.leave_out(number, found.label_column + 1, "a quote that does not close")
            return
        if count < LINES_OF_A_LABEL and not self._note_label(label, number, count):
            return
        self._counts[label] = count + 1
        if not found.varied and rest != self._first:
            if self._first is None:
                self._first = rest
            else:
                found.varied = True

    def finish(self) -> None:
        """Note what was counted."""
        found = self._found
        found.counts = {_text(label): count for label, count in self._counts.items()}
        if self._first is not None:
            found.first = hashlib.blake2b(self._first, digest_size=16).hexdigest()
            found.varied = found.varied or bool(self._given and self._given != found.first)

    def _pixels(self, rest: bytes) -> int | None:
        """How many values the row has; None when one of them is none, or written in another way."""
        found = self._found
        if found.scale == WHOLE:
            try:
                return len(bytes(map(VALUE_OF, rest.split(b","))))
            except KeyError:
                pass
        measured = measure(rest)
        if measured is None:
            return None
        pixels, scale = measured
        if scale is not None and pixels == (found.pixels or pixels):
            if found.scale is not None and scale != found.scale:
                return None
            found.scale = scale
        if found.pixels is None:
            found.pixels = pixels
        return pixels

    def _note_label(self, label: bytes, number: int, count: int) -> bool:
        """One of a label's first rows; False when it is no label."""
        found, text = self._found, _text(label)
        if count:
            found.lines_of[text].append(number)
            return True
        if problem := label_problem(text):
            found.leave_out(number, found.label_column + 1, problem)
            return False
        if len(found.labels) == MOST_CLASSES:
            reason = too_many_labels(max(self._counts.values()))
            found.hopeless(reason, number, found.label_column + 1)
        found.labels[text] = number
        found.lines_of[text] = [number]
        return True

    def _explain(self, line: bytes, number: int, label: bytes, pixels: int | None) -> None:
        """Leave the row out, by the first of its fields that is no pixel."""
        found = self._found
        fields = line.decode("utf-8", "replace").split(",")
        if len(fields) == 1:
            found.leave_out(number, None, "the row has no pixels behind its label")
            return
        long = found.pixels is not None and len(fields) == found.pixels + 1
        if long and label_problem(text := _text(label)) is None:
            found.lost.setdefault(text, number)
        places = [column for column in range(len(fields)) if column != found.label_column]
        for place in places:
            if problem := value_problem(fields[place], found.scale):
                found.leave_out(number, place + 1, problem)
                return
        if pixels is not None or (found.pixels is not None and not long):
            reason = f"the row has {len(fields) - 1} pixels, the others have {found.pixels}"
            found.leave_out(number, None, reason)
            return
        # Each could be: so they are of both kinds, in one row or against the others.
        place = next((place for place in places if not is_digits(fields[place])), places[0])
        others = "" if found.scale is None else ", as the other values are"
        found.leave_out(
            number,
            place + 1,
            f"{fields[place][:30]!r} in a row with whole numbers above 1: write all values as "
            f"whole numbers from 0 to 255, or all from 0 to 1{others}",
        )


def _text(label: bytes) -> str:
    return label.decode("utf-8", "surrogateescape")
