"""Labels and classes as a whole: gaps, few rows, and columns that are no labels."""

from __future__ import annotations

import pytest

from chalicelib.datasets.preflight.checks import Classes, Found, check_classes
from chalicelib.datasets.settings.settings_file import DatasetSettings


def checked(
    counts: dict[str, int], *classes: str, test: dict[str, int] | None = None, things: str = "row"
) -> Classes:
    found = Found(things)
    for role, labels in (("train", counts), ("test", test or {})):
        for line, (label, count) in enumerate(labels.items(), start=2):
            found.add(role, label, count, (f"{role}.csv", line, 1))
    return check_classes(found, DatasetSettings(classes=classes or None))


def rows(*labels: str | int, each: int = 9) -> dict[str, int]:
    return {str(label): each for label in labels}


@pytest.mark.parametrize(
    ("labels", "classes", "note"),
    [
        (
            (0, 1, 3),
            (),
            "labels go from 0 to 3 without 2: is a class missing? Without it the classes are the 3 "
            "that are there, in their order, called 0, 1, 3",
        ),
        (
            (0, 1, 3),
            ("bag", "shoe", "coat"),
            "labels go from 0 to 3 without 2: they are named in their order, 0 is 'bag', 1 is "
            "'shoe', 3 is 'coat'",
        ),
        (
            (0, 10**12),
            (),
            "labels go from 0 to 1000000000000 without 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …: is a "
            "class missing? Without it the classes are the 2 that are there, in their order, "
            "called 0, 1000000000000",
        ),
    ],
)
def test_gaps_between_whole_numbers_are_noted(
    labels: tuple[int, ...], classes: tuple[str, ...], note: str
) -> None:
    found = checked(rows(*labels), *classes)
    assert (found.problems, note in found.notes) == ((), True), found


def test_whole_numbers_without_gaps_need_no_note() -> None:
    assert not [note for note in checked(rows(1, 2, 3)).notes if "go from" in note]
    assert not [note for note in checked(rows("b", "a")).notes if "go from" in note]


def test_a_number_that_classes_names_and_no_row_has_is_named() -> None:
    [problem] = checked(rows(0, 1, 3), "bag", "shoe", "hat", "coat").problems
    assert str(problem) == (
        "dataset.json: classes has 4 names, the training rows have 3 different labels: 0, 1, 3. No "
        "training row has label 2 ('hat')"
    )


def test_a_class_with_a_single_row_is_refused_at_its_place() -> None:
    [problem] = checked({"bag": 9, "shoe": 1}).problems
    assert str(problem) == (
        "train.csv, line 3, column 1: class 'shoe' has a single row to train with: 2 are needed at "
        "least, one to learn from and one to judge or choose by (a slip in a label? list the "
        "classes in dataset.json, and rows of others can be set aside)"
    )
    assert checked({"bag": 9, "shoe": 2}).problems == ()


def test_labels_that_all_differ_are_no_labels() -> None:
    [problem] = checked({f"img_{number}": 1 for number in range(12)}).problems
    assert str(problem) == (
        "train.csv, line 2, column 1: every row has a label of its own (img_0, img_1, img_10, "
        "img_11, img_2, img_3, img_4, img_5, img_6, img_7, …): the first column is taken for the "
        "labels. Does it number or name the rows?"
    )
    assert "one folder" in str(
        checked({f"img_{number}": 1 for number in range(12)}, things="image").problems[0]
    )


def test_a_label_that_only_held_out_rows_have_is_counted() -> None:
    [problem] = checked(rows(0, 1), test={"0": 5, "7": 1234}).problems
    assert str(problem) == (
        "test.csv, line 3, column 1: label '7' is in no training row (1,234 rows have it)"
    )
