"""Image files, loose or in zips, into pools: one for each role.

The pictures' one shape is what the dataset says; else the size that all of them have, if its sides
are 8 to 256; else the preset's. Their channels are one when every picture is grey, else three.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pigeonhole_training.data.ahead import mapped
from pigeonhole_training.data.archives import BROKEN, Archive
from pigeonhole_training.data.folders import is_image, is_passed_over, place_of
from pigeonhole_training.data.images import (
    LARGEST_FILE,
    Header,
    Unreadable,
    is_grey,
    read_header,
    read_picture,
)
from pigeonhole_training.data.pool import PoolBuilder
from pigeonhole_training.data.rows import CHUNK, Pixels, Pool
from pigeonhole_training.data.sentences import counted, some
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
from pigeonhole_training.errors import BadData

ROLES = ("train", "test", "validation")
SMALLEST_OWN_SIDE = 8  # pixels; networks have nothing left of smaller ones, so they are scaled up
LARGEST_OWN_SIDE = 256  # pixels; larger pictures are scaled down even if all have one size
MOST_UNREADABLE = 0.2  # of all images
NAMED = 20  # unreadable images in a note
BATCH_BYTES = 4 << 20


@dataclass(frozen=True)
class Pictures:
    """What came of a dataset's image files. `framed`: some had to be cut or scaled."""

    pools: dict[str, Pool]
    shape: Shape
    framed: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """One image file. `name` is its path below the dataset, for one in a zip the zip's and its
    path in there."""

    name: str
    label: int
    file: Path
    archive: Archive | None = None
    member: str = ""

    def read(self) -> bytes:
        """Raises Unreadable."""
        try:
            if self.archive is None:
                self._check(self.file.stat().st_size)
                return self.file.read_bytes()
            self._check(self.archive.size(self.member))
            return self.archive.read(self.member)
        except BROKEN as error:
            raise Unreadable(f"damaged: {error or type(error).__name__}") from error

    def header(self) -> Header:
        """Raises Unreadable."""
        try:
            if self.archive is None:
                with self.file.open("rb") as stream:
                    return read_header(stream)
            with self.archive.open(self.member) as stream:
                return read_header(stream)
        except BROKEN as error:
            raise Unreadable(f"damaged: {error or type(error).__name__}") from error

    @staticmethod
    def _check(size: int) -> None:
        if not size:
            raise Unreadable("empty")
        if size > LARGEST_FILE:
            raise Unreadable(f"larger than {LARGEST_FILE >> 20} MiB")


@dataclass
class _Listing:
    """The pictures by role; what is passed over is counted."""

    pictures: dict[str, list[_Picture]] = field(default_factory=lambda: {r: [] for r in ROLES})
    others: list[str] = field(default_factory=list)  # files in zips that are no images
    homeless: list[str] = field(default_factory=list)  # images in zips that lie in no folder

    @property
    def count(self) -> int:
        return sum(map(len, self.pictures.values()))

    def all(self) -> Iterator[_Picture]:
        for role in ROLES:
            yield from self.pictures[role]

    def notes(self) -> Iterator[str]:
        for names, one, several in (
            (
                self.others,
                "file in zips is no image and is passed over",
                "files in zips are no images and are passed over",
            ),
            (
                self.homeless,
                "image in zips lies in no class' folder and is left out",
                "images in zips lie in no class' folder and are left out",
            ),
        ):
            if names:
                yield f"{counted(len(names), one, several)}: {some(names)}"


def read_pictures(
    version: DatasetVersion,
    folder: Path,
    scratch: Path,
    *,
    preset_side: Callable[[], int],
    budget: int,
    check: Callable[[], None],
) -> Pictures:
    """Reads every image of `version` below `folder`.

    More than `budget` bytes of pixels lie on disk, in `scratch`. `preset_side` is asked only where
    it decides; `check` is called now and then and may raise. Pictures that cannot be read are left
    out and named in a note. Raises BadData when they are more than a fifth, when an archive cannot
    be trusted, or a folder is no class of `version`.
    """
    with ExitStack() as archives:
        listing = _list(version, folder, archives)
        if not listing.count:
            raise BadData("there is no image in a class' folder")
        shape, sure = _decide(version, listing, preset_side, check)
        on_disk = scratch if listing.count * shape.values > budget else None
        reading = _Reading(shape, on_disk, check)
        pools = {role: reading.pool(listing.pictures[role]) for role in ROLES}
    if not sure and not reading.coloured:
        shape = Shape(shape.height, shape.width, 1)
        pools = {role: _grey(pool, shape, on_disk) for role, pool in pools.items()}
    notes = [*listing.notes(), *reading.notes(listing.count)]
    return Pictures(pools, shape, reading.framed, tuple(notes))


def _list(version: DatasetVersion, folder: Path, archives: ExitStack) -> _Listing:
    listing = _Listing()
    index = {label: i for i, label in enumerate(version.labels)}

    def label_of(label: str, path: str) -> int:
        if label not in index:
            raise BadData(
                f"{path} lies in the folder of a class {label!r}, which version.json does not list"
            )
        return index[label]

    for file in version.files:
        if file.path.lower().endswith(".zip"):
            archive = archives.enter_context(Archive(folder / file.path, file.path))
            _list_archive(file, folder, archive, listing, label_of)
        elif file.role in ROLES and file.label is not None:
            picture = _Picture(file.path, label_of(file.label, file.path), folder / file.path)
            listing.pictures[file.role].append(picture)
    for pictures in listing.pictures.values():
        pictures.sort(key=lambda picture: picture.name)
    return listing


