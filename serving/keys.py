"""Keys in, labels out: a shard of a batch transform.

Objects are fetched and decoded by many threads and inferred in batches, while the lines keep the
order of the keys. What is wrong with an object is a rejected line; what is wrong with S3 fails the
request, so that SageMaker sends the shard again. An object that S3 denies is a rejected line when
another of the request could be read; when none could, the role's policy is at fault.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Semaphore
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving import answers
from serving.errors import BadRequest, ObjectDenied, ObjectRejected, RequestError, StorageError
from serving.model import CHUNK, Model

FETCHERS = 16  # threads that wait for S3
AHEAD = 2 * FETCHERS  # objects of one request under way or waiting for their turn

ToPixels: TypeAlias = Callable[[bytes], NDArray[np.uint8]]


class Store(Protocol):
    """Where objects lie; `serving.s3.S3Store` is the real one."""

    def get(self, key: str, version_id: str | None) -> bytes:
        """The bytes. Raises ObjectRejected for the object's sake, ObjectDenied when it may be the
        policy's, StorageError for the store's."""
        ...


@dataclass(frozen=True)
class Key:
    """One object that is asked for."""

    key: str
    version_id: str | None


Rejection: TypeAlias = ObjectRejected | RequestError
Outcome: TypeAlias = NDArray[np.uint8] | Rejection  # pixels (H, W, C), or why there are none


class Classifier:
    """Answers shards of keys under `prefix`. Calls from several threads share the fetchers."""

    def __init__(
        self, store: Store, prefix: str, model: Model, to_pixels: ToPixels, workers: int
    ) -> None:
        """At most `workers` pictures are decoded at once: that takes CPU and memory."""
        self._store = store
        self._prefix = prefix
        self._model = model
        self._to_pixels = to_pixels
        self._decoding = Semaphore(workers)
        self._pool = ThreadPoolExecutor(FETCHERS, "fetch")

    def answer(self, body: bytes) -> bytes:
        """A JSON line a key, in order. Raises BadRequest for a body that is no JSON Lines of keys,
        StorageError when S3 cannot be read, or denies all that there is."""
        return b"".join(self._lines(read(body)))

    def _lines(self, keys: list[Key]) -> Iterator[bytes]:
        pairs = self._fetched(keys)
        denied: ObjectDenied | None = None
        was_read = False
        while batch := list(islice(pairs, CHUNK)):
            pixels = [outcome for _, outcome in batch if isinstance(outcome, np.ndarray)]
            rows = iter(self._model.probabilities(np.stack(pixels)) if pixels else ())
            for key, outcome in batch:
                was_read = was_read or _shows_access(outcome)
                if isinstance(outcome, np.ndarray):
                    label = answers.prediction(next(rows), self._model.signature)
                    yield answers.line({"key": key.key} | label)
                    continue
                if isinstance(outcome, ObjectDenied):
                    denied = outcome
                yield answers.line(
                    {"key": key.key, "error": outcome.code, "message": outcome.message}
                )
        if denied is not None and not was_read:
            raise StorageError(denied.policy)

    def _fetched(self, keys: Iterable[Key]) -> Iterator[tuple[Key, Outcome]]:
        """Each key with what came of it, in order, `AHEAD` of them under way."""
        waiting: deque[tuple[Key, Future[Outcome]]] = deque()
        try:
            for key in keys:
                waiting.append((key, self._pool.submit(self._one, key)))
                if len(waiting) >= AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _one(self, key: Key) -> Outcome:
        if not key.key.startswith(self._prefix):
            return ObjectRejected("forbidden_key", f"Only keys under {self._prefix} are read.")
        try:
            content = self._store.get(key.key, key.version_id)
            with self._decoding:
                return self._to_pixels(content)
        except (ObjectRejected, RequestError) as error:
            return error


def _shows_access(outcome: Outcome) -> bool:
    """Whether S3 let this object be read. A missing one says nothing of that: S3 answers so to a
    role that may list alone, too."""
    if isinstance(outcome, ObjectRejected):
        return outcome.code not in ("forbidden_key", "access_denied", "not_found")
    return True


def read(body: bytes) -> list[Key]:
    """The keys in JSON Lines `{"key": ..., "version_id": ...}`. Raises BadRequest with the line."""
    keys = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            key, version_id = content["key"], content.get("version_id")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadRequest(
                "bad_keys", f'Line {number} is no {{"key": ...}}: {error!r}'
            ) from error
        if not isinstance(key, str) or not key or not isinstance(version_id, str | None):
            raise BadRequest("bad_keys", f"Line {number}: key and version_id are strings.")
        keys.append(Key(key, version_id))
    if not keys:
        raise BadRequest("empty_body", "The request holds no key. Send a line of JSON a key.")
    return keys
