"""S3, DynamoDB and SQS in memory."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import IO, Any

from chalicelib import names
from chalicelib.aws.notifications import Message
from chalicelib.aws.queues import LONGEST_DELAY, Queues
from chalicelib.aws.source_queue import SourceQueue
from chalicelib.aws.storage import OpenObject, OpenUpload, Storage, StoredObject
from chalicelib.aws.table import Item, Mark, Table
from chalicelib.errors import ObjectChanged, ObjectNotFound, RevisionConflict, Unavailable
from tests.fakes.ticks import Ticks


@dataclass(frozen=True)
class Version:
    """One version of an object; `body` None is a delete marker."""

    stored: StoredObject
    body: bytes | None


class MemoryStorage(Storage):
    """A versioned bucket."""

    def __init__(self, bucket: str, now: Callable[[], datetime], tick: Ticks | None = None) -> None:
        self.bucket = bucket
        self.versions: dict[str, list[Version]] = {}
        self.uploading: dict[str, OpenUpload] = {}  # open multipart uploads, by key
        self.parts: dict[str, datetime] = {}  # their newest parts
        self.sealed: set[str] = set()  # keys of objects that KMS encrypts
        self._now = now
        self.listings = 0
        self._tick = tick or Ticks()
        self._puts = 0

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self.listings += 1
        for stored in self.list_versions(prefix):
            yield StoredObject(stored.key, stored.etag, stored.size, stored.last_modified)

    def list_versions(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.versions, key=str.encode):
            newest = self.versions[key][-1]
            if key.startswith(prefix) and newest.body is not None:
                yield newest.stored

    def folders(self, prefix: str) -> Iterator[str]:
        below = [stored.key.removeprefix(prefix) for stored in self.list(prefix)]
        yield from sorted({rest.split("/")[0] for rest in below if "/" in rest})

    def head(self, key: str) -> StoredObject | None:
        newest = self._newest(key)
        return None if newest is None else newest.stored

    def open(
        self, key: str, version_id: str | None = None, if_etag: str | None = None
    ) -> OpenObject:
        found = self._newest(key)
        if version_id is not None:
            versions = self.versions.get(key, [])
            found = next((v for v in versions if v.stored.version_id == version_id), None)
        if found is None or found.body is None:
            raise ObjectNotFound(f"{self.uri(key)} does not exist")
        if if_etag is not None and found.stored.etag != if_etag:
            raise ObjectChanged(f"{self.uri(key)} has changed")
        return OpenObject(found.stored, io.BytesIO(found.body))

    def open_range(self, key: str, start: int, length: int | None, if_etag: str) -> IO[bytes]:
        body = self.open(key, None, if_etag).body.read()
        assert start < len(body), "S3 answers 416"
        return io.BytesIO(body[start:] if length is None else body[start : start + length])

    def read_head(self, key: str, length: int, if_etag: str) -> tuple[bytes, bool]:
        return self.open_range(key, 0, length, if_etag).read(), key in self.sealed

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._append(key, etag, body)

    def put_json_over(self, key: str, value: Any, etag: str | None) -> None:
        found = self._newest(key)
        if etag != (None if found is None else found.stored.etag):
            raise ObjectChanged(f"{self.uri(key)} has changed")
        self.put_json(key, value)

    def upload(self, key: str, body: IO[bytes], content_type: str) -> None:
        self.put_bytes(key, body.read(), content_type)

    def delete(self, key: str) -> None:
        self._append(key, "", None)

    def begin_upload(self, key: str) -> None:
        self.uploading[key] = OpenUpload(key, f"upload of {key}", self._now())

    def open_uploads(self, prefix: str) -> Sequence[OpenUpload]:
        return [self.uploading[key] for key in sorted(self.uploading) if key.startswith(prefix)]

    def last_part(self, upload: OpenUpload) -> datetime | None:
        return self.parts.get(upload.key) if upload in self.uploading.values() else None

    def _append(self, key: str, etag: str, body: bytes | None) -> None:
        self._puts += 1
        stored = StoredObject(key, etag, len(body or b""), self._now(), f"v{self._puts}")
        self.versions.setdefault(key, []).append(Version(stored, body))
        self._tick()

    def _newest(self, key: str) -> Version | None:
        versions = self.versions.get(key)
        return versions[-1] if versions and versions[-1].body is not None else None


class MemoryTable(Table):
    """Conditional writes as DynamoDB's."""

    def __init__(self, tick: Ticks | None = None) -> None:
        self.held: dict[str, tuple[int, str]] = {}
        self._lock = Lock()
        self._tick = tick or Ticks()

    def get(self, id: str) -> Item | None:
        if id not in self.held:
            return None
        revision, state = self.held[id]
        return Item(id, revision, json.loads(state))

    def put(self, id: str, state: Mapping[str, Any], revision: int) -> Item:
        text = json.dumps(state)
        with self._lock:
            if self.held.get(id, (0, ""))[0] != revision:
                raise RevisionConflict(f"{id} was changed by another function")
            self.held[id] = (revision + 1, text)
        self._tick()
        return Item(id, revision + 1, dict(state))

    def items(self, prefix: str) -> list[Item]:
        return [
            Item(id, r, json.loads(s))
            for id, (r, s) in sorted(self.held.items())
            if id.startswith(prefix)
        ]

    def marks(self) -> list[Mark]:
        return [
            _mark(id, json.loads(state))
            for id, (_, state) in sorted(self.held.items())
            if not id.startswith(names.COSTS)
        ]


