"""Images in folders: the role and the class follow from the path.

    [<anything>/]<train|training|test|valid|validation|val>/<class>/…/<image>
    <class>/<image>                   without such a folder; all of it to train with

The same rule holds below the dataset and inside a zip (docs/architecture.md; the training job reads
zips by it).
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.names import IMAGE_ENDINGS, is_junk

ROLES = ("train", "validation", "test")
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
}


@dataclass(frozen=True)
class Spot:
    """Where an image belongs. `split`: its path says the role, by a folder such as `train`."""

    role: str
    label: str
    split: bool


def is_image(path: str) -> bool:
    """By its name."""
    return path.lower().endswith(IMAGE_ENDINGS) and not is_junk(path)


def spot_of(path: str, role: str = "train") -> Spot | None:
    """Where the image belongs; None when it lies in no folder.

    `role` is that of images in no split's folder.
    """
    folders = path.split("/")[:-1]
    for place, folder in enumerate(folders[:-1]):
        if (found := _SPLITS.get(folder.lower())) is not None:
            return Spot(found, folders[place + 1], split=True)
    return Spot(role, folders[-1], split=False) if folders else None


def straight_in_split(path: str) -> bool:
    """Does the image lie in `train/` itself, with no folder for its class?"""
    spot = spot_of(path)
    return spot is not None and not spot.split and spot.label.lower() in _SPLITS


def unsafe(path: str) -> str | None:
    """Why no file should be written under this path; None when it may."""
    if path.startswith("/") or path[1:2] == ":":
        return "is an absolute path"
    parts = path.split("/")
    if ".." in parts:
        return "has '..' in it, which leads out of the folder"
    if "\\" in path:
        return "is written with backslashes: pack or name it anew, with / between folders"
    if "" in parts or "." in parts:
        return "has an empty part or a '.' in it"
    return None
