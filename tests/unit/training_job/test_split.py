"""No image is on two sides."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pool, Rows, digests_of
from pigeonhole_training.data.split import split_rows
from pigeonhole_training.errors import BadData

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
    small, large = split_rows(rows(100), NONE), split_rows(joined(rows(100), rows(100, 1)), NONE)
    assert images(small.heldout) <= images(large.heldout)


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
