"""The dataset version that the job was started for, and the check that the channel still holds it.

`version.json` is written by whoever looked at the CSVs before the job was paid for; its shape is in
docs/architecture.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole_training.errors import BadRequest, DataChanged

FORMAT = 1
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
    """One file of the train channel. `role` is `train`, `test` or `settings`."""

    path: str
    size: int
    sha256: str
    role: str
    header: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class DatasetVersion:
    """`labels[i]` is how class `i` is written in the CSVs, `classes[i]` its name."""

    dataset: str
    version: str
    files: tuple[SourceFile, ...]
    shape: Shape
    classes: tuple[str, ...]
    labels: tuple[str, ...]

    def of_role(self, role: str) -> list[SourceFile]:
        """The files of one role, by path, so that row order never depends on a listing's order."""
        return sorted((f for f in self.files if f.role == role), key=lambda f: f.path)


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
    shape = version.shape
    if min(shape.height, shape.width) < 1 or not 1 <= shape.channels <= MAX_CHANNELS:
        raise BadRequest(f"images of {shape} cannot be trained on")
    return version


def _parse(document: dict[str, Any]) -> DatasetVersion:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r} instead of {FORMAT}")
    return DatasetVersion(
        dataset=str(document["dataset"]),
        version=str(document["version"]),
        files=tuple(
            SourceFile(
                path=str(f["path"]),
                size=int(f["size"]),
                sha256=str(f["sha256"]),
                role=str(f["role"]),
                header=bool(f.get("header")),
                rows=None if f.get("rows") is None else int(f["rows"]),
            )
            for f in document["files"]
        ),
        shape=Shape(**{name: int(value) for name, value in document["shape"].items()}),
        classes=tuple(map(str, document["classes"])),
        labels=tuple(map(str, document["labels"])),
    )


def check_files(files: Sequence[SourceFile], folder: Path) -> None:
    """Checks size and SHA-256 of every file; raises DataChanged at the first that differs."""
    for file in files:
        path = folder / file.path
        if not path.is_file():
            raise DataChanged(f"{file.path} is no longer there")
        size = path.stat().st_size
        if size != file.size:
            raise DataChanged(f"{file.path} has {size} bytes instead of {file.size}")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != file.sha256:
            raise DataChanged(f"{file.path} has other content than when it was checked")
