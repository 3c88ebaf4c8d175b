"""What happens to images while a network trains, and that nothing does otherwise."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.augment import Augment  # noqa: E402

COUNT, HEIGHT, WIDTH, CHANNELS = 400, 6, 9, 2


def images() -> NDArray[np.float32]:
    """Every pixel of an image differs from its others, none is 0."""
    one = 1 + np.arange(HEIGHT * WIDTH * CHANNELS, dtype=np.float32)
    return np.tile(one.reshape(1, HEIGHT, WIDTH, CHANNELS), (COUNT, 1, 1, 1))


def changed(names: tuple[str, ...], seed: int = 0, **options: Any) -> NDArray[np.float32]:
    return np.asarray(Augment(names, seed)(images(), **{"training": True, **options}))


def test_outside_training_nothing_changes() -> None:
    assert (changed(("flip", "crop:2", "erase:1"), training=False) == images()).all()


def test_half_of_the_images_are_mirrored() -> None:
    before, after = images(), changed(("flip",))
    mirrored = (after == before[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (after == before).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_images_are_shifted_every_way_by_up_to_k_pixels() -> None:
    k = 2
    before, after = images(), changed((f"crop:{k}",))
    padded = np.pad(before, ((0, 0), (k, k), (k, k), (0, 0)))
    seen = set()
    for y in range(2 * k + 1):
        for x in range(2 * k + 1):
            shifted = padded[:, y : y + HEIGHT, x : x + WIDTH]
            if (after == shifted).all(axis=(1, 2, 3)).any():
                seen.add((y, x))
    assert len(seen) == (2 * k + 1) ** 2
    found = sum(
        (after == padded[:, y : y + HEIGHT, x : x + WIDTH]).all(axis=(1, 2, 3)) for y, x in seen
    )
    assert (found == 1).all()


def test_a_rectangle_is_erased_in_the_share_asked_for() -> None:
    touched = (changed(("erase:0.5",)) != images()).all(axis=3)
    some = touched.any(axis=(1, 2))
    assert 0.4 < some.mean() < 0.6
    for mask in touched[some]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert (mask == rows[:, None] & columns[None]).all()
        assert np.diff(np.flatnonzero(rows)).max(initial=1) == 1
        assert np.diff(np.flatnonzero(columns)).max(initial=1) == 1
    assert 0.1 < touched[some].mean() < 0.3


def test_the_seed_decides_and_its_state_can_be_saved() -> None:
    names = ("flip", "crop:1", "erase:1")
    assert (changed(names, 3) == changed(names, 3)).all()
    assert (changed(names, 3) != changed(names, 4)).any()
    first, second = Augment(names, 3), Augment(names, 9)
    first(images(), training=True)
    for ours, theirs in zip(first.variables, second.variables, strict=True):
        theirs.assign(ours)
    again = [np.asarray(layer(images(), training=True)) for layer in (first, second)]
    assert (again[0] == again[1]).all()


def test_it_stays_in_float32_under_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        exact = images() + np.float32(0.25)
        assert (np.asarray(Augment(("flip",))(exact, training=False)) == exact).all()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", ["rotate", "crop", "crop:x", "crop:0", "erase:2", "flip:1", ""])
def test_a_name_that_is_unknown_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no augmentation"):
        Augment((name,))
