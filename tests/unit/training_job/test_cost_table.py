"""What the service believes of the presets when it reckons what they cost."""

from __future__ import annotations

import os

import pytest
from pigeonhole_training.data.version import Shape
from pigeonhole_training.recipe import Asked, Situation
from train import choose_backend

from chalicelib.datasets.cost.effort import OTHER_SIDE, PASSES, epochs

choose_backend(os.environ)

from pigeonhole_training.models import PRESETS  # noqa: E402


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("rows", [10, 700, 3000, 60_000])
@pytest.mark.parametrize("asked", [{}, {"epochs": 3, "fine_tune_epochs": 1}])
def test_it_passes_over_the_rows_as_often_as_the_service_reckons(
    preset: str, rows: int, asked: dict[str, int]
) -> None:
    recipe = PRESETS[preset].recipe(Situation(rows, Shape(28, 28, 1), 10), Asked(**asked))
    assert sum(phase.epochs for phase in recipe.phases) == epochs(preset, asked, rows)


def test_the_service_knows_what_a_pass_takes_with_each_and_how_large_its_photos_are() -> None:
    sides = {name: takes.side or OTHER_SIDE for name, takes in PASSES.items()}
    assert sides == {name: preset.photo_side for name, preset in PRESETS.items()}
