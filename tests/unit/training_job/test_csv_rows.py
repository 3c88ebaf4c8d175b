"""CSV files as people have them, and what is said when they cannot be read."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from pigeonhole_training.data.csv_rows import read_rows
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
    (folder / name).write_bytes(content)
    file = SourceFile(name, len(content), "", "train", header, rows)
    return read_rows([file], folder, VERSION)


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
