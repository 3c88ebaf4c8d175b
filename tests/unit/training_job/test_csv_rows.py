"""CSV files as people have them, and what is said when they cannot be read."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pigeonhole_training.data import csv_text
from pigeonhole_training.data.csv_rows import read_rows
from pigeonhole_training.data.reading import read_dataset
from pigeonhole_training.data.rows import Pool
from pigeonhole_training.data.version import DatasetVersion, Shape, SourceFile
from pigeonhole_training.errors import BadData, DataChanged

SHAPE = Shape(height=1, width=2, channels=2)
VERSION = DatasetVersion("d", "v" * 64, (), SHAPE, ("no", "yes, and"), ("0", "b"))
TWO_ROWS = b"0,1,2,3,4\nb,5,6,7,255\n"


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(
    folder: Path, content: bytes, name: str = "a.csv", header: bool = False, rows: int | None = None
) -> Pool:
    return read_as(folder, content, SourceFile(name, len(content), "", "train", header, rows))


def read_as(
    folder: Path, content: bytes, file: SourceFile, version: DatasetVersion = VERSION
) -> Pool:
    (folder / file.path).write_bytes(content)
    return read_rows([file], folder, version)


@pytest.mark.parametrize(
    ("name", "content", "header"),
    [
        ("plain.csv", TWO_ROWS, False),
        ("header.csv", b"label,a,b,c,d\n" + TWO_ROWS, True),
        ("packed.csv.gz", gzip.compress(TWO_ROWS), False),
        ("two-members.csv.gz", gzip.compress(TWO_ROWS[:10]) + gzip.compress(TWO_ROWS[10:]), False),
        ("zipped.csv.zip", zipped({"x/a.csv": TWO_ROWS, "__MACOSX/._a.csv": b"\0"}), False),
        ("many.csv.zip", zipped({"b.csv": TWO_ROWS[10:], "a.csv": TWO_ROWS[:10]}), False),
        ("windows.csv", TWO_ROWS.replace(b"\n", b"\r\n"), False),
        ("no-last-line-feed.csv", TWO_ROWS.rstrip(), False),
        ("byte-order-mark.csv", b"\xef\xbb\xbf" + TWO_ROWS, False),
        ("blank-lines.csv", TWO_ROWS[:10] + b"\n" + TWO_ROWS[10:] + b"\n\n", False),
        ("spaces.csv", TWO_ROWS.replace(b"0,1", b" 0 , 1"), False),
        ("quotes.csv", b'"0","1","2","3","4"\n"b",5,6,7,255\n', False),
    ],
)
def test_rows_arrive_whole_and_in_order(
    tmp_path: Path, name: str, content: bytes, header: bool
) -> None:
    rows = read(tmp_path, content, name, header, rows=2)
    assert rows.labels.tolist() == [0, 1]
    # (N, H, W, C): the channels of a pixel lie together
    assert rows.pixels.tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, 255]]]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"0,1,2,3,4\nb,5,6,7\n", "row 2: 4 fields instead of a label and 4 values"),
        (b"0,1,2,3,4,5\n", "row 1: 6 fields"),
        (TWO_ROWS + b"0,1,2,3,256\n", "row 3, column 5: '256' is not a whole number from 0 to 255"),
        (b"0,1,2,3,-1\n", "column 5: '-1' is not"),
        (b"0,1,2,3,1.5\n", "column 5: '1.5' is not"),
        (b"0,1,2,3,x\n", "column 5: 'x' is not"),
        (b"\n0,1,2,3,4\n\n0,1,,3,4\n", "row 2, column 3: an empty field"),
        (TWO_ROWS + b"0,1,nan,3,4\n", "row 3, column 3: 'nan', a missing value"),
        (b"0,1,2,3,inf\n", "column 5: 'inf' is not"),
        (TWO_ROWS + b"7,1,2,3,4\n", "row 3 has the label '7'"),
        (b",1,2,3,4\n", "row 1: the label is empty"),
    ],
)
def test_what_is_no_row_is_refused_with_file_and_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(BadData, match=reason) as caught:
        read(tmp_path, content)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_zip_that_is_none_or_has_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="not a zip"):
        read(tmp_path, b"PK", "a.csv.zip")
    with pytest.raises(BadData, match=r"no \.csv"):
        read(tmp_path, zipped({"a.txt": b""}), "b.csv.zip")


def test_another_number_of_rows_than_promised_is_changed_data(tmp_path: Path) -> None:
    with pytest.raises(DataChanged, match="2 rows instead of 3"):
        read(tmp_path, TWO_ROWS, rows=3)


@pytest.mark.parametrize(
    ("column", "content"),
    [(2, b"a,b,label,c,d\n1,2,0,3,4\n5,6,b,7,255\n"), (4, b"a,b,c,d,y\n1,2,3,4,0\n5,6,7,255,b\n")],
)
def test_the_label_may_stand_in_any_column(tmp_path: Path, column: int, content: bytes) -> None:
    rows = read_as(tmp_path, content, SourceFile("a.csv", 1, "", "train", True, 2, column))
    assert rows.labels.tolist() == [0, 1]
    assert rows.pixels.reshape(2, -1).tolist() == [[1, 2, 3, 4], [5, 6, 7, 255]]


@pytest.mark.parametrize("column", [0, 1, 4])
def test_labels_that_are_numbers_may_stand_in_any_column(tmp_path: Path, column: int) -> None:
    numbered = replace(VERSION, labels=("7", "200"))
    rows = [[1, 2, 3, 4], [5, 6, 7, 255]]
    content = b""
    for label, values in zip((200, 7), rows, strict=True):
        content += ",".join(map(str, [*values[:column], label, *values[column:]])).encode() + b"\n"
    file = SourceFile("a.csv", 1, "", "train", rows=2, label_column=column)
    read = read_as(tmp_path, content, file, numbered)
    assert read.labels.tolist() == [1, 0]
    assert read.pixels.reshape(2, -1).tolist() == rows
    with pytest.raises(BadData, match=r"row 3 has the label '9'"):
        read_as(tmp_path, content + b"9,9,9,9,9\n", replace(file, rows=None), numbered)


def test_values_from_0_to_1_become_the_nearest_of_256(tmp_path: Path) -> None:
    unit = replace(VERSION, value_range=(0, 1))
    file = SourceFile("a.csv", 1, "", "train")
    written = [f"{value / 255:.4f}" for value in range(256)] + ["0", "1", "1.0", "2.5e-1"]
    lines = [",".join(["0", *written[i : i + 4]]) for i in range(0, len(written), 4)]
    rows = read_as(tmp_path, "\n".join(lines).encode(), file, unit)
    assert rows.pixels.ravel().tolist() == [*range(256), 0, 255, 255, 64]
    for bad in (b"0,0,0,0,1.01\n", b"0,0,0,0,-0.1\n", b"0,0,0,0,NaN\n", b"0,0,0,0,inf\n"):
        with pytest.raises(BadData, match=r"a\.csv, row 2, column 5.*a number from 0 to 1"):
            read_as(tmp_path, b"0,0,0,0,1\n" + bad, file, unit)


def test_quotes_may_be_part_of_a_label(tmp_path: Path) -> None:
    content = b'5",1,2,3,4\n"5",1,2,3,4\n"5""",1,2,3,4\n'
    version = replace(VERSION, labels=("5", '5"'))
    rows = read_as(tmp_path, content, SourceFile("a.csv", 1, None, "train", rows=3), version)
    assert rows.labels.tolist() == [1, 0, 1]


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    rows = read(tmp_path, TWO_ROWS + b"0,1.0,2.0,3.0,255.0\n")
    assert rows.pixels[2].ravel().tolist() == [1, 2, 3, 255]


