"""Whole datasets by the one entry: folders and zips of images, and rows that lie on disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.data.reading import Dataset, read_dataset
from pigeonhole_training.data.rows import digests_of
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
from pigeonhole_training.errors import BadData
from PIL import Image

CLASSES = ("cat", "dog")
SIZE = (12, 9)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def picture(seed: int, size: tuple[int, int] = SIZE, mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return encoded(Image.fromarray(noise).convert(mode))


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Folder:
    """A channel with image files, and the version that tells of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[SourceFile] = []

    def put(self, path: str, content: bytes, role: str, label: str | None = None) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)
        self.files.append(SourceFile(path, len(content), None, role, label=label))

    def images(self, contents: Sequence[bytes], role: str = "train") -> None:
        for i, content in enumerate(contents):
            label = CLASSES[i % 2]
            self.put(f"{role}/{label}/{i:03}.png", content, role, label)

    def read(self, shape: Shape | None = None, side: int = 8, budget: int | None = None) -> Dataset:
        version = DatasetVersion(
            "d", "v", tuple(self.files), shape, CLASSES, CLASSES, kind="images"
        )
        scratch = self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        return read_dataset(version, self.root, scratch, lambda: side, budget=budget)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_folders_and_zips_become_rows_by_role_and_class(folder: Folder) -> None:
    contents = [picture(i) for i in range(4)]
    folder.images(contents[:2])
    folder.put(
        "a.zip", zipped({"x/test/dog/1.png": contents[2], "cat/2.png": contents[3]}), "archive"
    )
    folder.put("val.zip", zipped({"dog/1.png": contents[1]}), "validation")
    data = folder.read()
    assert data.shape == Shape(9, 12, 3)
    assert not data.framed
    assert data.notes == ()
    origins = [[pool.origins[i] for i in range(len(pool.labels))] for pool in pools(data)]  # type: ignore[index]
    assert origins == [
        ["a.zip/cat/2.png", "train/cat/000.png", "train/dog/001.png"],
        ["a.zip/x/test/dog/1.png"],
        ["val.zip/dog/1.png"],
    ]
    assert [pool.labels.tolist() for pool in pools(data)] == [[0, 0, 1], [1], [1]]
    expected = np.asarray(Image.open(io.BytesIO(contents[2])))
    assert (data.test.pixels[0] == expected).all()
    for pool in pools(data):
        assert (pool.digests == digests_of(pool.pixels)).all()


def pools(data: Dataset) -> list:
    return [data.train, data.test, data.validation]


@pytest.mark.parametrize(
    ("sizes", "given", "shape"),
    [
        ([(12, 9)] * 3, None, Shape(9, 12, 3)),
        ([(12, 9), (9, 12), (12, 9)], None, Shape(8, 8, 3)),  # the preset's
        ([(300, 300)] * 2, None, Shape(8, 8, 3)),  # too large to be taken as they are
        ([(20, 7)] * 2, None, Shape(8, 8, 3)),  # too small
        ([(12, 9)] * 2, Shape(5, 6, 1), Shape(5, 6, 1)),  # as dataset.json says
    ],
)
def test_the_shape_is_the_given_one_else_the_common_one_else_the_presets(
    folder: Folder, sizes: list[tuple[int, int]], given: Shape | None, shape: Shape
) -> None:
    folder.images([picture(i, size) for i, size in enumerate(sizes)])
    data = folder.read(given)
    assert data.shape == shape
    assert data.train.pixels.shape == (len(sizes), shape.height, shape.width, shape.channels)
    assert data.framed == (shape != Shape(9, 12, 3))


@pytest.mark.parametrize("budget", [None, 0])
@pytest.mark.parametrize(
    ("modes", "channels"),
    [
        (["L", "L", "1"], 1),
        (["L", "grey in colours", "P"], 1),
        (["L", "grey in colours", "RGB"], 3),
    ],
)
def test_one_channel_when_every_picture_is_grey_however_it_is_saved(
    folder: Folder, modes: list[str], channels: int, budget: int | None
) -> None:
    contents = []
    for i, mode in enumerate(modes):
        noise = Image.open(io.BytesIO(picture(i, mode="L")))
        contents.append(
            picture(i)
            if mode == "RGB"
            else encoded(noise.convert("RGB" if mode == "grey in colours" else mode))
        )
    folder.images(contents)
    data = folder.read(budget=budget)
    assert data.shape == Shape(9, 12, channels)
    assert data.train.labels.tolist() == [0, 0, 1]
    first = np.asarray(Image.open(io.BytesIO(contents[0])))
    assert (data.train.pixels[0, :, :, 0] == first).all()
    assert (data.train.digests == digests_of(data.train.pixels)).all()
    left = list((folder.root / "scratch").iterdir())
    assert len(left) == (0 if budget is None else 1)


