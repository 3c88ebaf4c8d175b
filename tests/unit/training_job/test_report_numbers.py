"""What the reports count and find in the data, where the answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.reports.data_numbers import (
    balance,
    duplicates,
    pixel_statistics,
    shifted,
)
from pigeonhole_training.reports.oddities import label_errors, neighbourhood
from pigeonhole_training.reports.sides import Sides, validation_is_training
from pigeonhole_training.reports.words import count, percent

from tests.unit.training_job.reported import pool, split_of


def sides_of(*pools: Pool) -> Sides:
    names = ("training", "validation", "held-out")[: len(pools)]
    return Sides(names, tuple(p.rows() for p in pools))


def test_sides_number_every_row_once_and_find_it_again() -> None:
    pools = pool(5, seed=1), pool(4, seed=2, path="b.csv"), pool(3, seed=3, path="c_test.csv")
    sides = sides_of(*pools)
    assert len(sides) == 12
    numbers = np.array([11, 0, 5, 4, 8])
    expected = [pools[2].pixels[2], *(p.pixels[0] for p in pools[:2]), pools[0].pixels[4]]
    assert (sides.take(numbers) == [*expected, pools[1].pixels[3]]).all()
    assert [sides.side(int(n)) for n in numbers[:3]] == ["held-out", "training", "validation"]
    assert sides.origin(11) == "c_test.csv, row 3"
    assert (sides.labels[[11, 5]] == [pools[2].labels[2], pools[1].labels[0]]).all()


def test_few_rows_that_choose_the_epoch_too_are_counted_once() -> None:
    few = pool(3)
    split = split_of(Pool.of(few.pixels, few.labels), pool(6, seed=4))
    assert validation_is_training(split)
    assert Sides.of(split).names == ("training", "held-out")


def test_balance_counts_by_class_and_side() -> None:
    given = pool(60)
    found = balance(sides_of(given, pool(10, seed=5)), 4)
    assert found.counts["training"].tolist() == [*np.bincount(given.labels, minlength=4).tolist()]
    assert found.total.sum() == 70
    assert found.total[3] == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_are_all_counted_in_one_pass(channels: int) -> None:
    given = pool(700, (5, 7, channels), seed=6)
    given.pixels[3] = 9
    found = pixel_statistics(given.rows())
    assert found.histogram.sum() == given.pixels.size
    assert found.histogram[0, 9] == (given.pixels[..., 0] == 9).sum()
    assert found.mean_image == pytest.approx(given.pixels.mean(axis=0))
    assert found.mean == pytest.approx(given.pixels.mean())
    assert (found.blank, found.blank_rows) == (1, (3,))
    assert found.looked_at == 700


def test_no_more_pixels_are_read_than_allowed() -> None:
    given = pool(100, (4, 4, 1))
    given.pixels[:] = 7
    found = pixel_statistics(given.rows(np.arange(100)[::-1].copy()), budget=30 * 16)
    assert (found.rows, found.looked_at) == (100, 30)
    assert found.histogram.sum() == 30 * 16
    assert found.blank == 30
    assert max(found.blank_rows) > 30  # rows of all, not of the sample


def test_inverted_held_out_images_are_told_from_like_ones() -> None:
    dark, alike = pool(200, seed=7), pool(50, seed=8)
    inverted = Pool.of(255 - alike.pixels, alike.labels)
    statistics = [pixel_statistics(p.rows()) for p in (dark, alike, inverted)]
    assert not shifted(statistics[0], statistics[1])
    assert shifted(statistics[0], statistics[2])


def test_duplicates_are_grouped_those_under_several_labels_first() -> None:
    given, other = pool(20, seed=9), pool(5, seed=10)
    given.pixels[4] = given.pixels[2] = given.pixels[1]
    given.labels[[1, 2, 4]] = 0
    other.pixels[3] = given.pixels[7]
    other.labels[3], given.labels[7] = 1, 2
    sides = sides_of(Pool.of(given.pixels, given.labels), Pool.of(other.pixels, other.labels))
    found = duplicates(sides)
    assert [group.tolist() for group in found.groups] == [[7, 23], [1, 2, 4]]
    assert (found.extra, found.contradicting) == (3, 1)


def test_rows_all_different_have_no_duplicates() -> None:
    assert duplicates(sides_of(pool(20))).groups == ()


def confident(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """A good model's probabilities: right, and between 0.7 and 1 sure."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(0.7, 0.999, len(labels))
    found = np.repeat(((1 - own) / (classes - 1))[:, None], classes, axis=1)
    found[np.arange(len(labels)), labels] = own
    return found.astype(np.float32)


