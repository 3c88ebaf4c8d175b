"""Transfer learning from ResNet-50: where its weights come from, and what stands still."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import BadRequest
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.models import resnet50  # noqa: E402

SMALL = Shape(32, 32, 3)
LAST = "conv5_block3_3_conv"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `weights` channel with a file of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(1)
    base = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
    )
    # ImageNet's statistics and scales are anything but 0 and 1
    random = np.random.default_rng(1)
    for variable in base.variables:
        if "bn" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    base.save_weights(folder / "resnet50.weights.h5")
    return folder


@pytest.fixture(scope="module")
def pretrained(channel: Path) -> keras.Model:
    return resnet50.build_network(SMALL, 3, channel)


def test_the_base_answers_as_the_weights_in_the_channel_do(
    channel: Path, pretrained: keras.Model
) -> None:
    again = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
    )
    again.load_weights(channel / "resnet50.weights.h5")
    pixels = np.random.default_rng(0).normal(0, 60, (2, 64, 64, 3)).astype(np.float32)
    ours, theirs = (
        np.asarray(m(pixels, training=False)) for m in (pretrained.get_layer("base"), again)
    )
    assert np.ptp(theirs) > 0.1
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("top", [False, True], ids=["without its last layer", "whole"])
def test_the_file_that_keras_offers_is_read(
    tmp_path: Path, channel: Path, pretrained: keras.Model, top: bool
) -> None:
    """It is of Keras 2: a group a layer, in the layers' order."""
    given = keras.applications.ResNet50(include_top=top, weights=None, pooling="avg")
    base = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg")
    base.load_weights(channel / "resnet50.weights.h5")
    for layer in base.layers:
        if layer.weights:
            given.get_layer(layer.name).set_weights(layer.get_weights())
    ending = "" if top else "_notop"
    name = f"resnet50_weights_tf_dim_ordering_tf_kernels{ending}.h5"
    with h5py.File(tmp_path / name, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in given.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for layer in given.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.get_weights(), strict=True):
                group[name] = weight
    ours = resnet50.build_network(SMALL, 3, tmp_path).get_layer("base").get_weights()
    theirs = pretrained.get_layer("base").get_weights()
    assert len(ours) == len(theirs)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_base_sees_what_it_was_trained_on(pretrained: keras.Model) -> None:
    """Blue, green, red, less ImageNet's mean; a small image larger."""
    seen = keras.Model(pretrained.input, pretrained.get_layer("preprocessed").output)
    image = np.zeros((1, 32, 32, 3), np.float32)
    image[..., 0] = 255  # red
    answer = np.asarray(seen(image))
    expected = keras.applications.resnet50.preprocess_input(image.copy())
    assert answer.shape == (1, 64, 64, 3)
    assert answer[0, 5, 5] == pytest.approx(expected[0, 0, 0])


def test_training_leaves_the_statistics_of_imagenet(pretrained: keras.Model) -> None:
    base = pretrained.get_layer("base")
    assert not any("moving" in variable.path for variable in base.variables)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    still, learning = (np.asarray(base(pixels, training=t)) for t in (False, True))
    assert (still == learning).all()


def test_the_last_stage_is_what_is_fine_tuned(pretrained: keras.Model) -> None:
    tuned = pretrained.get_layer("base").layers[-resnet50.LAST_STAGE :]
    with_weights = [layer.name for layer in tuned if layer.weights]
    assert LAST in with_weights
    assert "conv5_block1_1_conv" in with_weights
    assert all(name.startswith("conv5_") for name in with_weights)
    left = pretrained.get_layer("base").layers[: -resnet50.LAST_STAGE]
    assert not any(layer.name.startswith("conv5_") for layer in left if layer.weights)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_is_repeated_and_opacity_left_out(channels: int) -> None:
    model = resnet50.build_random(Shape(32, 32, channels), 3)
    pixels = np.full((1, 32, 32, channels), 90, np.float32)
    if channels == 4:
        pixels[..., 3] = 0
    inside = keras.Model(model.input, model.get_layer("preprocessed").output)
    seen = np.asarray(inside(pixels))[0, 0, 0]
    assert seen == pytest.approx(90 - np.array(resnet50.MEAN_BGR))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(224, 160, 3), (224, 160)),
        (Shape(28, 28, 1), (84, 84)),
        (Shape(60, 64, 3), (120, 128)),
        (Shape(2, 200, 3), (64, 200)),
    ],
    ids=str,
)
def test_only_what_is_too_small_is_enlarged(shape: Shape, expected: tuple[int, int]) -> None:
    assert resnet50.enlarged(shape) == expected


def test_a_channel_without_one_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"it has none"):
        resnet50.build_network(SMALL, 3, tmp_path)
    (tmp_path / "broken.h5").write_bytes(b"not HDF5")
    with pytest.raises(BadRequest, match=r"broken\.h5 does not hold the weights"):
        resnet50.build_network(SMALL, 3, tmp_path)
    (tmp_path / "other.keras").write_bytes(b"")
    with pytest.raises(BadRequest, match=r"broken\.h5, other\.keras"):
        resnet50.build_network(SMALL, 3, tmp_path)