def test_what_lies_on_disk_is_what_would_lie_in_memory(folder: Folder) -> None:
    folder.images([picture(i) for i in range(40)])
    folder.images([picture(100)], "test")
    here, there = folder.read(), folder.read(budget=0)
    assert isinstance(there.train.pixels, np.memmap)
    assert not isinstance(here.train.pixels, np.memmap)
    for a, b in zip(pools(here), pools(there), strict=True):
        assert (a.pixels == b.pixels).all()
        assert a.labels.tolist() == b.labels.tolist()
        assert a.digests.tolist() == b.digests.tolist()
    some = np.array([5, 3, 30, 3])
    assert (there.train.rows().take(some) == here.train.rows().take(some)).all()


def test_a_tenth_that_cannot_be_read_is_left_out_and_named(folder: Folder) -> None:
    contents = [picture(i) for i in range(20)]
    contents[3], contents[4] = contents[3][:-50], b""
    folder.images(contents)
    data = folder.read()
    assert len(data.train.labels) == 18
    assert data.notes == (
        "2 of 20 images could not be read and are left out: "
        "train/cat/004.png (empty), train/dog/003.png (truncated)",
    )
    assert data.train.origins is not None
    assert [data.train.origins[i] for i in (1, 2, 9)] == [
        "train/cat/002.png",
        "train/cat/006.png",
        "train/dog/001.png",
    ]


def test_images_that_were_set_aside_are_not_asked_for(folder: Folder) -> None:
    members = {f"x/{CLASSES[i % 2]}/{i}.png": picture(i) for i in range(6)}
    members |= {"x/dog/7.png": b"<html>", "./x//dog/8.png": b""}
    folder.put("a.zip", zipped(members), "archive")
    [file] = folder.files
    folder.files = [replace(file, left_out=("x/dog/7.png", "x/dog/8.png", "x/cat/2.png"))]
    data = folder.read()
    assert (len(data.train.labels), data.notes) == (5, ())
    assert data.train.origins is not None
    assert "a.zip/x/cat/2.png" not in data.train.origins.files


def test_more_than_a_fifth_that_cannot_be_read_end_the_job(folder: Folder) -> None:
    folder.images([picture(i) if i % 4 else b"no picture" for i in range(100)])
    with pytest.raises(
        BadData, match="25 of 100 images could not be read, more than 20%"
    ) as caught:
        folder.read()
    assert "train/cat/000.png (not an image)" in str(caught.value)
    assert str(caught.value).endswith("and 5 more")


def test_leftovers_in_zips_are_passed_over_with_a_note(folder: Folder) -> None:
    members = {f"train/{CLASSES[i % 2]}/{i}.png": picture(i) for i in range(4)}
    extra = {"README.txt": b"", "cover.png": picture(9), "__MACOSX/train/cat/._0.png": b"x"}
    folder.put("a.zip", zipped(members | extra), "archive")
    data = folder.read()
    assert len(data.train.labels) == 4
    assert data.notes == (
        "1 file in zips is no image and is passed over: a.zip/README.txt",
        "1 image in zips lies in no class' folder and is left out: a.zip/cover.png",
    )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"train/wolf/1.png": b""}, "a.zip/train/wolf/1.png .* class 'wolf'.*does not list"),
        ({"train/cat/1.png": b"", "../1.png": b""}, "leads out of the archive"),
        ({"notes.txt": b""}, "no image in a class' folder"),
    ],
)
def test_zips_that_cannot_be_used_are_a_clear_reason(
    folder: Folder, members: dict[str, bytes], reason: str
) -> None:
    folder.put("a.zip", zipped(members), "archive")
    with pytest.raises(BadData, match=reason):
        folder.read()


def test_reading_ends_when_the_job_is_to_stop(folder: Folder) -> None:
    folder.images([picture(i) for i in range(4)])

    def stop() -> None:
        raise KeyboardInterrupt

    version = DatasetVersion("d", "v", tuple(folder.files), None, CLASSES, CLASSES, kind="images")
    with pytest.raises(KeyboardInterrupt):
        read_dataset(version, folder.root, folder.root, lambda: 8, check=stop)


def test_a_disk_without_room_says_what_is_needed(folder: Folder) -> None:
    folder.images([picture(i) for i in range(4)])
    with pytest.raises(BadData, match=r"take 32768\.0 GiB .* larger volume"):
        folder.read(Shape(2**20, 2**23, 1), budget=0)
