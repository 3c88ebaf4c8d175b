"""What one version of a dataset holds: read, checked as a whole, and ready to be described."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from chalicelib import names
from chalicelib.aws.remote_file import open_remote
from chalicelib.aws.storage import Storage, StoredObject
from chalicelib.datasets.badrows import set_aside
from chalicelib.datasets.checks import Found, all_alike, check_classes, check_rows
from chalicelib.datasets.content import Content
from chalicelib.datasets.csvfile import BUFFER, read_csv
from chalicelib.datasets.csvfound import CsvFile
from chalicelib.datasets.folders import is_image, unsafe
from chalicelib.datasets.heads import check_heads, spread
from chalicelib.datasets.images import ZippedImages, read_folders
from chalicelib.datasets.problem import Problem, some
from chalicelib.datasets.settings_file import (
    LARGEST_SETTINGS,
    SETTINGS_FILE,
    DatasetSettings,
    Shape,
    read_settings,
)
from chalicelib.datasets.zips import Zip, look_into, read_csvs

MOST_BYTES = 20 * 10**9  # read in the 15 minutes that a function may run


@dataclass
class Inspection:
    """What was found. `files`: entries of version.json; `listed`: those that a report names."""

    kind: str = "rows"
    settings: DatasetSettings = field(default_factory=DatasetSettings)
    settings_file: dict[str, Any] | None = None  # dataset.json, as version.json names it
    files: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    loose_images: int = 0
    found: Found = field(default_factory=lambda: Found("row"))
    shape: Shape | None = None
    range: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    set_aside: list[Problem] = field(default_factory=list)  # rows that are left out
    unfinished: list[str] = field(default_factory=list)  # files that were not read to the end
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Csv:
    """A CSV that was read: its own object, or a member of a zip."""

    stored: StoredObject
    version_id: str | None
    path: str
    member: str | None
    sha256: str | None
    found: CsvFile

    @property
    def role(self) -> str:
        return names.role_of(self.found.name)

    def described(self) -> dict[str, Any]:
        """Its entry in version.json."""
        member = {} if self.member is None else {"member": self.member}
        aside = {"set_aside": self.found.set_aside} if self.found.bad else {}
        return {
            "key": self.stored.key,
            "path": self.path,
            **member,
            "version_id": self.version_id,
            "etag": self.stored.etag,
            "size": self.stored.size,
            "sha256": self.sha256,
            "role": self.role,
            "header": self.found.header,
            "label_column": self.found.label_column,
            "rows": self.found.rows,
            **aside,
        }


def inspect(storage: Storage, dataset: str, content: Content) -> Inspection:
    """Read the version. Raises ObjectChanged, ObjectNotFound when it changes meanwhile."""
    return _Inspector(storage, names.dataset_prefix(dataset)).inspect(content)


class _Inspector:
    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._result = Inspection()

    def inspect(self, content: Content) -> Inspection:
        result = self._result
        self._read_settings(content)
        total = sum(stored.size for stored in content.used)
        if total > MOST_BYTES:
            self._wrong(
                "",
                f"{total / 1e9:,.0f} GB of data: {MOST_BYTES / 1e9:,.0f} GB are taken, "
                "because all of it is read in one go before it is trained",
            )
            return result
        plain = [s for s in content.data if not s.key.lower().endswith(".zip")]
        zips = [self._look(s) for s in content.data if s.key.lower().endswith(".zip")]
        with_rows = [z for z in zips if z.found.csvs and not _has_images(z.found)]
        with_images = [z for z in zips if _has_images(z.found)]
        if (plain or with_rows) and (content.images or with_images):
            self._mixed([*plain, *(z.stored for z in with_rows)], content.images, with_images)
        elif content.images or with_images:
            self._images(content.images, with_images)
        elif plain or with_rows:
            self._rows(plain, with_rows)
        elif not result.problems:
            self._nothing(content)
        result.notes = list(dict.fromkeys([*result.settings.notes, *result.notes]))
        return result

    def _wrong(self, file: str, reason: str) -> None:
        self._result.problems.append(Problem(file, reason))

    def _read_settings(self, content: Content) -> None:
        stored, text = content.settings, content.settings_text
        if stored is None:
            return
        if text is None:
            self._wrong(SETTINGS_FILE, f"larger than {LARGEST_SETTINGS:,} bytes")
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

    # Zips

    def _look(self, stored: StoredObject) -> ZippedImages:
        """The zip's hash and directory."""
        opened = self._storage.open(stored.key, if_etag=stored.etag)
        digest = hashlib.sha256()
        with _closing(opened.body):
            while chunk := opened.body.read(BUFFER):
                digest.update(chunk)
        path = stored.key.removeprefix(self._prefix)
        with self._remote(stored) as file:
            found = look_into(path, file, stored.size)
        if not found.problems and not found.csvs and not _has_images(found):
            found.wrong(_useless(found))
        elif found.others and not found.problems:
            self._result.notes.append(
                f"{path}: what is neither a CSV nor an image is left out: {some(found.others)}"
            )
        self._result.problems += found.problems
        return ZippedImages(stored, opened.stored.version_id, digest.hexdigest(), found)

    @contextmanager
    def _remote(self, stored: StoredObject) -> Iterator[IO[bytes]]:
        file = open_remote(self._storage, stored.key, stored.etag, stored.size)
        with _closing(file):
            yield file

    # Rows

    def _rows(self, plain: Sequence[StoredObject], zips: Sequence[ZippedImages]) -> None:
        result, settings = self._result, self._result.settings
        files = [self._read_csv(stored) for stored in plain]
        for archive in zips:
            if archive.found.problems:  # a bomb would never come to an end
                continue
            with self._remote(archive.stored) as remote:
                read = read_csvs(archive.found, remote, settings.label)
            stored, version_id, path = archive.stored, archive.version_id, archive.found.name
            for found, member in zip(read, sorted(archive.found.csvs), strict=True):
                files.append(_Csv(stored, version_id, path, member, archive.sha256, found))
        aside = set_aside([(file.role, file.found) for file in files], settings)
        result.set_aside = aside.rows
        result.problems += aside.problems
        result.notes += aside.notes
        result.listed = [file.described() for file in files]
        result.files = list(result.listed)
        result.unfinished = [file.found.name for file in files if file.found.unfinished]
        for file in files:
            result.problems += file.found.problems
            result.notes += file.found.notes
            if problem := unsafe(file.path):
                self._wrong(file.path, f"the path {problem}")
            for label, line in file.found.labels.items():
                place = (file.found.name, line, file.found.label_column + 1)
                result.found.add(file.role, label, file.found.counts.get(label, 0), place)
        if result.problems:
            result.labels = result.classes = check_classes(result.found, DatasetSettings()).labels
            return
        read_files = [file.found for file in files]
        result.shape, result.range, problems, notes = check_rows(read_files, settings)
        result.problems += problems
        result.notes += notes
        self._classes()
        if not result.problems and (alike := all_alike(read_files)):
            result.problems.append(alike)

    def _read_csv(self, stored: StoredObject) -> _Csv:
        opened = self._storage.open(stored.key, if_etag=stored.etag)
        path = stored.key.removeprefix(self._prefix)
        with _closing(opened.body):
            found = read_csv(path, opened.body, self._result.settings.label)
        return _Csv(stored, opened.stored.version_id, path, None, found.sha256, found)

    # Images

    def _images(self, objects: Sequence[StoredObject], zips: Sequence[ZippedImages]) -> None:
        result = self._result
        result.kind = "images"
        images = read_folders(self._storage, self._prefix, objects, zips)
        result.found = images.found
        result.loose_images = len(images.loose)
        result.listed = [archive.described() for archive in zips]
        result.files = [*result.listed, *(image.described() for image in images.loose)]
        result.problems += images.problems
        result.notes += images.notes
        result.shape = result.settings.shape
        if result.settings.label is not None:
            self._wrong(SETTINGS_FILE, "label names a column of CSVs, but there are images only")
        self._classes()
        if not result.problems:
            problems, notes = check_heads(spread(images.candidates))
            result.problems += problems
            result.notes += notes

    def _classes(self) -> None:
        result = self._result
        checked = check_classes(result.found, result.settings)
        result.labels, result.classes = checked.labels, checked.classes
        result.problems += checked.problems
        result.notes += checked.notes

    # What cannot be used

    def _mixed(
        self,
        csvs: Sequence[StoredObject],
        loose: Sequence[StoredObject],
        zips: Sequence[ZippedImages],
    ) -> None:
        image = [*loose, *(archive.stored for archive in zips)][0].key.removeprefix(self._prefix)
        csv = csvs[0].key.removeprefix(self._prefix)
        self._wrong(
            "",
            f"there are both CSVs ({csv}) and images ({image}): a dataset is one or the other. A "
            "CSV holds pixel values; a list of labels is not read, the images' folders say the "
            "classes. Take one kind out, or make two datasets",
        )

    def _nothing(self, content: Content) -> None:
        images = [o.key.removeprefix(self._prefix) for o in content.others if is_image(o.key)]
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
        self._wrong("", reason)


def shape_json(shape: Shape | None) -> dict[str, Any] | None:
    return None if shape is None else asdict(shape)


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


@contextmanager
def _closing(body: IO[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        body.close()
