"""One CSV of a dataset, streamed: what is in it, and what is wrong with it.

A row is a label and the pixels, 0 to 255. The first line may be a header. Plain, gzip, or zip with
one member. Memory does not grow with the file: a line is held at a time, and a zip, whose directory
is at its end, lies on disk.

The loop over the rows is plain Python because the Lambda package has no native code:
`bytes(map(int, …))` both converts and checks the range; what int() takes beyond digits (`+5`,
`1_0`, ` 5`) is caught by deleting digits and commas.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, cast

LONGEST_LINE = 1 << 20  # bytes; 256 x 256 x 3 pixels need 786,433
MOST_PROBLEMS = 20
MOST_CLASSES = 1000
LONGEST_LABEL = 100
_DIGITS_AND_COMMAS = b"0123456789,"
_INTEGER = re.compile(r"-?[0-9]+")
# What zipfile and its decompressors raise over a damaged archive. It lies on disk by then, so that
# no trouble of the network is among it.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    IndexError,
    KeyError,
    ValueError,
    OverflowError,
    RuntimeError,
)


@dataclass(frozen=True)
class Problem:
    """Why data cannot train. `line` and `column` count from 1; None where they say nothing."""

    file: str
    reason: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file
        place += "" if self.line is None else f", line {self.line}"
        place += "" if self.column is None else f", column {self.column}"
        return f"{place}: {self.reason}" if place else self.reason


@dataclass
class CsvFile:
    """What was found. `sha256`, `size`: of the stored bytes; None, 0 when reading broke off."""

    name: str
    header: bool = False
    rows: int = 0
    pixels: int | None = None
    labels: dict[str, int] = field(default_factory=dict)  # label → line of its first row
    problems: list[Problem] = field(default_factory=list)
    more_problems: bool = False
    sha256: str | None = None
    size: int = 0

    def wrong(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        """Note a problem. Raises _Enough after the twentieth."""
        self.problems.append(Problem(self.name, reason, line, column))
        if len(self.problems) >= MOST_PROBLEMS:
            self.more_problems = True
            raise _Enough


class _Enough(Exception):
    """There is no use in reading on."""


class _Counting(io.RawIOBase):
    """The stored bytes, hashed and counted as they pass."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self.digest = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._body.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.digest.update(chunk)
        self.count += len(chunk)
        return len(chunk)


def read_csv(name: str, body: IO[bytes]) -> CsvFile:
    """Read the whole file, or up to its twentieth problem. `body` needs `read(n)` alone."""
    found = CsvFile(name)
    stored = _Counting(body)
    try:
        with _lines(name, io.BufferedReader(stored, 1 << 18)) as lines:
            _read_rows(found, lines)
    except _Enough:
        return found
    except _NotReadable as error:
        found.problems.append(Problem(name, str(error)))
        return found
    except (
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
    ) as error:
        found.problems.append(Problem(name, f"the compressed file is broken: {error}"))
        return found
    while stored.read(1 << 18):  # what follows the last line, for the hash
        pass
    found.sha256, found.size = stored.digest.hexdigest(), stored.count
    return found


class _NotReadable(Exception):
    """The container of the rows cannot be used; the text says why."""


@contextmanager
def _lines(name: str, stored: io.BufferedReader) -> Iterator[IO[bytes]]:
    lower = name.lower()
    if lower.endswith(".gz"):
        with gzip.GzipFile(fileobj=stored) as unpacked:
            yield cast(IO[bytes], unpacked)
    elif lower.endswith(".zip"):
        with tempfile.TemporaryFile() as disk:
            while chunk := stored.read(1 << 20):
                disk.write(chunk)
            try:
                with zipfile.ZipFile(disk) as archive, archive.open(_member(archive)) as unpacked:
                    yield unpacked
            except _BROKEN_ZIP as error:
                reason = f"the compressed file is broken: {error or type(error).__name__}"
                raise _NotReadable(reason) from error
    else:
        yield stored


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1 or not members[0].filename.lower().endswith(".csv"):
        inside = ", ".join(info.filename for info in members[:5]) or "nothing"
        raise _NotReadable(f"a zip must hold exactly one .csv; this one holds {inside}")
    if members[0].flag_bits & 1:
        raise _NotReadable("the zip is encrypted")
    return members[0]


