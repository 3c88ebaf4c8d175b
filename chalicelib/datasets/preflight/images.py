"""A dataset of images in folders, loose or in zips: what is there, by the paths alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from chalicelib.aws.storage import StoredObject
from chalicelib.datasets.preflight.checks import Found
from chalicelib.datasets.preflight.csvlabels import MOST_CLASSES, label_problem
from chalicelib.datasets.preflight.folders import Spot, spot_of, straight_in_split, unsafe
from chalicelib.datasets.preflight.problem import Problem, some
from chalicelib.datasets.preflight.zips import LARGEST_IMAGE, Zip
from chalicelib.names import role_of

MOST_LOOSE = 50_000
MOST_IN_ZIPS = 500_000
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class LooseImage:
    """An image of its own; `path` below the dataset. `sealed`: its ETag is no MD5."""

    stored: StoredObject
    path: str
    spot: Spot
    sealed: bool = False

    def described(self) -> dict[str, Any]:
        """Its entry in version.json."""
        etag = self.stored.etag
        return {
            "path": self.path,
            "size": self.stored.size,
            "etag": etag,
            "sha256": None,
            "md5": etag if _MD5.fullmatch(etag) and not self.sealed else None,  # of one part
            "role": self.spot.role,
            "label": self.spot.label,
        }


@dataclass(frozen=True)
class ZippedImages:
    """A zip of images: the object, the version that was read, its directory."""

    stored: StoredObject
    version_id: str | None
    sha256: str | None
    found: Zip
    left_out: tuple[str, ...] = ()  # members that are no images

    @property
    def role(self) -> str:
        """What the paths inside do not say: `archive` where the zip's own name does not either."""
        role = role_of(self.found.name)
        return "archive" if role == "train" else role

    def spots(self) -> Iterable[tuple[str, Spot | None]]:
        """Path and place of each image."""
        role = role_of(self.found.name)
        for path in self.found.images:
            yield path, spot_of(path, role)

    def described(self) -> dict[str, Any]:
        """Its entry in version.json."""
        return {
            "key": self.stored.key,
            "path": self.found.name,
            "version_id": self.version_id,
            "etag": self.stored.etag,
            "size": self.stored.size,
            "sha256": self.sha256,
            "role": self.role,
            "members": len(self.found.images),
            **({"left_out": list(self.left_out)} if self.left_out else {}),
        }


@dataclass
class Images:
    """All images of a dataset."""

    loose: list[LooseImage] = field(default_factory=list)
    zips: list[ZippedImages] = field(default_factory=list)
    found: Found = field(default_factory=lambda: Found("image"))
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_folders(
    prefix: str,
    objects: Sequence[StoredObject],
    zips: Sequence[ZippedImages],
    sealed: Collection[str] = (),
) -> Images:
    """Sort what lies in a dataset's folders and zips by role and class. `sealed` are the paths of
    loose images whose ETag is no MD5."""
    images = Images(zips=list(zips))
    if len(objects) > MOST_LOOSE:
        reason = (
            f"{len(objects):,} loose images: {MOST_LOOSE:,} are taken. Put the folders into a "
            "zip, which uploads and trains faster too"
        )
        images.problems.append(Problem("", reason))
        return images
    _loose(images, prefix, objects, sealed)
    for archive in zips:
        _zipped(images, archive)
    _check_labels(images)
    return images


def _loose(
    images: Images, prefix: str, objects: Sequence[StoredObject], sealed: Collection[str]
) -> None:
    spots: list[tuple[str, Spot]] = []
    for stored in objects:
        path = stored.key.removeprefix(prefix)
        spot = spot_of(path)
        if problem := unsafe(path):
            images.problems.append(Problem(path, f"the path {problem}"))
        elif stored.size > LARGEST_IMAGE:
            reason = f"the image has {stored.size:,} bytes: {LARGEST_IMAGE:,} are taken"
            images.problems.append(Problem(path, reason))
        elif spot is not None:
            spots.append((path, spot))
            images.loose.append(LooseImage(stored, path, spot, path in sealed))
            images.found.add(spot.role, spot.label, 1, (_folder(path), None, None))
    images.problems += _split_problems("", spots)
    paths = {path for path, _ in spots}
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    if both := sorted(paths & folders):
        reason = "there is an image and a folder of this name: no disk can hold both"
        images.problems.append(Problem(both[0], reason))


def _zipped(images: Images, archive: ZippedImages) -> None:
    name = archive.found.name
    spots: list[tuple[str, Spot]] = []
    without = []
    for path, spot in archive.spots():
        if spot is None:
            without.append(path)
            continue
        spots.append((path, spot))
        place = f"{name}/{_folder(path)}"
        images.found.add(spot.role, spot.label, 1, (place, None, None))
    images.problems += _split_problems(name, spots)
    if without:
        images.notes.append(
            f"{name}: {len(without)} images in no class' folder are left out: {some(without)}"
        )
    if archive.found.csvs:
        images.notes.append(
            f"{name}: CSVs beside images are not read ({some(list(archive.found.csvs))}): the "
            "folders say the classes"
        )


def _split_problems(file: str, spots: Sequence[tuple[str, Spot]]) -> list[Problem]:
    """Folders called train and test must be there for all images or for none."""
    straight = [path for path, _ in spots if straight_in_split(path)]
    if straight:
        reason = (
            f"{straight[0]} lies straight in a folder for training or test: put each image into "
            "a folder named after its class in there, train/<class>/<image>"
        )
        return [Problem(file, f"{reason} ({len(straight):,} such)")]
    with_split = [path for path, spot in spots if spot.split]
    without = [path for path, spot in spots if not spot.split]
    if with_split and without:
        reason = (
            f"{without[0]} lies in no folder called train, test or validation, as "
            f"{with_split[0]} does: put all into such folders, or none ({len(without):,} such)"
        )
        return [Problem(file, reason)]
    return []


def _check_labels(images: Images) -> None:
    labels: Counter[str] = Counter()
    for counts in images.found.counts.values():
        labels.update(counts)
    if len(labels) > MOST_CLASSES:
        reason = f"{len(labels):,} different classes: {MOST_CLASSES:,} are taken"
        images.problems.append(Problem("", reason))
        return
    for (_, label), (place, _, _) in images.found.places.items():
        if problem := label_problem(label, "folder"):
            images.problems.append(Problem(place, problem))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
