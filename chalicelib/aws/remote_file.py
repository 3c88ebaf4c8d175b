"""An object in S3 as a file that one can seek in, without fetching all of it."""

from __future__ import annotations

import errno
import io
from typing import IO

from chalicelib.aws.storage import Storage

BUFFER = 1 << 18


class RemoteFile(io.RawIOBase):
    """Reads on from where it stands in one request; a seek to elsewhere costs another.

    Raises ObjectChanged once the object is no longer the one with `etag`.
    """

    def __init__(self, storage: Storage, key: str, etag: str, size: int) -> None:
        self._storage = storage
        self._key = key
        self._etag = etag
        self._size = size
        self._position = 0
        self._body: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "a seek to before the file's beginning")
        if start + offset != self._position:
            self._drop()
            self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._position >= self._size or not len(buffer):
            return 0
        if self._body is None:
            self._body = self._storage.open_range(self._key, self._position, None, self._etag)
        chunk = self._body.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def open_remote(storage: Storage, key: str, etag: str, size: int) -> io.BufferedReader:
    """A RemoteFile with a buffer, as zipfile wants it."""
    return io.BufferedReader(RemoteFile(storage, key, etag, size), BUFFER)