def _read_rows(found: CsvFile, lines: IO[bytes]) -> None:
    header: bytes | None = None
    blank_at: int | None = None
    number = 0
    while line := lines.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            found.problems.append(
                Problem(found.name, f"the line is longer than {LONGEST_LINE:,} bytes", number)
            )
            raise _Enough
        line = line.rstrip(b"\r\n")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            blank_at = blank_at or number
            continue
        if blank_at is not None:
            found.wrong("an empty line between rows", blank_at)
            blank_at = None
        if number == 1 and _is_header(line):
            header, found.header = line, True
        elif line == header:
            found.wrong("the header is repeated", number, 1)
        else:
            _read_row(found, line, number)
    if number == 0:
        found.problems.append(Problem(found.name, "the file is empty"))
    elif found.rows == 0 and not found.problems:
        found.problems.append(Problem(found.name, "the file has no rows below its header"))


def _is_header(line: bytes) -> bool:
    """No field behind the first is a number, or they count up as pandas' column names do."""
    fields = _fields(line)[1:]
    if not fields:
        return False
    if not any(field.isdigit() for field in fields):
        return True
    counting = [str(i + int(fields[0] == "1")) for i in range(len(fields))]
    return len(fields) > 2 and fields == counting


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "surrogateescape")
    if '"' in text:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error:  # quotes that do not close, or not what quotes are for
            pass
    return text.split(",")


def _read_row(found: CsvFile, line: bytes, number: int) -> None:
    if b'"' in line:  # as some programs write them
        fields = _fields(line)
        if any("," in field for field in fields):
            found.wrong("a field in quotes holds a comma", number)
            return
        line = ",".join(fields).encode("utf-8", "surrogateescape")
    label, _, rest = line.partition(b",")
    try:
        if rest.translate(None, _DIGITS_AND_COMMAS):
            raise ValueError
        pixels = len(bytes(map(int, rest.split(b","))))
    except ValueError:
        _explain(found, line, number)
        return
    if found.pixels is None:
        found.pixels = pixels
    elif pixels != found.pixels:
        found.wrong(f"the row has {pixels} pixels, the rows before it have {found.pixels}", number)
        return
    found.rows += 1
    text = label.decode("utf-8", "surrogateescape")
    if text not in found.labels:
        _new_label(found, text, number)


def _explain(found: CsvFile, line: bytes, number: int) -> None:
    """Name the first field that is no pixel."""
    fields = line.decode("utf-8", "replace").split(",")
    if len(fields) == 1:
        found.wrong("the row has no pixels behind its label", number)
        return
    for column, text in enumerate(fields[1:], start=2):
        if not (text.isascii() and text.isdigit()):
            shown = repr(text[:30]) if text else "an empty field"
            found.wrong(f"{shown} is not a whole number from 0 to 255", number, column)
            return
        if int(text[:10]) > 255:
            found.wrong(f"{text[:30]} is out of 0 to 255", number, column)
            return


def _new_label(found: CsvFile, text: str, number: int) -> None:
    first = next(iter(found.labels), None)
    if problem := _label_problem(text):
        found.wrong(problem, number, 1)
    elif first is not None and is_integer(first) != is_integer(text):
        found.wrong(
            f"label {text!r} where the rows before have labels like {first!r}: "
            "a header in the middle, or another kind of file",
            number,
            1,
        )
    else:
        found.labels[text] = number
        if len(found.labels) > MOST_CLASSES:
            found.problems.append(
                Problem(found.name, f"more than {MOST_CLASSES:,} different labels", number, 1)
            )
            raise _Enough


def _label_problem(text: str) -> str | None:
    if not text:
        return "the label is empty"
    if text != text.strip():
        return f"label {text[:30]!r} has spaces around it"
    if len(text) > LONGEST_LABEL:
        return f"the label is longer than {LONGEST_LABEL} characters"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "the label is not UTF-8 text"
    return None


def is_integer(label: str) -> bool:
    return _INTEGER.fullmatch(label) is not None
