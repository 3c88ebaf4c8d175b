"""Networks for images of all kinds."""

from __future__ import annotations

import os

import numpy as np
import pytest
from pigeonhole_training.data.version import Shape
from pigeonhole_training.recipe import Asked, Recipe, Situation
from train import choose_backend

choose_backend(os.environ)

from pigeonhole_training.models.default import build_network, recipe  # noqa: E402


@pytest.mark.parametrize(
    "shape", [Shape(28, 28, 1), Shape(1, 2, 1), Shape(3, 50, 3), Shape(96, 96, 3)], ids=str
)
@pytest.mark.parametrize("classes", [2, 10])
def test_any_image_gets_probabilities(shape: Shape, classes: int) -> None:
    model = build_network(shape, classes)
    pixels = np.full((2, shape.height, shape.width, shape.channels), 255, np.uint8)
    answer = np.asarray(model(pixels.astype(np.float32)))
    assert answer.shape == (2, classes)
    assert answer.sum(axis=1) == pytest.approx(1)
    assert model.count_params() < 1_500_000


@pytest.mark.parametrize("rows", [1, 200, 4_000, 60_000, 5_000_000])
def test_few_rows_get_more_epochs_but_never_without_end(rows: int) -> None:
    def chosen(rows: int, **asked: int) -> Recipe:
        return recipe(Situation(rows, Shape(28, 28, 1), 10), Asked(**asked))

    assert 1 <= chosen(rows).epochs <= 60
    assert chosen(rows).epochs >= chosen(10 * rows).epochs
    assert (chosen(rows, epochs=2).epochs, chosen(rows, batch_size=5).batch_size) == (2, 5)
