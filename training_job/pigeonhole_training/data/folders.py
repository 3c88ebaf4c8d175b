"""What the path of an image says: its role and its class.

    [<anything>/]<train|training|test|valid|validation|val>/<class>/…/<image>
    [<anything>/]<class>/<image>                                    role train

The same rule holds for loose files below a dataset and inside a zip (docs/architecture.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

EXTENSIONS = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
)
ROLES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
}
_NOT_DATA = frozenset(("__macosx", "thumbs.db"))


@dataclass(frozen=True)
class Place:
    """`role` is None where the path names none; `label` is the class' folder."""

    role: str | None
    label: str


def is_passed_over(path: str) -> bool:
    """Whether this is what systems leave beside people's files: dot files, __MACOSX, Thumbs.db."""
    return any(
        part.startswith(".") or part.lower() in _NOT_DATA for part in PurePosixPath(path).parts
    )


def is_image(path: str) -> bool:
    """By its name."""
    return PurePosixPath(path).suffix.lower() in EXTENSIONS and not is_passed_over(path)


def place_of(path: str) -> Place | None:
    """None for an image that lies in no folder: nothing says what it shows."""
    folders = PurePosixPath(path).parts[:-1]
    for name, following in pairwise(folders):
        role = ROLES.get(name.lower())
        if role is not None:
            return Place(role, following)
    return Place(None, folders[-1]) if folders else None