@pytest.mark.parametrize("member", ["x/b.csv", "./x//b.csv"])
def test_one_csv_of_a_zip_is_read_by_its_name(tmp_path: Path, member: str) -> None:
    content = zipped({"x/a.csv": b"0,9,9,9,9\n", "./x//b.csv": TWO_ROWS})
    file = SourceFile("d.zip", 1, "", "train", rows=2, member=member)
    rows = read_as(tmp_path, content, file)
    assert rows.labels.tolist() == [0, 1]
    assert rows.origins is not None
    assert rows.origins[1] == f"d.zip/{member}, row 2"
    with pytest.raises(DataChanged, match=r"c\.csv is no longer there"):
        read_as(tmp_path, content, replace(file, member="c.csv"))


@pytest.mark.parametrize("header", [False, True])
def test_blocks_end_with_lines_wherever_they_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bool
) -> None:
    names = b"label,a,b,c,d\n" if header else b""
    content = names + b"".join(f"{'0b'[i % 2]},{i},0,1,2\n".encode() for i in range(200))
    for size in (15, 64, 1000):
        monkeypatch.setattr(csv_text, "BLOCK", size)
        rows = read(tmp_path, content, header=header, rows=200)
        assert rows.pixels[:, 0, 0, 0].tolist() == list(range(200))
        assert rows.origins is not None
        assert rows.origins.line.tolist() == list(range(1, 201))
        with pytest.raises(BadData, match=r"a\.csv, row 201, column 2: 'x'"):
            read(tmp_path, content + b"0,x,1,1,1\n", header=header)


