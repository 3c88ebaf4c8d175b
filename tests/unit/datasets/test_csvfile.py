"""Every bad CSV is refused with line, column and reason; every good one is read as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc

import pytest

from chalicelib.datasets.preflight import csvfile
from chalicelib.datasets.preflight.csvfile import read_csv
from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.csvrows import settle_labels
from chalicelib.datasets.preflight.problem import Problem
from tests.unit.datasets.world import csv, good, row


def read(body: bytes, name: str = "a.csv") -> CsvFile:
    return read_csv(name, io.BytesIO(body))


def first_trouble(found: CsvFile) -> Problem:
    """What is wrong with the file, or with its first bad row."""
    settle_labels(found)
    rows = [Problem(found.name, bad.reason, bad.line, bad.column) for bad in found.bad]
    return [*found.problems, *rows][0]


HEADER = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
KAGGLE = ",".join(["label", *[f"{y}x{x}" for y in range(8) for x in range(8)]])
PIXELS = HEADER.removeprefix("label,")
INDEXED = ",".join(["", HEADER])
VALUES = ",".join(["0"] * 64)
PANDAS = ",".join(["label", *[str(i) for i in range(64)]])


@pytest.mark.parametrize("header", [HEADER, KAGGLE, PANDAS, '"' + HEADER.replace(",", '","') + '"'])
def test_headers_are_known(header: str) -> None:
    found = read(csv(header, row(3), row(4)))
    assert (found.header, found.rows, found.pixels) == (True, 2, 64)
    assert found.labels == {"3": 2, "4": 3}
    assert found.problems == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (good(), "a.csv"),
        (good().replace(b"\n", b"\r\n"), "a.csv"),
        (b"\xef\xbb\xbf" + good(), "a.csv"),
        (good().rstrip(b"\n"), "a.csv"),
        (good() + b"\n\n", "a.csv"),
        (gzip.compress(good()), "a.csv.gz"),
        (gzip.compress(good()[:300]) + gzip.compress(good()[300:]), "A.CSV.GZ"),
        (good().replace(b"255", b'"255"').replace(b"0,", b'"0",', 1), "a.csv"),
    ],
)
def test_good_files_are_read_whole(body: bytes, name: str) -> None:
    found = read(body, name)
    assert found.problems == []
    assert (found.rows, found.pixels, list(found.labels), found.header) == (
        4,
        64,
        ["0", "1"],
        False,
    )
    assert (found.sha256, found.size) == (hashlib.sha256(body).hexdigest(), len(body))


@pytest.mark.parametrize(
    ("header", "line", "column"),
    [
        (HEADER, row(3), 0),
        (f"{PIXELS},label", f"{VALUES},3", 64),
        (f"{PIXELS},Class", f"{VALUES},3", 64),
        (f'{PIXELS},"target"', f"{VALUES},3", 64),
        (",".join([*map(str, range(64)), "label"]), f"{VALUES},3", 64),
        (f"a,b,label,{PIXELS[14:]}", f"0,0,3,{VALUES[4:]}", 2),
        (f"emotion,{PIXELS}", f"3,{VALUES}", 0),  # a name that says nothing: the first
    ],
)
def test_the_labels_column_is_the_one_that_the_header_names(
    header: str, line: str, column: int
) -> None:
    found = read(csv(header, line, line))
    assert (found.header, found.label_column, found.rows) == (True, column, 2)
    assert found.problems == []
    assert found.counts == {"3": 2}


def test_the_labels_column_may_be_named_by_the_settings() -> None:
    body = csv(f"label,{PIXELS[7:]},emotion", f"{VALUES},3")
    assert read_csv("a.csv", io.BytesIO(body), "emotion").label_column == 64
    assert read_csv("a.csv", io.BytesIO(body), "emotion").labels == {"3": 2}
    [problem] = read_csv("a.csv", io.BytesIO(body), "mood").problems
    assert "'mood'; the header has no such, but label" in problem.reason
    latin = csv("größe,a,b").decode().encode("latin-1") + csv("1,2,3")
    [problem] = read_csv("a.csv", io.BytesIO(latin), "größe").problems
    assert "but gr\ufffd\ufffde, a, b" in problem.reason
    [problem] = read_csv("a.csv", io.BytesIO(good()), "mood").problems
    assert "the file has no header" in problem.reason


@pytest.mark.parametrize(
    ("rows", "scale"),
    [
        ([row(0, 0), row(1, 255)], 255),
        ([row(0, 0), row(1, 2)], 255),
        ([row(0, 0), row(1, 1)], None),
        ([row(0, 0), row(1, 0.25)], 1),
        ([row(0, 0.25), row(1, 1), row(1, 0)], 1),
        ([f"0,{'1e-3,' * 62}.5,1.", row(1, "1.000000000000000000e+00")], 1),
        ([f"0,{'007,' * 63}255"], 255),
    ],
)
def test_values_are_whole_numbers_or_numbers_from_0_to_1(rows: list[str], scale: int) -> None:
    found = read(csv(*rows))
    assert (found.problems, found.scale, found.rows) == ([], scale, len(rows))


def test_a_first_row_of_decimals_is_no_header() -> None:
    assert read(csv(row(0, 0.5), row("1", 0.25))).header is False
    assert read(csv(row("cat", 0.5))).header is False


def test_rows_are_counted_by_class() -> None:
    assert read(csv(row("b"), row("a"), row("b"))).counts == {"b": 2, "a": 1}


def test_labels_may_be_words() -> None:
    assert list(read(csv(row("T-shirt/top"), row("Füße"))).labels) == ["T-shirt/top", "Füße"]


@pytest.mark.parametrize(
    ("body", "line", "column", "reason"),
    [
        (b"", None, None, "empty"),
        (csv(HEADER), None, None, "no rows"),
        (csv(row(0), "1,0,0"), 2, None, "2 pixels"),
        (csv(row(0), row(1) + ",0"), 2, None, "65 pixels"),
        (csv(row(0), row(1, pixels=63) + ",x"), 2, 65, "'x'"),
        (csv(row(0), row(1, pixels=63) + ","), 2, 65, "empty field"),
        (csv(row(0), row(1, 256)), 2, 2, "256 is out of 0 to 255"),
        (csv(row(0), row(1, pixels=63) + ",-1"), 2, 65, "'-1'"),
        (csv(row(0, 2), row(1, pixels=63) + ",1.0"), 2, 65, "'1.0' is not a whole number"),
        (csv(row(0, 2), row(1, pixels=63) + ",1.2e+01"), 2, 65, "write it without a point"),
        (csv(row(0, 2), row(1, pixels=63) + ",nan"), 2, 65, "'nan' is a missing value"),
        (csv(row(0), row(1, pixels=63) + ",NaN"), 2, 65, "'NaN' is a missing value"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",inf"), 2, 65, "'inf' is no pixel value"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",-Infinity"), 2, 65, "no pixel value"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",1.5"), 2, 65, "'1.5' is not a number from 0 to 1"),
        (csv(row(0, 0.5), row(1, 12)), 2, 2, "'12' is not a number from 0 to 1"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",-0.1"), 2, 65, "'-0.1' is not a number from 0"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",1e400"), 2, 65, "'1e400'"),
        (csv(row(0, 0.5), row(1, pixels=63) + ",0_1"), 2, 65, "'0_1'"),
        (csv(row(0, 0.5), row(1, pixels=63) + ","), 2, 65, "empty field"),
        (csv(row(0, 0.5), row(1, 0.5, pixels=63)), 2, None, "63 pixels"),
        (csv(row(0, pixels=62) + ",12,0.5"), 1, 65, "'0.5' in a row with whole numbers above 1"),
        (csv("emotion,pixels,Usage", "0,70 80 82,Training"), 2, 2, "3 values in one field"),
        (csv(INDEXED, "0," + row(1)), 1, 1, "index=False"),
        (csv(HEADER.replace("pixel5,", "class,"), row(0)), 1, 7, "both be the label"),
        (csv(f"{PIXELS},emotion", f"{VALUES},3"), 1, 1, "'pixel' with a number: say which it is"),
        (csv(KAGGLE.replace("label,", "") + ",y", f"{VALUES},3"), 1, 1, "names no column of"),
        (csv(row(0), row(1, pixels=63) + ",1_0"), 2, 65, "'1_0'"),
        (csv(row(0), row(1, pixels=63) + ",+5"), 2, 65, "'+5'"),
        (csv(row(0), row(1, pixels=63) + ", 5"), 2, 65, "take out the spaces"),
        (csv(row(0), row(1, pixels=63) + ",٣"), 2, 65, "'٣'"),
        (csv(row(0), row(1, pixels=63) + "," + "9" * 5000), 2, 65, "out of 0 to 255"),
        (csv(HEADER, row(0), HEADER), 3, 1, "header is repeated"),
        (csv(row(0), HEADER), 2, 2, "'pixel0'"),
        (csv(row(0), row("label")), 2, 1, "header in the middle"),
        (csv(row("Bag"), row(3)), 2, 1, "label '3'"),
        (csv(row(0), row("")), 2, 1, "label is empty"),
        (csv(row("Bag"), row("NaN")), 2, 1, "'NaN' is a missing value"),
        (csv(row("Bag"), row(" Bag")), 2, 1, "spaces"),
        (csv(row("Bag"), row("Ba\x00g")), 2, 1, "control characters"),
        (csv(row("Bag"), row("Ba\rg")), 2, 1, "control characters"),
        (csv(row("Bag"), row("B" * 101)), 2, 1, "longer than 100"),
        (csv(row("Bag")) + b"\xff" + row("x").encode(), 2, 1, "UTF-8"),
        (csv(row(0), "", row(1)), 2, None, "empty line"),
        (csv("0", "1"), 1, None, "no pixels"),
        (csv(row(0).replace(",", ";")), 1, None, "separated by ';': commas are taken"),
        (csv("label\tp1\tp2\tp3"), 1, None, "separated by '\\t'"),
        (gzip.compress(good()), None, None, "call it .csv.gz"),
        (good().decode().encode("utf-16"), None, None, "UTF-16: save it as UTF-8"),
        (b"PK\x03\x04rest", None, None, "call a zip .csv.zip"),
        (good().decode().encode("utf-16-le"), None, None, "UTF-16, or no text"),
        (b"version https://git-lfs.github.com/spec/v1\n", None, None, "`git lfs pull`"),
        (b"<!DOCTYPE html>\n<html>", None, None, "HTML or XML inside"),
        (b'{"rows": [[1, 2, 3]]}', None, None, "JSON inside"),
        (b"PAR1", None, None, "Parquet inside"),
        (b"sep=,\n" + good(), None, None, "for Excel alone: take it out"),
        (b"# rows of mine\n" + good(), None, None, "begins with a comment"),
        (good().replace(b"\n", b"\r"), None, None, "a carriage return alone"),
        (good().replace(b"\n", b"\r") * 9000, None, None, "a carriage return alone"),
        (csv(row(0), f"{row(1)}\r{row(0)}", row(1)), 2, 65, "a carriage return in it"),
        (csv(row(0, "0,5").replace(",", ";").replace(";5", ",5")), 1, None, "separated by ';'"),
        (csv("1,5", "2,6"), 1, None, "has 64. Is it a list"),
        (b"x" * (1 << 21), 1, None, "longer than 1,048,576 bytes"),
        (csv(*[row(i) for i in range(1002)]), 1001, 1, "more than 1,000"),
        (csv(row(0), '1,"' + "0," * 63 + "0"), 2, 2, "'\"0'"),
        (csv(row(0), row(1)[:-1] + '"0'), 2, 65, "'\"0'"),
        (csv(row(0), '1,"' + "0," * 63 + '0"'), 2, None, "holds a comma"),
        (csv(row("bag"), row('"bag')), 2, 1, "a quote that does not close"),
    ],
)
def test_bad_files_say_where_and_why(
    body: bytes, line: int | None, column: int | None, reason: str
) -> None:
    problem = first_trouble(read(body))
    assert reason in problem.reason
    assert (problem.line, problem.column) == (line, column)
    assert str(problem).startswith("a.csv")


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        (good(), "a.csv.gz", "broken"),
        (gzip.compress(good())[:-9], "a.csv.gz", "broken"),
    ],
)
def test_broken_archives_are_refused(body: bytes, name: str, reason: str) -> None:
    [problem] = read(body, name).problems
    assert reason in problem.reason


def test_a_gzip_that_unpacks_out_of_all_proportion_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csvfile, "LARGEST_UNASKED", 100_000)
    fine = gzip.compress((row(0) + "\n").encode() * 500)  # 65 kB, of a few hundred bytes
    assert read(fine, "a.csv.gz").problems == []
    bomb = gzip.compress((row(0) + "\n").encode() * 2000)
    found = read(bomb, "a.csv.gz")
    assert "more than 200 times its size" in found.problems[0].reason
    assert found.rows < 2000
    assert read(gzip.decompress(bomb)).problems == []


def test_a_file_of_bad_rows_is_not_read_to_its_end() -> None:
    good_ones = [row(i % 2) for i in range(900)]
    found = read(csv(*good_ones, *["0,x"] * 5000))
    assert (len(found.bad), found.rows, found.unfinished) == (1000, 1900, True)
    assert not read(csv(*["0,x"] * 999)).unfinished
    assert not read(csv(*good_ones, *["0,x"] * 999)).unfinished


@pytest.mark.parametrize(("odd", "usual"), [("0.5", 7), ("7", 0.25)])
def test_one_row_does_not_say_how_the_values_of_all_are_written(odd: str, usual: float) -> None:
    black = [row(i % 2, 1) for i in range(100)]
    found = read(csv(*black, row(0, odd), *[row(i % 2, usual) for i in range(50)]))
    assert [bad.line for bad in found.bad] == [101]
    assert f"'{odd}' is not a" in found.bad[0].reason


def test_bad_rows_are_told_by_line() -> None:
    body = csv(row(0), row(1, 256), row(0), "", row(1), row(0, "x"))
    assert [bad.line for bad in read(body).bad] == [2, 4, 6]


def peak_memory(rows: int) -> int:
    body = gzip.compress((row(1, 128, pixels=784) + "\n").encode() * rows, 1)
    tracemalloc.start()
    try:
        assert read(body, "a.csv.gz").rows == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file() -> None:
    assert peak_memory(500) < peak_memory(100) + 50_000  # bytes; the bigger one has 1.5 MB
