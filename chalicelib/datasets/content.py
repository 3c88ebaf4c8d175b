"""What lies under a dataset's prefix now, and the version that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.datasets.settings import service_settings
from chalicelib.datasets.settings.service_settings import ServiceSettings, read_service
from chalicelib.datasets.settings.settings_file import LARGEST_SETTINGS
from chalicelib.errors import ObjectChanged, ObjectNotFound, Unavailable

LOOKS = 5  # for a dataset.json that changes between the listing and its reading


@dataclass(frozen=True)
class Content:
    """A listing of a dataset, sorted by key.

    `data` are the CSVs and zips, `images` lie in folders, `settings` is dataset.json and
    `settings_text` what it says (None where it is too large to be read), `others` what is ignored;
    `ready` is the VersionId of _READY, put at `ready_at`. `service` is how dataset.json wants the
    dataset treated; `says_hosting` is False where what it says of that cannot be used.
    """

    data: tuple[StoredObject, ...]
    images: tuple[StoredObject, ...]
    settings: StoredObject | None
    others: tuple[StoredObject, ...]
    ready: str | None
    ready_at: datetime | None = None
    settings_text: bytes | None = None
    service: ServiceSettings = field(default_factory=ServiceSettings)
    says_hosting: bool = True

    @property
    def empty(self) -> bool:
        """Nothing to train with and nothing that was meant to be."""
        return not self.data and not self.images and not self.others

    @property
    def used(self) -> list[StoredObject]:
        """What is looked at: the files, and dataset.json."""
        files = [*self.data, *self.images, *([self.settings] if self.settings else [])]
        return sorted(files, key=lambda file: file.key)

    @cached_property
    def version(self) -> str:
        said = None if self.settings is None else _said(self.settings, self.settings_text)
        return content_version([*self.data, *self.images, *([said] if said else [])])

    def is_version(self, version: str | None) -> bool:
        """Is it this one? Older releases counted dataset.json by its ETag and size."""
        return version == self.version or (
            version is not None
            and self.settings is not None
            and version == content_version(self.used)
        )

    @property
    def count(self) -> int:
        """How many objects were listed."""
        return len(self.data) + len(self.images) + len(self.others)

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
    """List the dataset. One request a thousand objects, and one each for _READY and dataset.json
    where there is one. Raises Unavailable where dataset.json does not stay the same."""
    for _ in range(LOOKS):
        content = _listed(storage, dataset)
        try:
            return _with_settings(storage, content)
        except (ObjectChanged, ObjectNotFound):
            continue
    raise Unavailable(f"dataset.json of {dataset} changes all the time")


def look_for_ready(storage: Storage, dataset: str) -> str | None:
    """What `look` says of _READY, without the listing."""
    return _ready(storage, dataset)[0]


def _ready(storage: Storage, dataset: str) -> tuple[str | None, datetime | None]:
    head = storage.head(names.dataset_prefix(dataset) + names.READY)
    if head is None:
        return None, None
    # An unversioned bucket gives no id: the time it was put tells two apart as well.
    return head.version_id or head.last_modified.isoformat(), head.last_modified


def _listed(storage: Storage, dataset: str) -> Content:
    data: list[StoredObject] = []
    images: list[StoredObject] = []
    others: list[StoredObject] = []
    settings: StoredObject | None = None
    ready: str | None = None
    ready_at: datetime | None = None
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
            ready, ready_at = _ready(storage, dataset)
    return Content(tuple(data), tuple(images), settings, tuple(others), ready, ready_at)


def _with_settings(storage: Storage, content: Content) -> Content:
    """With what dataset.json says. Raises ObjectChanged, ObjectNotFound."""
    stored = content.settings
    if stored is None:
        return content
    if stored.size > LARGEST_SETTINGS:
        return replace(content, says_hosting=False)
    opened = storage.open(stored.key, if_etag=stored.etag)
    try:
        text = opened.body.read()
    finally:
        opened.body.close()
    members = _members(text)
    service, wrong = (ServiceSettings(), {}) if members is None else read_service(members)
    return replace(
        content,
        settings=replace(stored, version_id=opened.stored.version_id),
        settings_text=text,
        service=service,
        says_hosting=members is not None and "endpoint" not in wrong,
    )


def _members(text: bytes) -> dict[str, Any] | None:
    """None: no JSON object."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _said(stored: StoredObject, text: bytes | None) -> StoredObject | None:
    """dataset.json as its line of the version: what it says of the training, however written.

    Settings of the service's own are left out, but for those that cannot be used: a version with
    such a one is refused, and put right it is the version that it was before.
    """
    members = None if text is None else _members(text)
    if members is None:
        return stored
    wrong = read_service(members)[1]
    kept = {
        name: value
        for name, value in members.items()
        if name not in service_settings.READERS or name in wrong
    }
    if not kept:
        return None
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return replace(stored, etag=hashlib.sha256(canonical.encode()).hexdigest(), size=0)
