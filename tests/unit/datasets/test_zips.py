"""Zips: what is in them is told by their directory; hostile ones are refused with the reason."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from chalicelib.datasets.preflight import zips
from chalicelib.datasets.preflight.heads import begins_as_image
from chalicelib.datasets.preflight.zips import Zip, look_into, read_csvs
from tests.unit.datasets.pictures import png, zipped
from tests.unit.datasets.world import csv, good, row


def look(body: bytes) -> Zip:
    return look_into("a.zip", io.BytesIO(body), len(body))


def reasons(body: bytes) -> str:
    return "\n".join(str(problem) for problem in look(body).problems)


def test_csvs_images_and_the_rest_are_told_apart_and_junk_is_passed_over() -> None:
    found = look(
        zipped(
            {
                "rows/a.csv": good(),
                "./train//cat/1.PNG": png(),
                "t10k-images-idx3-ubyte": b"x",
                "__MACOSX/rows/._a.csv": b"x",
                "rows/.DS_Store": b"x",
                "rows/Thumbs.db": b"x",
                "empty/": b"",
                "./": b"",  # as `bsdtar` packs a folder from inside
                "./train/": b"",
            }
        )
    )
    assert found.problems == []
    assert list(found.csvs) == ["rows/a.csv"]
    assert list(found.images) == ["train/cat/1.PNG"]
    assert found.others == ["t10k-images-idx3-ubyte"]


def test_names_in_utf_8_are_read_where_the_zip_does_not_say_so() -> None:
    body = zipped({"Röcke/1.png": png(), "靴/größe.csv": csv(row(0), row(1))})
    for unflagged in (body, _without_flag(body)):
        found = look(unflagged)
        assert (list(found.images), list(found.csvs)) == (["Röcke/1.png"], ["靴/größe.csv"])
        [rows] = read_csvs(found, io.BytesIO(unflagged), None)
        assert (rows.rows, rows.problems) == (2, [])
    old = zipped({"RXcke/1.png": png()}).replace(b"RXcke", b"R\x94cke")  # in code page 437
    assert list(look(old).images) == ["Röcke/1.png"]


def _without_flag(body: bytes) -> bytes:
    """As macOS and Info-ZIP write it: the flag is in bytes 6 and 8 of the two headers."""
    out = bytearray(body)
    for magic, offset in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        at = out.find(magic)
        while at >= 0:
            out[at + offset] &= ~0x08
            at = out.find(magic, at + 4)
    return bytes(out)


def test_every_csv_is_read_with_its_own_header_and_problems() -> None:
    header = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
    body = zipped({"b_test.csv": csv(header, row(3)), "a.csv": good(), "c.csv": csv("0,x", "1,x")})
    file = io.BytesIO(body)
    a, b, c = read_csvs(look_into("x.zip", file, len(body)), file, None)
    assert (a.name, a.header, a.rows) == ("x.zip/a.csv", False, 4)
    assert (b.name, b.header, b.rows) == ("x.zip/b_test.csv", True, 1)
    assert (c.name, c.bad[0].line) == ("x.zip/c.csv", 2)


@pytest.mark.parametrize(
    "path",
    ["../a.csv", "x/../../a.csv", "/etc/a.csv", "C:/a.csv", "x\\..\\a.csv", "../", "a/../../"],
)
def test_a_path_that_leads_out_refuses_the_zip(path: str) -> None:
    assert "nothing of the zip is read" in reasons(zipped({path: good(), "b.csv": good()}))


def patched(body: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """The zip with its first central directory entry changed (APPNOTE 4.3.12)."""
    changed = bytearray(body)
    change(changed, body.index(b"PK\x01\x02"))
    return bytes(changed)


def put(offset: int, layout: str, value: int) -> Callable[[bytearray, int], None]:
    return lambda body, start: struct.pack_into(layout, body, start + offset, value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put(8, "<H", 1), "encrypted"),
        (put(10, "<H", 9), "method 9"),
        (put(24, "<I", 2**31), "times its size"),
        (put(20, "<I", 2**30), "overlap"),
        (put(42, "<I", 2**30), "points to places outside of it"),
    ],
)
def test_what_its_directory_says_may_refuse_the_zip(
    change: Callable[[bytearray, int], None], reason: str
) -> None:
    assert reason in reasons(patched(zipped({"a.csv": good()}), change))


def test_an_image_too_large_for_memory_is_refused() -> None:
    body = patched(zipped({"cat/a.png": png()}), put(24, "<I", zips.LARGEST_IMAGE + 1))
    assert "'cat/a.png' has 67,108,865 bytes" in reasons(body)


def test_the_same_path_twice_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cat/a.png", png(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("cat/a.png", png(2))
    assert "'cat/a.png' more than once" in reasons(out.getvalue())
    assert "'cat/a.png' more than once" in reasons(zipped({"cat/a.png": b"", "cat//a.png": b""}))


@pytest.mark.parametrize("body", [b"", b"no zip", zipped({"a.csv": good()})[:-30]])
def test_what_is_no_zip_is_refused(body: bytes) -> None:
    assert "the compressed file is broken" in reasons(body)


def test_twenty_problems_are_enough() -> None:
    assert len(look(zipped({f"../{i}.csv": b"" for i in range(100)})).problems) == 20


def test_a_directory_larger_than_the_bound_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "LARGEST_DIRECTORY", 10_000)
    assert look(zipped({f"{i}.csv": b"" for i in range(100)})).problems == []
    assert "directory is larger" in reasons(zipped({f"{i}.csv": b"" for i in range(1000)}))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_head_of_a_member_is_told_from_a_few_stored_bytes(method: int) -> None:
    big = png() + bytes(range(256)) * 1000
    body = zipped({"a.csv": good(), "cat/ä.png": big, "cat/b.png": b"<html>"}, method)
    found = look(body)

    def head(path: str) -> bytes:
        info = found.images[path]
        return zips.head_of(info, body[info.header_offset :][:4096], 16)

    assert head("cat/ä.png") == big[:16]
    assert begins_as_image(head("cat/ä.png"))
    assert head("cat/b.png") == b"<html>"
    assert zips.head_of(found.images["cat/b.png"], b"rubbish" * 10, 16) == b""


def test_reading_a_zip_takes_memory_that_does_not_grow_with_its_rows() -> None:
    def peak(rows: int) -> int:
        file = io.BytesIO(zipped({"a.csv": (row(1, 128, pixels=784) + "\n").encode() * rows}))
        tracemalloc.start()
        try:
            [found] = read_csvs(look_into("a.zip", file, len(file.getvalue())), file, None)
            assert found.rows == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(1000) < peak(200) + 50_000  # bytes; the bigger one unpacks to 3 MB
