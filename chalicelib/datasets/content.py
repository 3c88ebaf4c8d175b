"""What lies under a dataset's prefix now, and the version that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib import names
from chalicelib.aws.storage import Storage, StoredObject


@dataclass(frozen=True)
class Content:
    """A listing of a dataset, sorted by key.

    `data` are the CSVs and zips, `images` lie in folders, `settings` is dataset.json, `others` what
    is ignored; `ready` is the VersionId of _READY.
    """

    data: tuple[StoredObject, ...]
    images: tuple[StoredObject, ...]
    settings: StoredObject | None
    others: tuple[StoredObject, ...]
    ready: str | None

    @property
    def empty(self) -> bool:
        """Nothing to train with and nothing that was meant to be."""
        return not self.data and not self.images and not self.others

    @property
    def used(self) -> list[StoredObject]:
        """What the version is made of."""
        files = [*self.data, *self.images, *([self.settings] if self.settings else [])]
        return sorted(files, key=lambda file: file.key)

    @property
    def version(self) -> str:
        return content_version(self.used)

    @property
    def newest(self) -> datetime | None:
        """When the last of the files arrived."""
        times = [file.last_modified for file in (*self.used, *self.others)]
        return max(times, default=None)


def content_version(files: Iterable[StoredObject]) -> str:
    """SHA-256 over the sorted lines `key NUL etag NUL size LF`, as 64 hex digits."""
    lines = sorted(f"{file.key}\0{file.etag}\0{file.size}\n".encode() for file in files)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def look(storage: Storage, dataset: str) -> Content:
    """List the dataset. One request a thousand objects, and one for _READY where there is one."""
    data: list[StoredObject] = []
    images: list[StoredObject] = []
    others: list[StoredObject] = []
    settings: StoredObject | None = None
    ready: str | None = None
    for stored in storage.list(names.dataset_prefix(dataset)):
        kind = names.parse_key(stored.key).kind
        if kind is names.Kind.DATA:
            data.append(stored)
        elif kind is names.Kind.IMAGE:
            images.append(stored)
        elif kind is names.Kind.SETTINGS:
            settings = stored
        elif kind is names.Kind.OTHER:
            others.append(stored)
        elif kind is names.Kind.READY:
            ready = look_for_ready(storage, dataset)
    return Content(tuple(data), tuple(images), settings, tuple(others), ready)


def look_for_ready(storage: Storage, dataset: str) -> str | None:
    """What `look` says of _READY, without the listing."""
    head = storage.head(names.dataset_prefix(dataset) + names.READY)
    if head is None:
        return None
    # An unversioned bucket gives no id: the time it was put tells two apart as well.
    return head.version_id or head.last_modified.isoformat()
