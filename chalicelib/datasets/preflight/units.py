"""What there is to read in a dataset version, cut so that each unit can be read by itself.

A plain CSV that is large is read in ranges of bytes, cut at line ends; its SHA-256, which is that
of the whole file, then is a unit of its own. A gzip is one unit, as is each CSV in a zip; a zip's
SHA-256 is one more, and tells on its way whether images in it begin as such. Of loose images, some
thousand are a unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

from chalicelib import names
from chalicelib.aws.remote_file import open_remote
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.datasets.preflight.csvfile import (
    BUFFER,
    LARGEST_UNPACKED,
    CsvFile,
    read_beginning,
    read_csv,
)
from chalicelib.datasets.preflight.csvrows import LONGEST_LINE
from chalicelib.datasets.preflight.heads import LENGTH, HeadsInZip, NotImages, look_at
from chalicelib.datasets.preflight.images import MOST_LOOSE
from chalicelib.datasets.preflight.survey import Archive, Survey
from chalicelib.datasets.preflight.zips import Zip, read_csvs

PER_UNIT = 1 << 20  # bytes that are read in the time that a request takes
PACKED = 5  # a gzipped CSV of pixels grows so many times
HASHED = 4  # so many times faster is hashing than reading rows
HEADS = 5000  # loose images that a unit looks at
HEAD_COST = 1 << 16  # of each: some are asked for at once


@dataclass(frozen=True)
class Unit:
    """`what`: the rows, or the hash alone, of the object at `key`. Of rows: those of the zip's
    `member`, or those that lie from byte `start` to before `end` (None: its end). `heads`: the
    first bytes of the loose images from the one at place `start` to before `end`."""

    what: Literal["rows", "hash", "heads"]
    key: str
    etag: str
    size: int
    member: str | None = None
    start: int = 0
    end: int | None = None
    cost: int = 0  # as much time as so many bytes of a plain CSV take

    @property
    def whole(self) -> bool:
        """All of an object, by rows."""
        return self.member is None and self.start == 0 and self.end is None


@dataclass(frozen=True)
class Read:
    """What came of a unit. `sha256` of whole objects; `found` of rows; `not_images` of images, by
    their paths below the dataset or, of a zip, in it. `sealed`: the loose images whose ETag is no
    MD5, because of how they are encrypted."""

    version_id: str | None = None
    sha256: str | None = None
    found: CsvFile | None = None
    not_images: NotImages = ()
    sealed: tuple[str, ...] = ()


def units_of(storage: Storage, seen: Survey, piece: int) -> list[Unit]:
    """All that must be read; no unit costs much more than `piece` bytes where that can be had.

    Raises ObjectChanged, ObjectNotFound when an object is another by now.
    """
    units: list[Unit] = []
    for stored in seen.csvs:
        units += _of_csv(storage, stored, piece)
    for archive in seen.zips:
        if archive.found.problems:  # a bomb would never come to an end
            continue
        units.append(_unit("hash", archive.stored, cost=archive.stored.size // HASHED))
        if seen.kind == "rows":
            units += [
                _unit("rows", archive.stored, member=path, cost=info.file_size)
                for path, info in sorted(archive.found.csvs.items())
            ]
    if len(seen.images) > MOST_LOOSE:  # refused for that
        return units
    for start in range(0, len(seen.images), HEADS):
        first, end = seen.images[start], min(start + HEADS, len(seen.images))
        cost = (end - start) * HEAD_COST
        units.append(_unit("heads", first, start=start, end=end, cost=cost))
    return units


def _of_csv(storage: Storage, stored: StoredObject, piece: int) -> Iterator[Unit]:
    if stored.key.lower().endswith(".gz"):
        yield _unit("rows", stored, cost=min(LARGEST_UNPACKED, stored.size * PACKED))
        return
    cuts = list(_cuts(storage, stored, piece))
    if not cuts:
        yield _unit("rows", stored, cost=stored.size)
        return
    yield _unit("hash", stored, cost=stored.size // HASHED)
    for start, end in zip([0, *cuts], [*cuts, stored.size], strict=True):
        yield _unit("rows", stored, start=start, end=end, cost=end - start)


def _unit(
    what: Literal["rows", "hash", "heads"], stored: StoredObject, *, cost: int, **where: Any
) -> Unit:
    return Unit(what, stored.key, stored.etag, stored.size, cost=cost + PER_UNIT, **where)


def _cuts(storage: Storage, stored: StoredObject, piece: int) -> Iterator[int]:
    """Where lines begin, about every `piece` bytes, in an object of more than that."""
    pieces = -(-stored.size // piece)
    last = 0
    for number in range(1, pieces):
        near = stored.size * number // pieces
        length = min(LONGEST_LINE + 1, stored.size - near)
        body = storage.open_range(stored.key, near, length, stored.etag)
        try:
            at = _after_line_end(body)
        finally:
            body.close()
        # None: a line too long, which whoever reads it says.
        if at is not None and last < near + at < stored.size:
            last = near + at
            yield last


def _after_line_end(body: IO[bytes]) -> int | None:
    """How many bytes there are up to the end of the line, with it."""
    passed = 0
    while chunk := body.read(1 << 14):
        if (found := chunk.find(b"\n")) >= 0:
            return passed + found + 1
        passed += len(chunk)
    return None


class Reader:
    """Reads units of one survey."""

    def __init__(self, storage: Storage, dataset: str, seen: Survey) -> None:
        self._storage = storage
        self._prefix = names.dataset_prefix(dataset)
        self._label = seen.settings.label
        self._images = seen.images if seen.kind == "images" else ()
        self._kind = seen.kind
        self._archives: dict[str, Archive] = {zip_.stored.key: zip_ for zip_ in seen.zips}

    def read(self, unit: Unit) -> Read:
        """Raises ObjectChanged, ObjectNotFound when the object is another by now."""
        if unit.what == "hash":
            return self._hash(unit)
        if unit.what == "heads":
            return self._heads(unit)
        if unit.member is not None:
            return Read(found=self._member(unit))
        if unit.whole:
            opened = self._storage.open(unit.key, if_etag=unit.etag)
            try:
                found = read_csv(self._name(unit), opened.body, self._label)
            finally:
                opened.body.close()
            return Read(opened.stored.version_id, found.sha256, found)
        return Read(found=self._range(unit))

    def _name(self, unit: Unit) -> str:
        return unit.key.removeprefix(self._prefix)

    def _hash(self, unit: Unit) -> Read:
        opened = self._storage.open(unit.key, if_etag=unit.etag)
        digest = hashlib.sha256()
        archive = self._archives.get(unit.key)
        images = archive.found.images if archive is not None and self._kind == "images" else {}
        heads = HeadsInZip(images.items())
        try:
            while chunk := opened.body.read(BUFFER):
                digest.update(chunk)
                heads.feed(chunk)
        finally:
            opened.body.close()
        return Read(opened.stored.version_id, digest.hexdigest(), not_images=heads.finish())

    def _heads(self, unit: Unit) -> Read:
        images = self._images[unit.start : unit.end]
        paths = [stored.key.removeprefix(self._prefix) for stored in images]
        sealed: list[str] = []

        def head(place: int) -> bytes:
            stored = images[place]
            if not stored.size:
                return b""
            first, encrypted = self._storage.read_head(stored.key, LENGTH, stored.etag)
            if encrypted:
                sealed.append(paths[place])
            return first

        return Read(not_images=look_at(paths, head), sealed=tuple(sorted(sealed)))

    def _member(self, unit: Unit) -> CsvFile:
        member, whole = unit.member or "", self._archives[unit.key].found
        only = Zip(whole.name, csvs={member: whole.csvs[member]})
        file = open_remote(self._storage, unit.key, unit.etag, unit.size)
        try:
            [found] = read_csvs(only, file, self._label)
        finally:
            file.close()
        return found

    def _range(self, unit: Unit) -> CsvFile:
        name = self._name(unit)
        beginning = None
        if unit.start:
            body = self._storage.open_range(unit.key, 0, unit.size, unit.etag)
            try:
                beginning = read_beginning(name, body, self._label)
            finally:
                body.close()
        end = unit.size if unit.end is None else unit.end
        body = self._storage.open_range(unit.key, unit.start, end - unit.start, unit.etag)
        try:
            return read_csv(name, body, self._label, beginning)
        finally:
            body.close()