def _list_archive(
    file: SourceFile,
    folder: Path,
    archive: Archive,
    listing: _Listing,
    label_of: Callable[[str, str], int],
) -> None:
    left_out = set(file.left_out)  # by the check before the job, which said so
    for member in archive.members:
        name = f"{file.path}/{member}"
        if is_passed_over(member) or member in left_out:
            continue
        if not is_image(member):
            listing.others.append(name)
            continue
        place = place_of(member)
        if place is None:
            listing.homeless.append(name)
            continue
        role = place.role or (file.role if file.role in ROLES else "train")
        picture = _Picture(name, label_of(place.label, name), folder / file.path, archive, member)
        listing.pictures[role].append(picture)


def _decide(
    version: DatasetVersion,
    listing: _Listing,
    preset_side: Callable[[], int],
    check: Callable[[], None],
) -> tuple[Shape, bool]:
    """The shape, and whether its channels are sure: three may turn out to be all grey."""
    if version.given_shape is not None:
        return version.given_shape, True
    sizes: set[tuple[int, int]] = set()
    grey = True
    for header in mapped(_header, listing.all()):
        check()
        if header is not None:
            sizes.add((header.width, header.height))
            grey = grey and header.grey
    size = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    if min(size) >= SMALLEST_OWN_SIDE and max(size) <= LARGEST_OWN_SIDE:
        width, height = size
    else:
        width = height = preset_side()
    return Shape(height, width, 1 if grey else 3), grey


def _header(picture: _Picture) -> Header | None:
    try:
        return picture.header()
    except Unreadable:
        return None  # decoding says why


class _Reading:
    """Decodes pictures into pools and notes what it meets."""

    def __init__(self, shape: Shape, scratch: Path | None, check: Callable[[], None]) -> None:
        self._shape = shape
        self._scratch = scratch
        self._check = check
        self._batch = max(1, min(CHUNK, BATCH_BYTES // shape.values))
        self._unreadable: list[tuple[str, str]] = []  # name, reason
        self.coloured = False
        self.framed = False

    def pool(self, pictures: Sequence[_Picture]) -> Pool:
        """Those that can be read, in their order."""
        names = tuple(picture.name for picture in pictures)
        batch: list[Pixels] = []
        files: list[int] = []

        def add(pool: PoolBuilder) -> None:
            if batch:
                labels = np.array([pictures[file].label for file in files], np.int32)
                pool.add(np.stack(batch), labels, np.array(files, np.int32), 1)
                batch.clear()
                files.clear()

        with PoolBuilder(len(pictures), self._shape, self._scratch) as pool:
            for file, result in enumerate(mapped(self._read, pictures)):
                self._check()
                if isinstance(result, str):
                    self._unreadable.append((pictures[file].name, result))
                    continue
                pixels, exact = result
                self.framed = self.framed or not exact
                self.coloured = self.coloured or not is_grey(pixels)
                batch.append(pixels)
                files.append(file)
                if len(batch) == self._batch:
                    add(pool)
            add(pool)
            return pool.finish(names)

    def _read(self, picture: _Picture) -> tuple[Pixels, bool] | str:
        """The pixels and whether the picture had their size; or why there are none."""
        try:
            body = picture.read()
            header = read_header(io.BytesIO(body))
            exact = (header.width, header.height) == (self._shape.width, self._shape.height)
            return read_picture(body, self._shape), exact
        except Unreadable as error:
            return str(error)

    def notes(self, count: int) -> Iterator[str]:
        """Raises BadData when too many could not be read."""
        if not self._unreadable:
            return
        named = some([f"{name} ({reason})" for name, reason in self._unreadable], NAMED)
        failed = f"{len(self._unreadable):,} of {count:,} images could not be read"
        if len(self._unreadable) > MOST_UNREADABLE * count:
            raise BadData(
                f"{failed}, more than {MOST_UNREADABLE:.0%}: put them right or leave them out. "
                f"They are {named}"
            )
        yield f"{failed} and {'is' if len(self._unreadable) == 1 else 'are'} left out: {named}"


def _grey(pool: Pool, shape: Shape, scratch: Path | None) -> Pool:
    """The same rows with one channel of three that are equal."""
    names = pool.origins.files if pool.origins is not None else ()
    with PoolBuilder(len(pool.labels), shape, scratch) as grey:
        start = 0
        for pixels in pool.rows().chunks():
            rows = slice(start, start + len(pixels))
            files = pool.origins.file[rows] if pool.origins is not None else 0
            grey.add(np.ascontiguousarray(pixels[..., :1]), pool.labels[rows], files, 1)
            start = rows.stop
    if isinstance(pool.pixels, np.memmap) and pool.pixels.filename is not None:
        Path(pool.pixels.filename).unlink()
    return grey.finish(names)
