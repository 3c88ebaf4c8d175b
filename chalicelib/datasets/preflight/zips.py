"""A zip that somebody dropped, known by its directory: nothing is unpacked to look at it.

What can only be meant badly (a path that leads out of the zip, members that overlap, a bomb) or
can be read by nobody (a password) refuses the whole zip, with the reason.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, cast

from chalicelib.aws.translate import AWS_TROUBLE
from chalicelib.datasets.preflight.csvfile import LARGEST_RATIO, LARGEST_UNASKED, read_csv
from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.folders import is_image, unsafe
from chalicelib.datasets.preflight.problem import Problem, some
from chalicelib.names import is_junk

MOST_PROBLEMS = 20
LARGEST_DIRECTORY = 64 << 20  # bytes; half a million members
LARGEST_IMAGE = 64 << 20  # bytes
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
TOLD_BY_HEAD = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack in large blocks
_UTF8 = 1 << 11
_ENCRYPTED = 1  # bit 0 of the general purpose flags (PKWARE's APPNOTE 4.4.4)
# What zipfile and its decompressors raise over a damaged archive.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    OverflowError,
    RuntimeError,
)


@dataclass
class Zip:
    """What lies in a zip at `name`: members by their paths in it, junk left out."""

    name: str
    csvs: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    images: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, reason: str) -> None:
        self.problems.append(Problem(self.name, reason))


def look_into(name: str, file: IO[bytes], size: int) -> Zip:
    """Read the directory of the zip of `size` bytes. Trouble with AWS escapes."""
    found = Zip(name)
    try:
        with _broken(), zipfile.ZipFile(_Directory(file)) as archive:
            members = archive.infolist()
    except NotReadable as error:
        found.wrong(str(error))
        return found
    _check_whole(found, members, size)
    for info in members:
        if len(found.problems) >= MOST_PROBLEMS:
            break
        _sort_in(found, info)
    twice = [path for path, times in Counter(map(_path, members)).items() if path and times > 1]
    if twice:
        found.wrong(f"holds {some([repr(path[:60]) for path in twice])} more than once")
    return found


def read_csvs(found: Zip, file: IO[bytes], label: str | None) -> list[CsvFile]:
    """Read every CSV in the zip, by path. Trouble with AWS escapes."""
    read = []
    for path, info in sorted(found.csvs.items()):
        name = f"{found.name}/{path}"
        try:
            with (
                _broken(),
                zipfile.ZipFile(_Directory(file)) as archive,
                archive.open(info) as rows,
            ):
                read.append(read_csv(name, rows, label))
        except NotReadable as error:
            read.append(CsvFile(name, problems=[Problem(name, str(error))]))
    return read


def head_of(info: zipfile.ZipInfo, stored: bytes, length: int) -> bytes:
    """The member's first `length` bytes, from its stored bytes (local header first).

    Empty for what cannot be unpacked, or is packed in no way of TOLD_BY_HEAD. The header: PKWARE's
    APPNOTE 4.3.7.
    """
    if len(stored) < 30 or stored[:4] != b"PK\x03\x04":
        return b""
    name_length, extra_length = struct.unpack_from("<HH", stored, 26)
    packed = stored[30 + name_length + extra_length :]
    if info.compress_type == zipfile.ZIP_STORED:
        return packed[: min(length, info.compress_size)]
    if info.compress_type != zipfile.ZIP_DEFLATED:
        return b""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, length)
    except zlib.error:
        return b""


class NotReadable(Exception):
    """The zip, or a member, cannot be read; the text says why."""


@contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except AWS_TROUBLE:
        raise
    except _BROKEN as error:
        reason = f"the compressed file is broken: {error or type(error).__name__}"
        raise NotReadable(reason) from error


class _Directory(io.RawIOBase):
    """A file out of which no directory larger than the bound is read into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory is larger than {LARGEST_DIRECTORY:,} bytes")
        return cast(bytes, self._file.read(size))


def _check_whole(found: Zip, members: list[zipfile.ZipInfo], size: int) -> None:
    unpacked = sum(info.file_size for info in members)
    if any(info.flag_bits & _ENCRYPTED for info in members):
        found.wrong("the zip is encrypted: pack the files without a password")
    if any(not 0 <= info.header_offset < size for info in members):
        found.wrong("the compressed file is broken: its directory points to places outside of it")
    if sum(info.compress_size for info in members) > size:
        found.wrong("the members of the zip overlap: nothing of it is read. Pack the files anew")
    if unpacked > max(LARGEST_UNASKED, size * LARGEST_RATIO):
        found.wrong(
            f"it would unpack from {size:,} bytes to {unpacked:,}, more than {LARGEST_RATIO} "
            "times its size: nothing of it is read"
        )


def _sort_in(found: Zip, info: zipfile.ZipInfo) -> None:
    path = _path(info)
    written = path or _plain(_decoded(info))
    if written and (problem := unsafe(written)):
        found.wrong(f"{_decoded(info)[:100]!r} {problem}: nothing of the zip is read")
    elif not path or is_junk(path):
        return
    elif not (is_image(path) or path.lower().endswith(".csv")):
        found.others.append(path)
    elif info.compress_type not in READABLE:
        found.wrong(
            f"{path!r} is compressed by method {info.compress_type}, which few can read: "
            "pack the files by deflate"
        )
    elif not is_image(path):
        found.csvs[path] = info
    elif info.file_size > LARGEST_IMAGE:
        found.wrong(f"the image {path!r} has {info.file_size:,} bytes: {LARGEST_IMAGE:,} are taken")
    else:
        found.images[path] = info


def _path(info: zipfile.ZipInfo) -> str:
    """The member's path, as `a/b` even where it is written `./a//b`; empty for a folder."""
    return "" if info.is_dir() else _plain(_decoded(info))


def _decoded(info: zipfile.ZipInfo) -> str:
    """The path as it was meant: macOS and Info-ZIP write UTF-8 without saying so (bit 11 of the
    flags, APPNOTE 4.4.4), which zipfile then reads as code page 437. The training job does this
    too."""
    try:
        return info.filename if info.flag_bits & _UTF8 else info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _plain(path: str) -> str:
    lead = "/" if path.startswith("/") else ""
    return lead + "/".join(part for part in path.split("/") if part not in ("", "."))
