"""CSV rows (a label and the pixel values, line by line of the image) into a pool.

A file is taken in blocks of whole lines: unpacked in one thread, parsed by polars (several times
faster than pandas, on all cores, straight to one byte a pixel) in another, copied into the pool
here. What is held at a time is a few blocks, whatever the file's size.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import polars as pl

from pigeonhole_training.data.ahead import ahead
from pigeonhole_training.data.archives import BROKEN, Archive
from pigeonhole_training.data.csv_trouble import first_trouble
from pigeonhole_training.data.pool import PoolBuilder
from pigeonhole_training.data.rows import Labels, Pixels, Pool
from pigeonhole_training.data.version import DatasetVersion, SourceFile
from pigeonhole_training.errors import BadData, DataChanged

BLOCK = 8 << 20  # bytes of text; from 4 to 16 MiB parsing is equally fast
LONGEST_LINE = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_rows(
    files: Sequence[SourceFile],
    folder: Path,
    version: DatasetVersion,
    scratch: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> Pool:
    """Reads all of `files` below `folder`, in their order; on disk in `scratch` if that is given.

    `check` is called after each block; what it raises ends the reading.

    Raises BadData with file, row and reason when a file is not rows of `version.shape`, or has a
    label that `version` does not list; DataChanged when it has another number of rows than
    promised.
    """
    promised = [_most_rows(file, folder) for file in files]
    with PoolBuilder(sum(promised), version.shape, scratch) as pool:
        for index, (file, rows) in enumerate(zip(files, promised, strict=True)):
            start = pool.count
            parser = _Parser(file, version)
            for pixels, labels in ahead(parser.parsed(_all_blocks(file, folder))):
                check()
                done = pool.count - start
                if done + len(labels) > rows:
                    raise DataChanged(f"{file.name} has more rows than the {rows} promised")
                pool.add(pixels, labels, index, np.arange(done, done + len(labels)) + 1)
            done = pool.count - start
            if file.rows is not None and done != file.rows:
                raise DataChanged(f"{file.name} has {done} rows instead of {file.rows}")
        return pool.finish(tuple(file.name for file in files))


def _most_rows(file: SourceFile, folder: Path) -> int:
    """How many rows the file must have; where nobody counted them, at most so many."""
    if file.rows is not None:
        return file.rows
    return sum(
        block.count(b"\n") + 1 for texts in _texts(file, folder) for block in _blocks(texts, file)
    )


def _all_blocks(file: SourceFile, folder: Path) -> Iterator[bytes]:
    for stream in _texts(file, folder):
        blocks = _blocks(stream, file)
        yield from ahead(_without_header(blocks) if file.header else blocks)


def _texts(file: SourceFile, folder: Path) -> Iterator[IO[bytes]]:
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
            if file.member not in archive.members:
                raise DataChanged(f"{file.name} is no longer there")
            names = [file.member]
        if not names:
            raise BadData(f"{file.path} holds no .csv file")
        for name in names:
            with _unpacking(file), archive.open(name) as stream:
                yield stream


def _blocks(stream: IO[bytes], file: SourceFile) -> Iterator[bytes]:
    """The text in pieces of whole lines, `BLOCK` bytes or (a single line) more."""
    rest = b""
    first = True
    while True:
        with _unpacking(file):
            block = stream.read(BLOCK)
        if first:
            block, first = block.removeprefix(BYTE_ORDER_MARK), False
        if not block:
            break
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest += block
            if len(rest) > LONGEST_LINE:
                raise BadData(f"{file.name} has a line of more than {LONGEST_LINE >> 20} MiB")
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def _without_header(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for number, block in enumerate(blocks):
        yield block if number else block.partition(b"\n")[2]


@contextmanager
def _unpacking(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except (*BROKEN, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadData(f"{file.name} cannot be unpacked: {error or type(error).__name__}") from error


class _Parser:
    """Text to arrays, for one file."""

    def __init__(self, file: SourceFile, version: DatasetVersion) -> None:
        self._file = file
        self._version = version
        self._unit = version.value_range == (0, 1)
        # Whole numbers that are written "12.0" are rare, and slower: tried second.
        self._types: list[type[pl.DataType]] = (
            [pl.Float32] if self._unit else [pl.UInt8, pl.Float64]
        )
        self._schemas = [self._schema(pixel) for pixel in self._types]

    def _schema(self, pixel: type[pl.DataType]) -> pl.Schema:
        columns = self._version.shape.values + 1
        label = self._file.label_column
        if not 0 <= label < columns:
            raise BadData(f"{self._file.name} has no column {label} for its label")
        return pl.Schema(
            {
                "label" if i == label else f"column{i}": pl.String if i == label else pixel
                for i in range(columns)
            }
        )

    def parsed(self, blocks: Iterator[bytes]) -> Iterator[tuple[Pixels, Labels]]:
        """Pixels uint8 `(N, H, W, C)` and labels of each block. Raises BadData."""
        first = 1
        for block in blocks:
            if not block.strip():
                continue
            pixels, labels = self._parse(block, first)
            first += len(labels)
            yield pixels, labels

    def _parse(self, block: bytes, first: int) -> tuple[Pixels, Labels]:
        reason = ""
        for schema in self._schemas:
            try:
                frame = pl.read_csv(block, has_header=False, schema=schema)
            except pl.exceptions.PolarsError as error:
                # polars goes on with advice about its own options, which the reader cannot use
                reason = str(error).split("\n", 1)[0]
                continue
            if any(frame.null_count().row(0)):
                blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
                frame = frame.filter(~blank)
                if any(frame.null_count().row(0)):
                    reason = "there are empty fields"
                    break
            values = self._values(frame)
            labels = self._labels(frame)
            if values is not None and labels is not None:
                shape = self._version.shape
                return values.reshape(-1, shape.height, shape.width, shape.channels), labels
            reason = "a value is out of range, or a label is not listed"
        trouble = first_trouble(block, first, self._file, self._version)
        raise BadData(
            trouble
            or f"{self._file.name} is not rows of a label and {self._version.shape.values} values "
            f"from 0 to {self._version.value_range[1]}: {reason}"
        )

    def _values(self, frame: pl.DataFrame) -> Pixels | None:
        """uint8 `(N, values)`; None where one cannot be a pixel."""
        values = frame.drop("label").to_numpy(order="c")
        if values.dtype == np.uint8:
            return values
        scale = 255 if self._unit else 1
        levels = np.rint(values * scale)
        # written so that a value that is not a number fails too
        if not ((values >= 0) & (values * scale <= 255)).all():
            return None
        if not self._unit and (levels != values).any():
            return None
        return levels.astype(np.uint8)

    def _labels(self, frame: pl.DataFrame) -> Labels | None:
        """The classes' indices; None where a label is none of the version's."""
        index = (
            frame["label"]
            .str.strip_chars()
            .replace_strict(
                list(self._version.labels),
                list(range(len(self._version.labels))),
                default=None,
                return_dtype=pl.Int32,
            )
        )
        return None if index.null_count() else index.to_numpy().astype(np.int32)