def test_what_cannot_be_unpacked_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(TWO_ROWS * 1000)
    damaged = packed[:50] + b"XXXX" + packed[54:]
    for content in (packed[:-20], damaged, b"no gzip at all"):
        with pytest.raises(BadData, match=r"^a\.csv\.gz cannot be unpacked: "):
            read(tmp_path, content, "a.csv.gz")


def test_more_rows_than_promised_are_changed_data(tmp_path: Path) -> None:
    with pytest.raises(DataChanged, match="more rows than the 1 promised"):
        read(tmp_path, TWO_ROWS, rows=1)


# Rows that were set aside before the job

NUMBERED = replace(VERSION, labels=("0", "1"))


def set_aside_file(content: bytes, *rows: int, name: str = "a.csv", **members: Any) -> SourceFile:
    members = {"rows": 6, **members}
    return SourceFile(name, len(content), None, "train", set_aside=rows, **members)


STRANGE = ["0,0,0,0,0", "nan,1", "1,2,2,2,2", "\xff", "0,4,4,4,4", "1,5,5,5,5"]


@pytest.mark.parametrize(
    ("name", "lines", "rows"),
    [
        ("a.csv", ["0,0,0,0,0", "1,1,1", "1,2,2,2,2", "", "x,4,4,4,4", "0,5,5,5,5"], (1, 3, 4)),
        ("a.csv", ["bad", "0,1,1,1,1", "1,2,2,2,300", '"0,3', "1,4,4,4,4", "0,5,5,5,5"], (0, 2, 3)),
        ("a.csv", ["0,0,0,0,0", "1,1,1,1,1", "0,2,2,2,2", "0,3,3,3,3", "1,4", "a,b"], (4, 5)),
        ("a.csv.gz", STRANGE, (1, 3)),
        ("a.csv.zip", STRANGE, (1, 3)),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_that_were_set_aside_are_skipped_and_no_others(
    tmp_path: Path, name: str, lines: list[str], rows: tuple[int, ...], end: str
) -> None:
    content = end.join(["label,a,b,c,d", *lines, "", ""]).encode("latin-1")
    if name.endswith(".gz"):
        content = gzip.compress(content)
    elif name.endswith(".zip"):
        content = zipped({"in/a.csv": content})
    file = set_aside_file(content, *rows, name=name, header=True)
    kept = [index for index in range(6) if index not in rows]
    for block in (csv_text.BLOCK, 12):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_text, "BLOCK", block)
            pool = read_as(tmp_path, content, file, NUMBERED)
        assert pool.pixels.reshape(-1, 4)[:, 0].tolist() == kept
        assert pool.labels.tolist() == [int(lines[index][0]) for index in kept]
        assert pool.origins is not None
        assert pool.origins.line.tolist() == [index + 1 for index in kept]


def test_a_bad_row_that_was_not_set_aside_fails_with_its_own_number(tmp_path: Path) -> None:
    content = b"0,0,0,0,0\n1,1\n0,2,2,2,2\n0,3\n1,4,4,4,4\n0,5,5,5,5\n"
    with pytest.raises(BadData, match=r"a\.csv, row 4: 2 fields"):
        read_as(tmp_path, content, set_aside_file(content, 1), NUMBERED)


@pytest.mark.parametrize(("rows", "set_aside"), [(7, (1,)), (5, (1,)), (6, (1, 6))])
def test_another_number_of_rows_than_were_checked_is_changed_data(
    tmp_path: Path, rows: int, set_aside: tuple[int, ...]
) -> None:
    content = b"0,0,0,0,0\n1,1\n0,2,2,2,2\n0,3,3,3,3\n1,4,4,4,4\n0,5,5,5,5\n"
    with pytest.raises(DataChanged, match="rows"):
        read_as(tmp_path, content, set_aside_file(content, *set_aside, rows=rows), NUMBERED)


def test_what_was_set_aside_is_told(tmp_path: Path) -> None:
    content = b"0,0,0,0,0\n1,1\n0,2,2,2,2\n0,3,3,3,3\n1,4,4,4,4\n0,5,5,5,5\n"
    (tmp_path / "a.csv").write_bytes(content)
    version = replace(NUMBERED, files=(set_aside_file(content, 1),))
    dataset = read_dataset(version, tmp_path, tmp_path, lambda: 28)
    assert len(dataset.train.labels) == 5
    assert dataset.notes == (
        "Left out of all files, as the check before the job found them bad: 1 row of a.csv",
    )
