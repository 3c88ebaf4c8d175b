"""No image is on two sides."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pigeonhole_training.data.notes import split_notes
from pigeonhole_training.data.rows import Origins, Pool, Rows, digests_of
from pigeonhole_training.data.split import HANDFUL, HELDOUT_BELOW, split_rows
from pigeonhole_training.errors import BadData

CLASSES = ("c0", "c1", "c2", "c3", "c4")
NONE = Pool.of(np.empty((0, 4, 4, 1), np.uint8), np.empty(0, np.int32))


def rows(count: int, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    return Pool.of(
        rng.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8),
        rng.integers(0, 3, count).astype(np.int32),
    )


def joined(*parts: Pool) -> Pool:
    return Pool.of(
        np.concatenate([p.pixels for p in parts]), np.concatenate([p.labels for p in parts])
    )


def images(part: Rows) -> set[bytes]:
    return {image.tobytes() for image in part.take(slice(None))}


def test_a_digest_is_blake2b_of_the_pixel_bytes() -> None:
    some = rows(3)
    expected = [hashlib.blake2b(p.tobytes(), digest_size=8).hexdigest() for p in some.pixels]
    assert [f"{d:016x}" for d in digests_of(some.pixels)] == expected


def test_without_test_files_the_lowest_fifth_by_content_is_held_out() -> None:
    data = rows(1000)
    split = split_rows(data, NONE)
    assert split.source == "split"
    lowest = {
        p.tobytes()
        for p in data.pixels
        if hashlib.blake2b(p.tobytes(), digest_size=8).digest() < (2**64 // 5).to_bytes(8, "big")
    }
    assert images(split.heldout) == lowest
    assert 150 < len(split.heldout) < 250
    assert len(split.training) + len(split.validation) + len(split.heldout) == 1000
    assert 40 < len(split.validation) < 120


def test_equal_images_fall_on_one_side_whatever_their_label() -> None:
    data = rows(200)
    split = split_rows(joined(data, Pool.of(data.pixels, 2 - data.labels)), NONE)
    sides = [images(split.training), images(split.validation), images(split.heldout)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_row_stays_on_its_side_when_rows_are_added() -> None:
    small, large = split_rows(rows(600), NONE), split_rows(joined(rows(600), rows(900, 1)), NONE)
    for side in ("training", "validation", "heldout"):
        assert images(getattr(small, side)) <= images(getattr(large, side))


def test_training_rows_that_are_held_out_too_are_taken_out_and_counted() -> None:
    test = rows(50)
    repeated = Pool.of(test.pixels[:7], test.labels[:7])
    split = split_rows(joined(rows(300, 1), repeated, repeated), test)
    assert (split.source, split.duplicates) == ("test files", 14)
    assert len(split.heldout) == 50
    assert not images(split.heldout) & (images(split.training) | images(split.validation))


def test_the_digests_are_of_every_row_that_the_model_saw() -> None:
    split = split_rows(rows(300), NONE)
    seen = [digests_of(part.take(slice(None))) for part in (split.training, split.validation)]
    assert sorted(split.seen) == sorted(np.concatenate(seen))


def test_too_few_rows_for_a_validation_part_are_all_trained_on() -> None:
    data = rows(6)
    split = split_rows(data, rows(4, 9))
    assert images(split.training) == images(split.validation) or not (
        images(split.training) & images(split.validation)
    )
    assert len(split.training) >= 1
    assert len(split.validation) >= 1


def test_nothing_to_judge_by_and_nothing_to_train_on_are_refused() -> None:
    two = rows(2)
    with pytest.raises(BadData, match="also held out"):
        split_rows(two, two)
    with pytest.raises(BadData, match="no row"):
        split_rows(NONE, NONE)


def test_each_class_has_about_a_fifth_held_out_and_a_tenth_of_the_rest_chooses() -> None:
    data = rows(6000)
    split = split_rows(data, NONE)
    for label in range(3):
        own = (data.labels == label).sum()
        assert (split.heldout.labels == label).sum() / own == pytest.approx(0.2, abs=0.03)
        assert (split.validation.labels == label).sum() / own == pytest.approx(0.08, abs=0.02)


def of_class(label: int, count: int, held_out: bool, seed: int = 0) -> Pool:
    """Images that all fall on one side by their digests."""
    many = rows(60 * count, seed)
    side = np.flatnonzero((many.digests < HELDOUT_BELOW) == held_out)[:count]
    return Pool.of(many.pixels[side], np.full(count, label, np.int32))


def test_a_class_of_a_handful_has_rows_on_each_side_against_its_digests() -> None:
    plenty = rows(300, 1)
    for_training = of_class(3, HANDFUL, held_out=False)
    for_judging = of_class(4, HANDFUL, held_out=True, seed=2)
    split = split_rows(joined(plenty, for_training, for_judging), NONE)
    lowest = for_training.pixels[for_training.digests.argmin()].tobytes()
    highest = for_judging.pixels[for_judging.digests.argmax()].tobytes()
    assert images(split.heldout.where(split.heldout.labels == 3)) == {lowest}
    trained = images(split.training) | images(split.validation)
    assert trained & {p.tobytes() for p in for_judging.pixels} == {highest}
    # it goes back to its own side once the class has a row there by itself
    grown = joined(plenty, for_training, of_class(3, 1, held_out=True, seed=5))
    assert lowest not in images(split_rows(grown, NONE).heldout)


def test_fewer_than_a_handful_stay_where_their_digests_put_them() -> None:
    few = of_class(3, HANDFUL - 1, held_out=False)
    split = split_rows(joined(rows(300, 1), few, few), NONE)  # copies are no more images
    assert 3 not in split.heldout.labels
    assert split_notes(split, CLASSES)[-1].endswith(
        "nothing is known of how well it does, for: c3, c4"
    )


def test_a_moved_image_moves_under_each_of_its_labels() -> None:
    few = of_class(3, HANDFUL, held_out=False)
    other = Pool.of(few.pixels, np.full(HANDFUL, 4, np.int32))
    split = split_rows(joined(rows(300, 1), few, other), NONE)
    both = images(split.heldout) & (images(split.training) | images(split.validation))
    assert not both
    assert {3, 4} <= set(split.heldout.labels)


def test_validation_files_choose_and_what_they_share_does_not_train_nor_choose() -> None:
    train, test, chooses = rows(100, 1), rows(30, 2), rows(20, 3)
    train = joined(train, Pool.of(chooses.pixels[:3], chooses.labels[:3]))
    chooses = joined(chooses, Pool.of(test.pixels[:2], test.labels[:2]))
    split = split_rows(train, test, chooses)
    assert (len(split.training), len(split.validation), len(split.heldout)) == (100, 20, 30)
    assert len(split.validated_too) == 3
    assert len(split.judged_too) == 2
    assert not images(split.training) & images(split.validation)
    assert not images(split.validation) & images(split.heldout)
    assert len(split.seen) == 120


def test_twins_are_told_with_where_they_stand_and_what_they_are_called() -> None:
    images_, test = rows(40, 1), rows(10, 2)
    pixels = np.concatenate([images_.pixels, images_.pixels[:2], test.pixels[4:5]])
    labels = np.concatenate([images_.labels, [images_.labels[0], 2 - images_.labels[1]], [0]])
    labels[1] = 0
    labels[41] = 1
    test.labels[4] = 1
    count = len(labels)
    train = Pool.of(
        pixels,
        labels.astype(np.int32),
        Origins(("a.csv",), np.zeros(count, np.int32), np.arange(1, count + 1)),
    )
    split = split_rows(train, test)
    (out,) = split.both_sides.rows.positions
    assert (out, split.both_sides.others.positions.tolist()) == (42, [4])
    assert split.repeated.rows.positions.tolist() == [40, 41]
    assert split.repeated.others.positions.tolist() == [0, 1]
    assert len(split.repeated.contradicting) == 1
    assert split_notes(split, CLASSES)[:3] == [
        "1 training row was left out because its image is held out too: a.csv, row 43 = row 5",
        "2 training rows show an image that stands before them; they are kept: "
        "a.csv, row 41 = a.csv, row 1; a.csv, row 42 = a.csv, row 2",
        "2 rows show images that have another label elsewhere: a.csv, row 43 (c0) = row 5 (c1)",
    ]


def test_data_with_nothing_to_learn_is_refused_with_the_reason() -> None:
    one = rows(1)
    same = joined(*[one] * 50)
    with pytest.raises(BadData, match="all 50 rows to train on show the same image"):
        split_rows(same, rows(10, 3))
    with pytest.raises(BadData, match="all of one class"):
        split_rows(of_class(1, 20, held_out=False), rows(10, 3))
    with pytest.raises(BadData, match="also among the validation files"):
        split_rows(rows(9), rows(10, 3), rows(9))


def test_a_class_with_one_image_is_a_note() -> None:
    lone = of_class(3, 1, held_out=False)
    split = split_rows(joined(rows(300, 1), lone), rows(30, 2))
    assert split_notes(split, CLASSES) == [
        "No training rows for: c4",
        "One image alone to train on for: c3",
        "No held-out rows, so nothing is known of how well it does, for: c3, c4",
    ]
