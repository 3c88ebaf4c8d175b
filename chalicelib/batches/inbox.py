"""What lies in a batch's folder, and the shards that name it.

A shard is JSON Lines, an image a line, `{"key": "inbox/<batch>/a.png", "version_id": "…"}`, at most
1,000 of them: SageMaker splits work between instances by object, and an object is one request.
Keys with control characters go to no container: they stand, a line each, in left_out.jsonl.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import names
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.errors import InputRefused, ObjectNotFound

SHARD_KEYS = 1000
HASH_DIGITS = 12


@dataclass(frozen=True)
class Inbox:
    """`images` is every uploaded file, in key order: what is no image is for the container to say.

    `ready` is the VersionId of `_READY`, or None. `newest` is None in an empty folder.
    """

    images: Sequence[StoredObject]
    settings: StoredObject | None
    ready: str | None
    newest: datetime | None

    @property
    def content(self) -> str:
        """Hash of what is asked for: files and batch.json by key, ETag and size."""
        objects = [*self.images, *([self.settings] if self.settings else [])]
        return _hash(objects, "")


def look(storage: Storage, batch: str) -> Inbox:
    """List the batch's folder."""
    images: list[StoredObject] = []
    settings: StoredObject | None = None
    ready: StoredObject | None = None
    for stored in sorted(
        storage.list_versions(names.inbox_prefix(batch)), key=lambda stored: stored.key
    ):
        match names.parse_key(stored.key).kind:
            case names.Kind.DATA:
                images.append(stored)
            case names.Kind.SETTINGS:
                settings = stored
            case names.Kind.READY:
                ready = stored
    dated = [stored for stored in (*images, settings) if stored is not None]
    return Inbox(
        images,
        settings,
        # A bucket that was never versioned gives "null" to every _READY: tell them apart by time.
        None if ready is None else ready_id(ready),
        max((stored.last_modified for stored in dated), default=None),
    )


def ready_id(ready: StoredObject) -> str:
    """What tells one `_READY` from the next."""
    if ready.version_id and ready.version_id != "null":
        return ready.version_id
    return ready.last_modified.isoformat()


def run_of(images: Iterable[StoredObject], training_job: str) -> str:
    """12 hex digits: the same files by the same model are the same run."""
    return _hash(images, training_job)[:HASH_DIGITS]


def wanted_dataset(storage: Storage, inbox: Inbox) -> str | None:
    """What batch.json asks for; None where there is none. Raises InputRefused with what to do."""
    if inbox.settings is None:
        return None
    key = inbox.settings.key
    usual = f'{key} must be JSON like {{"dataset": "fashion-mnist"}}'
    if inbox.settings.size > 1 << 16:
        raise InputRefused(f"{usual}, and it has {inbox.settings.size:,} bytes.")
    try:
        settings = storage.get_json(key)
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{usual}, and it is no JSON: {error}.") from error
    except ObjectNotFound:
        return None  # deleted since it was listed; its event brings us back
    dataset = settings.get("dataset") if isinstance(settings, dict) else None
    if not isinstance(dataset, str):
        raise InputRefused(f"{usual}, and it names no dataset.")
    return dataset


def put_shards(storage: Storage, batch: str, run: str, images: Sequence[StoredObject]) -> int:
    """Write `NNNNN.jsonl` under the run's shards, and what is left out of them; how many shards."""
    left_out = [stored for stored in images if _unusable(stored.key)]
    if left_out:
        text = "".join(_line(stored) for stored in left_out)
        storage.put_text(names.left_out_key(batch, run), text, "application/jsonlines")
        images = [stored for stored in images if not _unusable(stored.key)]
    prefix = names.shards_prefix(batch, run)
    count = 0
    for count, start in enumerate(range(0, len(images), SHARD_KEYS), start=1):
        lines = [_line(stored) for stored in images[start : start + SHARD_KEYS]]
        storage.put_text(shard_key(prefix, count - 1), "".join(lines), "application/jsonlines")
    return count


def shard_key(prefix: str, number: int) -> str:
    return f"{prefix}{number:05d}.jsonl"


def shard_keys(storage: Storage, batch: str, run: str) -> Iterator[tuple[str, list[str]]]:
    """Each shard's name (`00000.jsonl`) and the keys in it."""
    prefix = names.shards_prefix(batch, run)
    for stored in storage.list(prefix):
        lines = storage.get_bytes(stored.key).decode().split("\n")
        yield stored.key.removeprefix(prefix), [json.loads(line)["key"] for line in lines if line]


def left_out(storage: Storage, batch: str, run: str) -> list[str]:
    """The keys that are in no shard because of their names."""
    try:
        lines = storage.get_bytes(names.left_out_key(batch, run)).decode().split("\n")
    except ObjectNotFound:
        return []
    return [json.loads(line)["key"] for line in lines if line]


def _unusable(key: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in key)


def _line(stored: StoredObject) -> str:
    asked = {"key": stored.key}
    if stored.version_id is not None:
        asked["version_id"] = stored.version_id
    return json.dumps(asked, ensure_ascii=False) + "\n"


def _hash(objects: Iterable[StoredObject], extra: str) -> str:
    digest = hashlib.sha256()
    for stored in objects:
        digest.update(f"{stored.key}\0{stored.etag}\0{stored.size}\n".encode())
    digest.update(extra.encode())
    return digest.hexdigest()
