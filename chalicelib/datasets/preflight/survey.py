"""What a dataset's files are, before any of them is read: settings, kinds, directories of zips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chalicelib import names
from chalicelib.aws.remote_file import open_remote
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.datasets.content import Content
from chalicelib.datasets.preflight.csvfile import LARGEST_UNPACKED, too_long_to_read
from chalicelib.datasets.preflight.folders import is_image
from chalicelib.datasets.preflight.images import MOST_IN_ZIPS
from chalicelib.datasets.preflight.problem import Problem, some
from chalicelib.datasets.preflight.zips import Zip, look_into
from chalicelib.datasets.settings.settings_file import (
    LARGEST_SETTINGS,
    SETTINGS_FILE,
    DatasetSettings,
    read_settings,
)

MOST_BYTES = 100 * 10**9  # of a dataset
LARGEST_FILE = 30 * 10**9  # bytes; hashed in one go, at 60 MB/s in half of what a function may run


@dataclass(frozen=True)
class Archive:
    """A zip and its directory."""

    stored: StoredObject
    found: Zip


@dataclass
class Survey:
    """`kind` is None where nothing can be read. `csvs` are the objects that hold rows, plain or
    gzip; `zips` those with CSVs or, of images, with images; `images` are loose."""

    kind: Literal["rows", "images"] | None = None
    settings: DatasetSettings = field(default_factory=DatasetSettings)
    settings_file: dict[str, Any] | None = None  # dataset.json, as version.json names it
    csvs: tuple[StoredObject, ...] = ()
    zips: tuple[Archive, ...] = ()
    images: tuple[StoredObject, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, file: str, reason: str) -> None:
        self.problems.append(Problem(file, reason))


def survey(storage: Storage, dataset: str, content: Content) -> Survey:
    """Look at the version's listing. Reads the directories of zips alone.

    Raises ObjectChanged, ObjectNotFound when it changes meanwhile.
    """
    return _Surveyor(storage, names.dataset_prefix(dataset)).survey(content)


class _Surveyor:
    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._result = Survey()

    def survey(self, content: Content) -> Survey:
        result = self._result
        self._read_settings(content)
        if self._too_large(content):
            return result
        plain = [s for s in content.data if not s.key.lower().endswith(".zip")]
        zips: list[Archive] = []
        files = 0
        for stored in content.data:
            if not stored.key.lower().endswith(".zip"):
                continue
            zips.append(self._look(stored))
            files += len(zips[-1].found.images) + len(zips[-1].found.others)
            if files > MOST_IN_ZIPS:  # the directories of all must fit in memory
                result.wrong("", f"more than {MOST_IN_ZIPS:,} files in zips: make several datasets")
                return result
        with_rows = [z for z in zips if z.found.csvs and not _has_images(z.found)]
        with_images = [z for z in zips if _has_images(z.found)]
        if (plain or with_rows) and (content.images or with_images):
            self._mixed([*plain, *(z.stored for z in with_rows)], content.images, with_images)
        elif content.images or with_images:
            result.kind, result.images, result.zips = "images", content.images, tuple(with_images)
        elif plain or with_rows:
            result.kind, result.csvs, result.zips = "rows", tuple(plain), tuple(with_rows)
            self._too_long(with_rows)
        elif not result.problems:
            self._nothing(content)
        return result

    def _path(self, stored: StoredObject) -> str:
        return stored.key.removeprefix(self._prefix)

    def _read_settings(self, content: Content) -> None:
        stored, text = content.settings, content.settings_text
        if stored is None:
            return
        if text is None:
            self._result.wrong(SETTINGS_FILE, f"larger than {LARGEST_SETTINGS:,} bytes")
            return
        self._result.settings = read_settings(text)
        self._result.problems += self._result.settings.problems
        self._result.settings_file = {
            "key": stored.key,
            "path": SETTINGS_FILE,
            "version_id": stored.version_id,
            "etag": stored.etag,
            "size": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
        }

    def _too_large(self, content: Content) -> bool:
        total = sum(stored.size for stored in content.used)
        if total > MOST_BYTES:
            self._result.wrong(
                "",
                f"{total / 1e9:,.0f} GB of data: {MOST_BYTES / 1e9:,.0f} GB are taken, "
                "because all of it is read before it is trained",
            )
        for stored in content.data:
            if stored.size > LARGEST_FILE:
                self._result.wrong(
                    self._path(stored),
                    f"{stored.size / 1e9:,.0f} GB in one file: {LARGEST_FILE / 1e9:,.0f} GB are "
                    "taken. Split it into several files",
                )
            elif stored.key.lower().endswith(".gz") and stored.size > LARGEST_UNPACKED:
                self._result.wrong(self._path(stored), f"it holds more than {too_long_to_read()}")
        return total > MOST_BYTES or any(stored.size > LARGEST_FILE for stored in content.data)

    def _too_long(self, zips: Sequence[Archive]) -> None:
        for archive in zips:
            for path, info in archive.found.csvs.items():
                if info.file_size > LARGEST_UNPACKED:
                    name = f"{archive.found.name}/{path}"
                    self._result.wrong(name, f"it unpacks to more than {too_long_to_read()}")

    def _look(self, stored: StoredObject) -> Archive:
        path = self._path(stored)
        file = open_remote(self._storage, stored.key, stored.etag, stored.size)
        try:
            found = look_into(path, file, stored.size)
        finally:
            file.close()
        if not found.problems and not found.csvs and not _has_images(found):
            found.wrong(_useless(found))
        elif found.others and not found.problems:
            self._result.notes.append(
                f"{path}: what is neither a CSV nor an image is left out: {some(found.others)}"
            )
        self._result.problems += found.problems
        return Archive(stored, found)

    # What cannot be used

    def _mixed(
        self,
        csvs: Sequence[StoredObject],
        loose: Sequence[StoredObject],
        zips: Sequence[Archive],
    ) -> None:
        image = self._path([*loose, *(archive.stored for archive in zips)][0])
        self._result.wrong(
            "",
            f"there are both CSVs ({self._path(csvs[0])}) and images ({image}): a dataset is one "
            "or the other. A CSV holds pixel values; a list of labels is not read, the images' "
            "folders say the classes. Take one kind out, or make two datasets",
        )

    def _nothing(self, content: Content) -> None:
        images = [self._path(other) for other in content.others if is_image(other.key)]
        if images:
            reason = (
                f"images such as {images[0]} lie in no folder: put each into a folder named after "
                "its class, train/<class>/<image>"
            )
        else:
            reason = (
                "there is no CSV file (.csv, .csv.gz or .csv.zip) in the dataset, and no folder "
                "of images or zip of such"
            )
        self._result.wrong("", reason)


def _has_images(found: Zip) -> bool:
    """Images in folders; a picture that lies beside CSVs makes no dataset of images."""
    return any("/" in path for path in found.images)


def _useless(found: Zip) -> str:
    if found.images:
        return (
            f"its images lie in no folder ({some(list(found.images)[:3])}): put each into a "
            "folder named after its class, and zip these"
        )
    inside = ", ".join(found.others[:5]) or "nothing"
    return f"a zip must hold .csv files or folders of images; this one holds {inside}"
