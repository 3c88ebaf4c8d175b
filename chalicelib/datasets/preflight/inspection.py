"""What one version of a dataset holds: read, checked as a whole, and ready to be described."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import StoredObject
from chalicelib.datasets.preflight.badimages import set_aside_images
from chalicelib.datasets.preflight.badrows import set_aside
from chalicelib.datasets.preflight.checks import Found, all_alike, check_classes, check_rows
from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.folders import unsafe
from chalicelib.datasets.preflight.images import ZippedImages, read_folders
from chalicelib.datasets.preflight.merging import merged
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.preflight.survey import Survey
from chalicelib.datasets.preflight.units import Read, Unit
from chalicelib.datasets.settings.settings_file import SETTINGS_FILE, DatasetSettings, Shape

Results = Sequence[tuple[Unit, Read]]


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


def assemble(dataset: str, seen: Survey, results: Results) -> Inspection:
    """Put together what was read, in whatever pieces, and check it as a whole."""
    return _Assembly(names.dataset_prefix(dataset), seen, results).inspection()


class _Assembly:
    def __init__(self, prefix: str, seen: Survey, results: Results) -> None:
        self._prefix = prefix
        self._seen = seen
        self._results = results
        self._result = Inspection(
            kind=seen.kind or "rows",
            settings=seen.settings,
            settings_file=seen.settings_file,
            problems=list(seen.problems),
            notes=list(seen.notes),
        )
        # CSVs in a zip, and ranges, have their object's version and hash from a unit of its own.
        self._objects = {unit.key: read for unit, read in results if read.version_id or read.sha256}

    def inspection(self) -> Inspection:
        result = self._result
        if self._seen.kind == "images":
            self._images()
        elif self._seen.kind == "rows":
            self._rows()
        result.notes = list(dict.fromkeys([*result.settings.notes, *result.notes]))
        return result

    def _wrong(self, file: str, reason: str) -> None:
        self._result.problems.append(Problem(file, reason))

    # Rows

    def _csvs(self) -> Iterator[_Csv]:
        """Every CSV, in the order of the listing and, in a zip, of the paths."""
        parts: dict[tuple[str, str | None], list[tuple[int, CsvFile]]] = defaultdict(list)
        for unit, read in self._results:
            if read.found is not None:
                parts[unit.key, unit.member].append((unit.start, read.found))
        objects = [*self._seen.csvs, *(archive.stored for archive in self._seen.zips)]
        places = {stored.key: (place, stored) for place, stored in enumerate(objects)}
        for key, member in sorted(parts, key=lambda at: (places[at[0]][0], at[1] or "")):
            read = self._objects.get(key, Read())
            path = key.removeprefix(self._prefix)
            found = [part for _, part in sorted(parts[key, member], key=lambda part: part[0])]
            yield _Csv(places[key][1], read.version_id, path, member, read.sha256, merged(found))

    def _rows(self) -> None:
        result, settings = self._result, self._result.settings
        files = list(self._csvs())
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
        # Those to train with first: the others are held against them.
        read_files = [file.found for file in sorted(files, key=lambda file: file.role != "train")]
        result.shape, result.range, problems, notes = check_rows(read_files, settings)
        result.problems += problems
        result.notes += notes
        self._classes()
        if not result.problems and (alike := all_alike(read_files)):
            result.problems.append(alike)

    # Images

    def _images(self) -> None:
        result, seen = self._result, self._seen
        zips = [
            ZippedImages(zip_.stored, read.version_id, read.sha256, zip_.found)
            for zip_ in seen.zips
            for read in [self._objects.get(zip_.stored.key, Read())]
        ]
        sealed = {path for _, read in self._results for path in read.sealed}
        images = read_folders(self._prefix, seen.images, zips, sealed)
        loose = [
            one for unit, read in self._results if unit.what == "heads" for one in read.not_images
        ]
        zipped = {
            unit.key.removeprefix(self._prefix): read.not_images
            for unit, read in self._results
            if unit.what == "hash"
        }
        aside = set_aside_images(images, tuple(loose), zipped, result.settings)
        result.found = images.found
        result.set_aside = aside.rows
        result.loose_images = len(images.loose)
        result.listed = [archive.described() for archive in images.zips]
        result.files = [*result.listed, *(image.described() for image in images.loose)]
        result.problems += [*images.problems, *aside.problems]
        result.notes += [*images.notes, *aside.notes]
        result.shape = result.settings.shape
        if result.settings.label is not None:
            self._wrong(SETTINGS_FILE, "label names a column of CSVs, but there are images only")
        self._classes()

    def _classes(self) -> None:
        result = self._result
        checked = check_classes(result.found, result.settings)
        result.labels, result.classes = checked.labels, checked.classes
        result.problems += checked.problems
        result.notes += checked.notes


def shape_json(shape: Shape | None) -> dict[str, Any] | None:
    return None if shape is None else asdict(shape)
