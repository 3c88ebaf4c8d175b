"""Zip archives from anyone: looked at before they are read, and never unpacked to disk by name.

A member is read as bytes or as a stream. What can only be meant badly (a path that leads out of
the archive, a bomb) or cannot be read by anyone here (a password) refuses the whole archive.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO

from pigeonhole_training.errors import BadData

LARGEST_RATIO = 200  # unpacked to packed; text and pixels come to 5 to 50
LARGEST_UNASKED = 2**30  # bytes that may come out of an archive at any ratio
UTF8 = 0x800  # bit 11: the path is UTF-8
ENCRYPTED = 0x1  # bit 0 of the general purpose flags (PKWARE APPNOTE 4.4.4)
_DRIVE = re.compile(r"[A-Za-z]:")

# What zipfile and its decompressors raise over damaged or strange bytes.
BROKEN = (
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
    NotImplementedError,
)


class Archive:
    """A zip at `path`, called `name` in what is said about it. Reading is safe between threads.

    Raises BadData when it is none, is damaged, has a password, a member whose path leads out of it,
    or would unpack to more than a bound (`LARGEST_RATIO` times its size, past 1 GiB).
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(path)
        except BROKEN as error:
            raise BadData(f"{name} is not a zip archive: {error}") from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        try:
            self._check(path.stat().st_size)
        except BadData:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._zip.close()

    @property
    def members(self) -> list[str]:
        """The files in it by their path, `a/b` even where it is written `./a//b`; sorted."""
        return sorted(self._infos)

    def size(self, member: str) -> int:
        """Bytes once unpacked; no more than that ever comes out."""
        return self._infos[member].file_size

    def open(self, member: str) -> IO[bytes]:
        """The member as a stream. Opening and reading raise one of `BROKEN` when it is damaged."""
        return self._zip.open(self._infos[member])

    def read(self, member: str) -> bytes:
        """All of it. Raises one of `BROKEN`."""
        return self._zip.read(self._infos[member])

    def _check(self, packed: int) -> None:
        members = self._zip.infolist()
        for info in members:
            path = _decoded(info)
            if leads_out(path):
                raise BadData(
                    f"{self.name} holds {path[:100]!r}, a path that leads out of the "
                    "archive: nothing of it is read. Pack the folder anew"
                )
            if info.flag_bits & ENCRYPTED:
                raise BadData(f"{self.name} has a password: pack the files without one")
            if not info.is_dir():
                self._infos[str(PurePosixPath(path))] = info
        if sum(info.compress_size for info in members) > packed:
            raise BadData(f"{self.name} holds files that overlap: nothing of it is read")
        unpacked = sum(info.file_size for info in members)
        if unpacked > max(LARGEST_UNASKED, packed * LARGEST_RATIO):
            raise BadData(
                f"{self.name} would unpack from {packed:,} bytes to {unpacked:,}, more than "
                f"{LARGEST_RATIO} times its size: nothing of it is read"
            )


def _decoded(info: zipfile.ZipInfo) -> str:
    """The path as it was meant: macOS and Info-ZIP write UTF-8 without saying so, which zipfile
    then reads as code page 437. The check before the job does this too."""
    try:
        return info.filename if info.flag_bits & UTF8 else info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def leads_out(name: str) -> bool:
    """Whether a member's name is absolute or climbs up, on any system."""
    slashed = name.replace("\\", "/")
    return (
        slashed.startswith("/")
        or ".." in PurePosixPath(slashed).parts
        or _DRIVE.match(slashed) is not None
        or "\0" in name
    )
