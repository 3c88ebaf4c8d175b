"""Headers and columns that are not what they are taken for are named, with what to do."""

from __future__ import annotations

import io
import random

import pytest

from chalicelib.datasets.preflight.csvfile import read_csv
from chalicelib.datasets.preflight.csvfound import CsvFile
from chalicelib.datasets.preflight.csvrows import settle_labels
from tests.unit.datasets.world import csv, row

PIXELS = [f"pixel{i}" for i in range(64)]


def read(body: bytes) -> CsvFile:
    found = read_csv("a.csv", io.BytesIO(body))
    settle_labels(found)
    return found


def table(count: int, *columns: str, header: str = "") -> bytes:
    """Rows of 64 random values behind these columns, in which `#` is the row's number, `?` a label
    and `@` a name."""
    dice = random.Random(7)
    lines = [header] if header else []
    for number in range(count):
        front = [
            {"#": str(number), "?": str(number * 7 % 10), "@": f"img_{number}"}[c] for c in columns
        ]
        lines.append(",".join([*front, *[str(dice.randrange(256)) for _ in range(64)]]))
    return csv(*lines)


@pytest.mark.parametrize("count", [20, 2000])
@pytest.mark.parametrize(
    ("columns", "header", "column", "reason"),
    [
        (
            ("#", "?"),
            "",
            1,
            "column 1 counts the rows (0, 1, 2, …), where the labels should be, while column 2 "
            "looks like them (0, 7, 4, 1, 8, 5, 2, 9, 6, 3). Leave column 1 out",
        ),
        (
            ("#", "?"),
            ",".join(["id", "label", *PIXELS]),
            1,
            "column 1 ('id') counts the rows (0, 1, 2, …), where pixels should be. Leave column 1 "
            "out",
        ),
        (
            ("#", "?"),
            ",".join(["id", "kind", *PIXELS]),
            1,
            "column 1 ('id') counts the rows (0, 1, 2, …), where the labels should be, while "
            "column 2 ('kind') looks like them (0, 7, 4, 1, 8, 5, 2, 9, 6, 3). Leave column 1 out",
        ),
        (
            ("@", "?"),
            ",".join(["file", "kind", *PIXELS]),
            1,
            "column 1 ('file') is another in every row (img_0, img_1, img_2, …), where the labels "
            "should be, while column 2 ('kind') looks like them (0, 7, 4, 1, 8, 5, 2, 9, 6, 3). "
            "Leave column 1 out",
        ),
    ],
)
def test_a_column_that_numbers_or_names_the_rows_is_no_label(
    count: int, columns: tuple[str, ...], header: str, column: int, reason: str
) -> None:
    [problem] = read(table(count, *columns, header=header)).problems
    line = 2 if header else 1
    assert (problem.line, problem.column, problem.reason) == (line, column, reason)


def test_labels_and_pixels_that_count_up_by_chance_are_taken() -> None:
    assert read(table(64, "#")).problems == []  # 64 classes of an image each, so far
    gradient = csv(*[row(i % 2, i) for i in range(200)])
    assert read(gradient).problems == []


def test_a_header_that_is_no_words_alone_is_named() -> None:
    named = ["label", "28", *PIXELS[1:]]
    [problem] = read(table(20, "?", header=",".join(named))).problems
    assert (problem.line, problem.column) == (1, 2)
    assert problem.reason == (
        "a header, it seems, read as a row because column 2 is called '28': name every column by a "
        "word (label, pixel1, pixel2, …), or leave the header out"
    )


def test_the_numbers_of_the_columns_are_a_header() -> None:
    found = read(table(20, "?", header=",".join(map(str, range(65)))))
    assert (found.header, found.rows, found.bad) == (True, 20, [])
    [note] = found.notes
    assert "line 1 counts up from 0 to 64: it is taken for the numbers of the columns" in note


def test_a_first_row_that_pandas_made_a_header_is_named() -> None:
    seen: dict[str, int] = {}
    header = []
    for value in [str(v) for v in [5, *[0, 0, 12, 255, 0, 12, 0, 0] * 8]]:
        header.append(f"{value}.{seen[value]}" if value in seen else value)
        seen[value] = seen.get(value, 0) + 1
    for values in ("?", "#"):
        [problem] = read(table(20, values, header=",".join(header))).problems
        assert (problem.line, problem.column) == (1, 3)
        assert problem.reason == (
            "a first row that was taken for a header when this file was written: '0.1' is how "
            "pandas heads a column whose name was there before. Read the original with "
            "header=None, and write it with header=False"
        )


def test_a_first_row_of_decimals_is_not_taken_for_a_header() -> None:
    dice = random.Random(7)
    lines = [",".join(["3", *[f"{dice.random():.4f}" for _ in range(64)]]) for _ in range(20)]
    assert read(csv(*lines)).problems == []


@pytest.mark.parametrize("first", ["cat" + "," * 64, "cat" + ",nan" * 64, "cat" + ",NA" * 64])
def test_a_first_row_without_values_is_a_row(first: str) -> None:
    found = read(csv(first, *[row("cat", 3)] * 20))
    assert (found.header, [bad.line for bad in found.bad]) == (False, [1])


def test_a_header_of_another_length_than_the_rows_is_named() -> None:
    [problem] = read(table(20, "?", header=",".join(["label", *PIXELS[1:]]))).problems
    assert problem.reason == "the header names 64 columns, the rows have 65"


def test_a_header_that_is_a_label_of_rows_below_is_named() -> None:
    header = ",".join(["cat", *map(str, range(64))])
    found = read(csv(header, *[row("cat", 3)] * 20))
    assert [problem.reason for problem in found.problems] == [
        "a row taken for a header, it seems: its column 1 says 'cat', as rows below it do. Name "
        "the columns in a first line of their own (label, pixel1, pixel2, …)"
    ]
    assert (found.problems[0].line, found.problems[0].column) == (1, 1)


def test_more_than_a_thousand_labels_each_in_one_row_are_no_labels() -> None:
    [problem] = read(table(1200, "@")).problems
    assert (problem.line, problem.column) == (1001, 1)
    assert problem.reason == (
        "more than 1,000 different labels, each in one row alone: is the column one of row "
        "numbers or names?"
    )


@pytest.mark.parametrize("header", ["", ",".join(["corner", *PIXELS[1:], "kind"])])
def test_words_behind_the_pixels_are_looked_at_as_labels(header: str) -> None:
    rows = [f"{row(9, i)[2:]},{'cat' if i % 2 else 'dog'}" for i in range(20)]
    [problem] = read(csv(*([header] if header else []), *rows)).problems
    assert problem.column == 65
    assert "column 65 looks like the labels (dog, cat)" in problem.reason
