"""The text of a CSV in blocks of whole lines, whatever it is packed in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pigeonhole_training.data.archives import BROKEN, Archive
from pigeonhole_training.data.version import SourceFile
from pigeonhole_training.errors import BadData, DataChanged

BLOCK = 1 << 18  # bytes: what is worked on fits in a processor's own cache
LONGEST_LINE = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(file: SourceFile, folder: Path) -> Iterator[bytes]:
    """The rows, without a header: pieces that end with a line feed, of about `BLOCK` bytes or (one
    line) more. Raises BadData, DataChanged."""
    for stream in _streams(file, folder):
        blocks = _blocks(stream, file)
        if file.header:
            first = next(blocks, b"")
            yield first.partition(b"\n")[2]
        yield from blocks


def _streams(file: SourceFile, folder: Path) -> Iterator[IO[bytes]]:
    """The CSVs in one file: itself, or a zip's member, or where none is named all of them."""
    path = folder / file.path
    if not file.path.lower().endswith(".zip"):
        with path.open("rb") as stored:
            packed = file.path.lower().endswith(".gz")
            yield cast(IO[bytes], gzip.GzipFile(fileobj=stored)) if packed else stored
        return
    with Archive(path, file.path) as archive:
        # macOS adds a "__MACOSX/._x.csv" beside every file that it zips; it is no CSV.
        names = [
            name
            for name in archive.members
            if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")
        ]
        if file.member is not None:
            # Older checks wrote it as the zip does, ./a.csv.
            names = [str(PurePosixPath(file.member))]
            if names[0] not in archive.members:
                raise DataChanged(f"{file.name} is no longer there")
        if not names:
            raise BadData(f"{file.path} holds no .csv file")
        for name in names:
            with _reading(file), archive.open(name) as stream:
                yield stream


def _blocks(stream: IO[bytes], file: SourceFile) -> Iterator[bytes]:
    rest: list[bytes] = []  # pieces of a line that is not whole yet
    first = True
    while True:
        with _reading(file):
            block = stream.read(BLOCK)
        if not block:
            break
        if first:
            block, first = block.removeprefix(BYTE_ORDER_MARK), False
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join((*rest, block[:cut]))
            rest = []
        rest.append(block[cut:])
        if sum(map(len, rest)) > LONGEST_LINE:
            raise BadData(f"{file.name} has a line of more than {LONGEST_LINE >> 20} MiB")
    if last := b"".join(rest):
        yield last + b"\n"


@contextmanager
def _reading(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise BadData(f"{file.name} cannot be unpacked: {error or type(error).__name__}") from error
