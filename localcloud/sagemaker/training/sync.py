"""Folders that are kept in S3 while a job runs: checkpoints and TensorBoard's event files.

Every `interval` seconds each folder is looked through: what is new or has changed is put, what is
gone is deleted. A file is put whole: a copy is taken, and taken again at the next look if the file
changed meanwhile. Checkpoints are put only once two looks in a row have found them of the same size
and time, so that one that is still being written stays out; TensorBoard's files are made for being
read while they grow.

How often AWS looks is not documented.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.s3data import DataError, download, list_folder, put_file, split_uri

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Signature:
    """What tells one content of a file from another without reading it."""

    size: int
    modified: int  # nanoseconds
    inode: int


def scan(folder: Path) -> dict[str, Signature]:
    """The files of a folder by their paths below it (with `/`); empty when it is not there. Pipes,
    sockets and devices are no files.
    """
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            with contextlib.suppress(OSError):  # gone meanwhile, or a link to nowhere
                if path.is_file():  # a pipe would be read for ever
                    found[path.relative_to(folder).as_posix()] = signature(path)
    return found


def signature(path: Path) -> Signature:
    """Raises OSError."""
    status = path.stat()
    return Signature(status.st_size, status.st_mtime_ns, status.st_ino)


class Mirror:
    """One host's folder and its prefix in S3 (`uri`, with or without a slash at its end).

    scratch: a folder for copies, on the same disk
    whole: wait until a file has stopped changing
    """

    def __init__(self, s3: Any, folder: Path, uri: str, scratch: Path, *, whole: bool) -> None:
        self._s3 = s3
        self._folder = folder
        self._uri = uri.rstrip("/")
        self._bucket, self._prefix = split_uri(self._uri)
        self._scratch = scratch
        self._whole = whole
        self._sent: dict[str, Signature] = {}
        self._seen: dict[str, Signature] = {}

    def restore(self, stop: threading.Event) -> None:
        """Fetch what lies in S3. Raises DataError, and Interrupted when `stop` is set."""
        objects = list_folder(self._s3, self._uri + "/")
        download(self._s3, objects, self._folder, stop)
        self._sent = scan(self._folder)

    def look(self, *, last: bool = False) -> None:
        """Bring S3 up to date; `last`: the files cannot change any more.

        Raises DataError when something could not be put or deleted; the rest was.
        """
        now = scan(self._folder)
        problems: list[DataError] = []
        for name, found in now.items():
            settled = last or not self._whole or self._seen.get(name) == found
            if self._sent.get(name) != found and settled:
                with _kept(problems):
                    self._put(name, found)
        self._seen = now
        for name in [name for name in self._sent if name not in now]:
            with _kept(problems):
                self._delete(name)
        if problems:
            raise problems[0]

    def _put(self, name: str, found: Signature) -> None:
        path = self._folder / name
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"ClientError: {name!a} cannot be the key of an object") from error
        with tempfile.NamedTemporaryFile(dir=self._scratch, prefix="sync-") as copy:
            try:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, copy)
                copy.flush()
                if signature(path) != found and self._whole:
                    return  # changed under our hands: the next look takes it
            except FileNotFoundError:
                return
            put_file(self._s3, Path(copy.name), f"s3://{self._bucket}/{self._key(name)}")
        self._sent[name] = found

    def _delete(self, name: str) -> None:
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=self._key(name))
        except (ClientError, BotoCoreError) as error:
            raise DataError(f"ClientError: Failed to delete {self._uri}/{name}: {error}") from error
        del self._sent[name]

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


@contextlib.contextmanager
def _kept(problems: list[DataError]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        problems.append(error)


class Ticker:
    """Calls functions every `interval` seconds, one after the other, from a thread of its own.

    One that fails is called again the next time; what it said is logged once.
    """

    def __init__(
        self, name: str, clock: Clock, interval: float, calls: Sequence[Callable[[], None]]
    ) -> None:
        self._name = name
        self._clock = clock
        self._interval = interval
        self._calls = calls
        self._closing = threading.Event()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"ticker-{name}", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No more calls; returns when the last one is over. May be called again."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._clock.wait(self._closing, self._interval):
            for call in self._calls:
                try:
                    call()
                except Exception as error:
                    if str(error) not in self._said:
                        self._said.add(str(error))
                        _log.warning("%s: %s", self._name, error, exc_info=True)
