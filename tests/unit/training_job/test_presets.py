"""Networks for images of all kinds, and the recipes that train them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import BadRequest
from pigeonhole_training.recipe import Asked, Phase, Recipe, Situation
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
import onnxruntime  # noqa: E402
from pigeonhole_training.augment import Augment  # noqa: E402
from pigeonhole_training.models import PRESETS, cnn, default, preset_of, wide  # noqa: E402

GREY = Shape(28, 28, 1)
SHAPES = [GREY, Shape(1, 2, 1), Shape(3, 50, 3), Shape(8, 8, 2), Shape(96, 64, 4)]

# What the presets build, the costly ones narrower than they are.
NETWORKS: dict[str, Callable[[Shape, int], keras.Model]] = {
    "default": default.build_network,
    "default-large": default.build_large,
    "dense-128": PRESETS["dense-128"].build,
    "dense-256-128-32": PRESETS["dense-256-128-32"].build,
    "cnn-32-64-128": cnn.build_network,
    "wide": partial(wide.build_wide, depth=10, width=1),
}


def random_pixels(shape: Shape) -> NDArray[np.float32]:
    size = (3, shape.height, shape.width, shape.channels)
    return np.random.default_rng(0).integers(0, 256, size).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_image_gets_probabilities(name: str, shape: Shape) -> None:
    model = NETWORKS[name](shape, 4)
    answer = np.asarray(model(random_pixels(shape)))
    assert answer.shape == (3, 4)
    assert answer.sum(axis=1) == pytest.approx(1)
    assert (model.inputs[0].name, model.layers[-1].name) == ("image", "probabilities")


@pytest.mark.parametrize("name", ["default", "cnn-32-64-128", "wide"])
def test_a_large_photo_is_made_small_before_it_costs_much(name: str) -> None:
    model = NETWORKS[name](Shape(256, 200, 3), 4)
    assert model.count_params() < 5_000_000
    rows_of_maps = [layer.output.shape[1] for layer in model.layers if len(layer.output.shape) == 4]
    assert min(rows_of_maps) <= 20


@pytest.mark.parametrize("name", NETWORKS)
def test_the_exported_network_answers_alike(name: str, tmp_path: Path) -> None:
    model = NETWORKS[name](GREY, 10)
    pixels = random_pixels(GREY)
    expected = np.asarray(model(pixels))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (answer,) = session.run(None, {"image": pixels})
    assert answer == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_easy_difference_is_learnt_from_one_batch(name: str) -> None:
    keras.utils.set_random_seed(0)
    shape = Shape(8, 8, 1)
    model = NETWORKS[name](shape, 2)
    labels = np.array([0, 1] * 8, np.int32)
    pixels = np.where(labels == 1, 200, 20).astype(np.float32)[:, None, None, None]
    pixels = np.broadcast_to(pixels, (16, 8, 8, 1)).copy()
    pixels[:, :, 4:] = 110
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", run_eagerly=True)
    before = model.evaluate(pixels, labels, verbose=0)
    for _ in range(12):
        model.train_on_batch(pixels, labels)
    assert model.train_on_batch(pixels, labels) < before / 2


def test_the_presets_are_the_sizes_that_their_sources_name() -> None:
    dense = PRESETS["dense-256-128-32"].build(GREY, 10, None)
    assert dense.count_params() == 785 * 256 + 257 * 128 + 129 * 32 + 33 * 10
    assert PRESETS["dense-128"].build(Shape(48, 48, 1), 10, None).count_params() == 296_330
    assert cnn.build_network(GREY, 10).count_params() == pytest.approx(1.2e6, rel=0.05)
    assert default.build_network(GREY, 10).count_params() < 100_000


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("rows", [1, 200, 4_000, 60_000, 5_000_000])
def test_every_recipe_can_be_followed(name: str, rows: int) -> None:
    recipe = PRESETS[name].recipe(Situation(rows, GREY, 10), Asked(seed=3))
    assert (recipe.preset, recipe.seed) == (name, 3)
    assert 1 <= recipe.epochs <= 1000
    assert all(phase.learning_rate > 0 for phase in recipe.phases)
    assert Augment(recipe.augment).names == recipe.augment


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_asked_for_is_done(name: str) -> None:
    asked = Asked(epochs=3, fine_tune_epochs=0, batch_size=5, learning_rate=0.25)
    recipe = PRESETS[name].recipe(Situation(60_000, GREY, 10), asked)
    (phase,) = recipe.phases
    assert (phase.epochs, phase.learning_rate, recipe.batch_size) == (3, 0.25, 5)


@pytest.mark.parametrize("rows", [1, 200, 4_000, 60_000, 5_000_000])
def test_few_rows_get_more_epochs_but_never_without_end(rows: int) -> None:
    def chosen(rows: int) -> Recipe:
        return default.recipe(Situation(rows, GREY, 10), Asked())

    assert 1 <= chosen(rows).epochs <= 60
    assert chosen(rows).epochs >= chosen(10 * rows).epochs


def test_transfer_learning_has_two_phases_each_with_its_epochs() -> None:
    situation = Situation(6_680, Shape(224, 224, 3), 133)
    head, tuned = PRESETS["resnet50"].recipe(situation, Asked(epochs=4, fine_tune_epochs=3)).phases
    assert (head.trainable, head.epochs) == ("head", 4)
    assert tuned == Phase(3, head.learning_rate / 40, "base:33")


def test_a_preset_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadRequest, match=r"'cnn'.*default, default-large, dense-128"):
        preset_of("cnn")


def test_wide_averages_its_weights_over_a_share_of_the_run() -> None:
    def window(epochs: int, rows: int = 54_000) -> float:
        given = preset_of("wide-28-10").recipe(Situation(rows, GREY, 10), Asked(epochs=epochs))
        return 1 / (1 - given.ema)

    assert window(100) == pytest.approx(0.04 * 100 * 54_000 / 256)
    assert window(10) == pytest.approx(window(100) / 10)
    assert window(1, rows=100) == 1  # no average at all
