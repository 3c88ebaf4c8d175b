"""One CSV of a dataset, streamed: what is in it, and what is wrong with it.

Plain or gzip; a CSV in a zip is handed in as the stream of its member. Memory does not grow with
the file: a line is held at a time. What the lines mean is in `csvrows`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from chalicelib.datasets.preflight.csvfound import CsvFile, Enough
from chalicelib.datasets.preflight.csvrows import read_rows
from chalicelib.datasets.preflight.problem import Problem

BUFFER = 1 << 18
LARGEST_RATIO = 200  # unpacked to packed, past LARGEST_UNASKED; pixels come to 5 to 50
LARGEST_UNASKED = 1 << 30  # bytes
# Of one CSV that is packed, unpacked: read in one go, it takes half of what a function may run.
LARGEST_UNPACKED = 10 * 10**9
BEGINNING = 1000  # rows that tell how the rest of a file is to be read


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


def read_csv(
    name: str, body: IO[bytes], label: str | None = None, after: CsvFile | None = None
) -> CsvFile:
    """Read all of `body`, as long as there is use in it. It needs `read(n)` alone.

    `label` is the name of the label's column, where somebody said it. `after` is how the file
    begins, where `body` holds whole lines from further down: these count from 1 all the same.
    """
    found = CsvFile(name) if after is None else CsvFile.after(after)
    stored = _Counting(body)
    try:
        with _lines(found, stored) as lines:
            read_rows(found, lines, label)
    except Enough:
        return found
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        found.problems.append(Problem(name, f"the compressed file is broken: {error}"))
        return found
    while stored.read(BUFFER):  # what follows the last line, for the hash
        pass
    found.sha256, found.size = stored.digest.hexdigest(), stored.count
    return found


def read_beginning(name: str, body: IO[bytes], label: str | None = None) -> CsvFile:
    """Read a plain CSV's header and its first thousand rows, as `read_csv` does."""
    found = CsvFile(name)
    lines = io.BufferedReader(_Counting(body), BUFFER)
    with suppress(Enough):
        read_rows(found, cast(IO[bytes], _First(lines, BEGINNING + 1)), label)
    return found


class _First:
    """The first lines of some."""

    def __init__(self, lines: io.BufferedReader[_Counting], most: int) -> None:
        self._lines, self._left = lines, most

    def readline(self, size: int) -> bytes:
        self._left -= 1
        return self._lines.readline(size) if self._left >= 0 else b""


class _Unpacked:
    """The lines of a gzip, as long as they are in proportion to what they were unpacked from."""

    def __init__(self, found: CsvFile, stored: _Counting, unpacked: gzip.GzipFile) -> None:
        self._found, self._stored, self._unpacked = found, stored, unpacked
        self._count = 0

    def readline(self, size: int) -> bytes:
        line = self._unpacked.readline(size)
        self._count += len(line)
        if self._count > LARGEST_UNPACKED:
            self._found.hopeless(f"it unpacks to more than {too_long_to_read()}")
        if self._count > LARGEST_UNASKED and self._count > self._stored.count * LARGEST_RATIO:
            self._found.hopeless(
                f"it unpacks to more than {LARGEST_RATIO} times its size: it is not read to its end"
            )
        return line


def too_long_to_read() -> str:
    """The most that a packed CSV may hold, and what to do with one that holds more."""
    return (
        f"{LARGEST_UNPACKED / 1e9:.0f} GB, which one function cannot read in its time: pack it as "
        "several files, or put it unpacked (a plain CSV is read in pieces, side by side)"
    )


@contextmanager
def _lines(found: CsvFile, stored: _Counting) -> Iterator[IO[bytes]]:
    buffered = io.BufferedReader(stored, BUFFER)
    if found.name.lower().endswith(".gz"):
        with gzip.GzipFile(fileobj=buffered) as unpacked:
            yield cast(IO[bytes], _Unpacked(found, stored, unpacked))
    else:
        yield buffered