def _mark(id: str, state: Mapping[str, Any]) -> Mark:
    updated, due = (state.get(name) for name in ("updated", "due"))
    return Mark(
        id,
        state.get("unsettled"),
        datetime.fromisoformat(updated) if updated else None,
        datetime.fromisoformat(due) if due else None,
    )


class MemoryQueues(Queues):
    """`woken` holds ids and delays in seconds, `asked` the messages of the work queue.

    `sent` counts these by kind. `refusals`: so many coming messages to the work queue are refused.
    """

    def __init__(self, tick: Ticks | None = None) -> None:
        self.woken: list[tuple[str, int]] = []
        self.swept: list[str] = []  # the ids of these that the sweep asked for in passing
        self.asked: list[dict[str, Any]] = []
        self.sent: Counter[str] = Counter()
        self.refusals = 0
        self._tick = tick or Ticks()

    def wake(self, id: str, delay_seconds: int = 0, *, swept: bool = False) -> None:
        self.woken.append((id, max(0, min(LONGEST_DELAY, delay_seconds))))
        self.swept += [id] if swept else []
        self._tick()

    def work(self, kind: str, **fields: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("SQS is out of reach")
        self.asked.append({kind: fields})
        self.sent[kind] += 1
        self._tick()


class MemorySourceQueue(SourceQueue):
    """`held` says for how long each message was last held, `parked` what was given up."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.holds = 0
        self.deleted: list[str] = []
        self.parked: list[tuple[str, dict[str, str]]] = []
        self.refuses = False
        self.when_held: Callable[[], None] = lambda: None

    def hold(self, handles: Sequence[str], seconds: int) -> None:
        self._refuse()
        self.held |= dict.fromkeys(handles, seconds)
        self.holds += bool(handles)
        self.when_held()

    def delete(self, handles: Sequence[str]) -> None:
        self._refuse()
        self.deleted += handles

    def park(self, body: str, told: Mapping[str, str]) -> None:
        self._refuse()
        self.parked.append((body, dict(told)))

    def _refuse(self) -> None:
        if self.refuses:
            raise ConnectionError("SQS is out of reach")


class MemoryNotifications:
    """`sent` holds the messages that were taken; `down` has the topic answer nobody, `refusals`
    are raised first."""

    def __init__(self, tick: Ticks | None = None) -> None:
        self.sent: list[Message] = []
        self.down = False
        self.asked = 0
        self.refusals: list[Exception] = []
        self._tick = tick or Ticks()

    def send(self, message: Message) -> None:
        self.asked += 1
        if self.down:
            raise Unavailable("SNS is out of reach")
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(message)
        self._tick()

    @property
    def kinds(self) -> list[str]:
        return [message.attributes["kind"] for message in self.sent]
