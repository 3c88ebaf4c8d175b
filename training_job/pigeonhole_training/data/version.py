"""The dataset version that the job was started for, and the check that the channel still holds it.

`version.json` is written by whoever looked at the files before the job was paid for; its shape is
in docs/architecture.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pigeonhole_training.errors import BadRequest, DataChanged

FORMATS = (1, 2)
KINDS = ("rows", "images")
RANGES = ((0, 255), (0, 1))
MAX_CHANNELS = 4  # grey, grey and alpha, RGB, RGBA: what a PNG can hold


@dataclass(frozen=True)
class Shape:
    """Of one image, in pixels."""

    height: int
    width: int
    channels: int

    @property
    def values(self) -> int:
        """Values in one row of a CSV, the label not counted."""
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


@dataclass(frozen=True)
class SourceFile:
    """One file of the train channel, or one CSV in a zip.

    `role` is `train`, `test`, `validation`, `settings` or, for a zip of images whose paths decide,
    `archive`. Of `sha256` and `md5` a file has one; a loose image that came without a checksum has
    neither. CSVs have `header`, `rows`, `label_column` and, in a zip, `member`; of their `rows`
    those at the 0-based places `set_aside` are skipped. A loose image has its class' `label`; a zip
    of images has `members`, how many it holds, and `left_out`, the paths of those that are skipped.
    """

    path: str
    size: int
    sha256: str | None
    role: str
    header: bool = False
    rows: int | None = None
    label_column: int = 0
    label: str | None = None
    members: int | None = None
    md5: str | None = None
    member: str | None = None
    set_aside: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The path below the dataset; of a CSV in a zip, the zip's and the CSV's in it."""
        return self.path if self.member is None else f"{self.path}/{self.member}"


@dataclass(frozen=True)
class DatasetVersion:
    """`labels[i]` is how class `i` is written in the CSVs, or its folder's name; `classes[i]` its
    name.

    `given_shape` is None where only the images themselves can tell. `kind` is `rows` or `images`;
    `value_range`: how CSVs write a pixel, `(0, 255)` or `(0, 1)`. `notes`: what was found odd
    before the job, for people.
    """

    dataset: str
    version: str
    files: tuple[SourceFile, ...]
    given_shape: Shape | None
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    kind: str = "rows"
    value_range: tuple[int, int] = (0, 255)
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Of every image, as the model sees it. Raises BadRequest while nobody has decided it."""
        if self.given_shape is None:
            raise BadRequest("version.json gives no shape, and the images have not been read")
        return self.given_shape

    def with_shape(self, shape: Shape) -> DatasetVersion:
        """This version, its shape decided."""
        return replace(self, given_shape=shape)

    def of_role(self, role: str) -> list[SourceFile]:
        """The files of one role, by path, so that row order never depends on a listing's order."""
        return sorted((f for f in self.files if f.role == role), key=lambda f: f.name)


def read_version(folder: Path) -> DatasetVersion:
    """Reads `version.json` in the version channel.

    Raises BadRequest when it is missing or is not what this code understands.
    """
    path = folder / "version.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadRequest("the version channel has no version.json") from None
    except ValueError as error:
        raise BadRequest(f"version.json is not JSON: {error}") from error
    try:
        version = _parse(document)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"version.json is not as expected: {error!r}") from error
    if len(version.classes) < 2 or len(version.classes) != len(version.labels):
        raise BadRequest("version.json must list at least two classes, and one label for each")
    if len(set(version.classes)) < len(version.classes):
        raise BadRequest("version.json gives two classes the same name")
    shape = version.given_shape
    if shape is None:
        if version.kind == "rows":
            raise BadRequest("version.json gives no shape: rows of numbers alone do not tell it")
    elif min(shape.height, shape.width) < 1 or not 1 <= shape.channels <= MAX_CHANNELS:
        raise BadRequest(f"images of {shape} cannot be trained on")
    elif version.kind == "images" and shape.channels not in (1, 3):
        raise BadRequest(f"image files are read as grey or RGB, not as {shape.channels} channels")
    return version


def read_version_for(folder: Path, version: str | None) -> DatasetVersion:
    """As `read_version`; raises DataChanged when it is of another version than this one."""
    found = read_version(folder)
    if version not in (None, found.version):
        raise DataChanged(f"version.json is of {found.version[:12]}, the job is for {version}")
    return found


def _parse(document: dict[str, Any]) -> DatasetVersion:
    if document["format"] not in FORMATS:
        raise ValueError(f"format {document['format']!r} instead of 1 or 2")
    kind = document.get("kind", "rows")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} instead of rows or images")
    low, high = document.get("range") or RANGES[0]
    if (low, high) not in RANGES:
        raise ValueError(f"range {[low, high]} instead of [0, 255] or [0, 1]")
    shape = document["shape"]
    return DatasetVersion(
        dataset=str(document["dataset"]),
        version=str(document["version"]),
        files=tuple(map(_parse_file, document["files"])),
        given_shape=None
        if shape is None
        else Shape(**{name: int(value) for name, value in shape.items()}),
        classes=tuple(map(str, document["classes"])),
        labels=tuple(map(str, document["labels"])),
        kind=kind,
        value_range=(low, high),
        notes=tuple(map(str, document.get("notes", ()))),
    )


def _parse_file(described: dict[str, Any]) -> SourceFile:
    def whole(name: str) -> int | None:
        return None if described.get(name) is None else int(described[name])

    def text(name: str) -> str | None:
        return None if described.get(name) is None else str(described[name])

    role = str(described["role"])
    return SourceFile(
        path=str(described["path"]),
        size=int(described["size"]),
        sha256=text("sha256"),
        role=role,
        header=bool(described.get("header")),
        rows=whole("rows"),
        label_column=whole("label_column") or 0,
        label=text("label"),
        members=whole("members"),
        md5=text("md5"),
        member=text("member"),
        set_aside=tuple(map(int, described.get("set_aside", ()))),
        left_out=tuple(map(str, described.get("left_out", ()))),
    )


def check_files(files: Sequence[SourceFile], folder: Path) -> None:
    """Checks size and checksum of every file; raises DataChanged at the first that differs."""
    checked: set[tuple[str, int, str | None]] = set()  # CSVs in one zip share it
    for file in files:
        if (seen := (file.path, file.size, file.sha256)) in checked:
            continue
        checked.add(seen)
        path = folder / file.path
        if not path.is_file():
            raise DataChanged(f"{file.path} is no longer there")
        size = path.stat().st_size
        if size != file.size:
            raise DataChanged(f"{file.path} has {size} bytes instead of {file.size}")
        expected, algorithm = (file.sha256, "sha256") if file.sha256 else (file.md5, "md5")
        if expected is None:
            continue
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, algorithm).hexdigest()
        if digest != expected:
            raise DataChanged(f"{file.path} has other content than when it was checked")