def test_labels_that_were_changed_are_found_and_no_others() -> None:
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 4, 400).astype(np.int32)
    probabilities = confident(truth, 4, 12)
    given = truth.copy()
    changed = rng.choice(400, 20, replace=False)
    given[changed] = (truth[changed] + 1) % 4
    found = label_errors(probabilities, given)
    # a threshold is a mean: the half of them that the model is less sure of may stay unseen
    assert set(found.rows.tolist()) <= set(changed.tolist())
    assert len(found.rows) >= 5
    assert (found.suggested == truth[found.rows]).all()
    assert (np.diff(found.margin) >= 0).all()
    assert found.margin.max() < 0


def test_right_labels_raise_no_doubt_even_where_a_class_has_no_row() -> None:
    truth = np.repeat([0, 2], 50).astype(np.int32)
    assert len(label_errors(confident(truth, 3, 13), truth).rows) == 0


def test_a_row_that_merely_leans_to_another_class_is_not_doubted() -> None:
    truth = np.repeat([0, 1], 50).astype(np.int32)
    probabilities = confident(truth, 2, 18)
    probabilities[3] = [0.45, 0.55]  # less sure of class 1 than rows of class 1 are
    probabilities[4] = [0.02, 0.98]
    assert label_errors(probabilities, truth).rows.tolist() == [4]


def test_a_foreign_image_is_the_first_outlier() -> None:
    given = pool(300, seed=14)
    given.pixels[17] = 255 - given.pixels[17]
    found = neighbourhood(sides_of(Pool.of(given.pixels, given.labels)))
    assert found.outliers[0] == 17
    assert (found.factor >= 2).all()


def test_a_training_label_that_all_neighbours_contradict_is_doubted() -> None:
    given, held = pool(300, seed=15), pool(40, seed=16)
    truth = int(given.labels[30])
    given.labels[30] = (truth + 1) % 3
    found = neighbourhood(sides_of(given, held))
    assert found.agreement > 0.9
    assert found.doubted.tolist() == [30]
    assert found.suggested.tolist() == [truth]


def test_neighbours_that_are_no_guide_doubt_nothing() -> None:
    rng = np.random.default_rng(17)
    noise = Pool.of(
        rng.integers(0, 255, (200, 6, 6, 1), dtype=np.uint8),
        rng.integers(0, 2, 200).astype(np.int32),
    )
    found = neighbourhood(sides_of(noise))
    assert found.agreement < 0.8
    assert len(found.doubted) == 0


@pytest.mark.parametrize("count_", [1, 5, 10, 11, 30])
def test_any_number_of_rows_can_be_looked_at(count_: int) -> None:
    found = neighbourhood(sides_of(pool(count_)))
    assert found.looked_at == count_


def test_the_sample_is_bounded_and_copies_of_an_image_count_once() -> None:
    given = pool(500, (40, 50, 3), seed=18)
    rows = Rows(given, np.repeat(np.arange(500), 2))
    found = neighbourhood(Sides(("training",), (rows,)), most=200)
    assert found.looked_at == 200


def test_shares_in_words() -> None:
    assert percent(0.91234) == "91.2%"
    assert percent(1) == "100.0%"
    assert percent(0.99999) == "99.9%"
    assert percent(0.004, 0) == "<1%"
    assert percent(0.0, 0) == "0%"
    assert percent(0.996, 0) == "99%"
    assert [count(1, "row"), count(1200, "row"), count(2, "class")] == [
        "1 row",
        "1,200 rows",
        "2 classes",
    ]
