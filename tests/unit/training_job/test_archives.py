"""Zips that are meant badly, or are none; and what the paths in good ones say."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from pigeonhole_training.data import archives
from pigeonhole_training.data.archives import BROKEN, Archive
from pigeonhole_training.data.folders import is_image, place_of
from pigeonhole_training.errors import BadData

# held by the check in chalicelib too
PATHS = json.loads((Path(__file__).parents[2] / "image_paths.json").read_text())


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "C:\\x.png", "c:x.png"]
)
def test_a_path_that_leads_out_refuses_the_archive(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", {"train/cat/1.png": b"1", name: b"2"})
    with pytest.raises(BadData, match=r"^photos/a\.zip holds .*leads out"):
        Archive(path, "photos/a.zip")


def test_a_bomb_is_refused_by_what_it_says_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_UNASKED", 1 << 20)
    path = zipped(tmp_path / "a.zip", {"a.bmp": bytes(2 << 20)})
    with pytest.raises(BadData, match=r"to 2,097,152, more than 200 times"):
        Archive(path, "a.zip")
    with Archive(zipped(path, {"a.bmp": bytes(1 << 19)}), "a.zip") as archive:
        assert archive.members == ["a.bmp"]


def test_names_in_utf_8_are_read_where_the_zip_does_not_say_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"Röcke/1.png": b"1"})
    content = bytearray(path.read_bytes())
    content[7] &= ~0x08  # as macOS and Info-ZIP write it
    content[content.index(b"PK\x01\x02") + 9] &= ~0x08
    path.write_bytes(content)
    with Archive(path, "a.zip") as archive:
        assert (archive.members, archive.read("Röcke/1.png")) == (["Röcke/1.png"], b"1")


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": b"1" * 100}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 20 : entry + 24] = (10_000).to_bytes(4, "little")  # its packed size
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"a\.zip holds files that overlap"):
        Archive(path, "a.zip")


def test_a_password_and_what_is_no_zip_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"a\.zip has a password"):
        Archive(path, "a.zip")
    path.write_bytes(b"PK")
    with pytest.raises(BadData, match=r"a\.zip is not a zip archive"):
        Archive(path, "a.zip")


def test_no_more_comes_out_than_the_directory_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(1000)})
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")  # its unpacked size
    path.write_bytes(content)
    with Archive(path, "a.zip") as archive, pytest.raises(BROKEN):
        archive.read("a.png")


def test_members_are_sorted_and_read_without_touching_the_disk(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"./b.png": b"B", "a/": b"", "a//1.png": b"A"})
    with Archive(path, "a.zip") as archive:
        assert archive.members == ["a/1.png", "b.png"]
        assert archive.read("b.png") == b"B"
        assert isinstance(archive.open("a/1.png"), io.IOBase)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("vector", PATHS["places"], ids=lambda vector: vector["path"])
def test_a_path_says_role_and_class(vector: dict[str, str | None]) -> None:
    place = place_of(str(vector["path"]))
    found = (None, None) if place is None else (place.role or "train", place.label)
    assert found == (vector["role"], vector["label"])


def test_images_are_known_by_name_and_leftovers_passed_over() -> None:
    assert all(map(is_image, PATHS["images"]))
    assert not any(map(is_image, PATHS["no_images"]))
