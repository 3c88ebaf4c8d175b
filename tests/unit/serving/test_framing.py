from __future__ import annotations

import base64
import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from serving import framing, images
from serving.invocations import Invocations
from serving.model import Model, Signature
from serving.settings import read
from tests.unit.serving import artifact
from tests.unit.serving.artifact import bar, encoded

SAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "fashion-mnist"
FRAMED = json.loads((Path(__file__).parents[2] / "framing.json").read_text())["vectors"]


def label(model: Model, picture: Image.Image) -> str:
    """What the model makes of the picture after framing."""
    pixels = framing.to_input(picture, model.signature)
    best = int(model.probabilities(pixels[np.newaxis])[0].argmax())
    return model.signature.classes[best]


def test_a_picture_of_the_models_size_and_mode_passes_untouched(signature: Signature) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (28, 28), np.uint8)
    grey = Image.fromarray(noise)
    for picture in (grey, grey.convert("RGB"), images.decode(encoded(grey.convert("RGBA")))):
        np.testing.assert_array_equal(framing.to_input(picture, signature)[:, :, 0], noise)


def test_a_colour_model_gets_its_own_size_untouched(signature: Signature) -> None:
    colour = replace(signature, channels=3)
    noise = np.random.default_rng(1).integers(0, 256, (28, 28, 3), np.uint8)
    np.testing.assert_array_equal(framing.to_input(Image.fromarray(noise), colour), noise)
    grey = framing.to_input(Image.fromarray(noise[:, :, 0]), colour)
    np.testing.assert_array_equal(grey, np.repeat(noise[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("kind", ["Wide", "Tall"])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("size", [(280, 280), (400, 300), (90, 200)])
def test_either_polarity_and_any_shape(
    model: Model, kind: str, inverted: bool, size: tuple[int, int]
) -> None:
    picture = ImageOps.pad(bar(kind, (200, 200)), size, color=0)
    assert label(model, ImageOps.invert(picture) if inverted else picture) == kind


def test_the_figure_is_cropped_wherever_it_lies(model: Model, signature: Signature) -> None:
    page = Image.new("L", (640, 480), 235)
    page.paste(40, (450, 30, 600, 60))
    pixels = framing.to_input(page, signature)[:, :, 0]
    assert label(model, page) == "Wide"
    rows, columns = np.nonzero(pixels > 60)
    assert (columns.min(), columns.max()) == (0, 27)
    assert rows.min() > 8
    assert rows.max() < 20
    assert pixels[0, 0] == 0  # the grey page became the model's black ground


def test_a_dark_figure_model_gets_light_ground(signature: Signature) -> None:
    dark = replace(signature, foreground="dark")
    pixels = framing.to_input(bar("Wide", (280, 280)), dark)[:, :, 0]
    assert pixels[0, 0] == 255
    assert pixels[14, 14] < 60


@pytest.mark.parametrize("figure", [(250, 250, 250), (20, 30, 60)])
def test_a_cut_out_stands_on_the_ground_that_the_model_expects(
    signature: Signature, figure: tuple[int, int, int]
) -> None:
    cut_out = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    cut_out.paste((*figure, 255), (20, 120, 280, 180))
    pixels = framing.to_input(cut_out, signature)[:, :, 0]
    assert pixels[0, 0] == 0
    assert pixels[14, 14] > 180


def test_a_busy_picture_is_kept_whole(signature: Signature) -> None:
    scenery = np.random.default_rng(2).integers(0, 256, (300, 600), np.uint8)
    found = framing.survey(scenery[:, :, np.newaxis].astype(np.float32))
    assert found.box is None
    assert framing.to_input(Image.fromarray(scenery), signature).shape == (28, 28, 1)


def test_a_blank_page_and_a_single_pixel_are_answers(signature: Signature) -> None:
    for picture in (
        Image.new("L", (300, 200), 255),
        Image.new("RGBA", (50, 50), (0, 0, 0, 0)),
        Image.new("RGB", (1, 1), (9, 9, 9)),
        Image.new("L", (1, 5000), 3),
    ):
        assert framing.to_input(picture, signature).shape == (28, 28, 1)


def test_an_unknown_foreground_gets_the_middle_as_it_is(signature: Signature) -> None:
    unknown = replace(signature, foreground="unknown", channels=3)
    picture = Image.new("RGB", (300, 100), (255, 255, 255))
    picture.paste((200, 10, 10), (100, 0, 200, 100))
    pixels = framing.to_input(picture, unknown)
    assert (pixels[3:-3, 3:-3] == (200, 10, 10)).all()


@pytest.mark.parametrize("vector", FRAMED, ids=[vector["name"] for vector in FRAMED])
def test_pictures_are_framed_as_training_frames_them(
    signature: Signature, vector: dict[str, Any]
) -> None:
    unknown = replace(signature, foreground="unknown", **vector["input"])
    pixels = framing.to_input(images.decode(base64.b64decode(vector["file"])), unknown)
    assert pixels.shape == unknown.shape
    assert pixels.reshape(len(pixels), -1).tolist() == vector["pixels"]


def test_the_frame_is_learned_from_the_models_own_pictures(signature: Signature) -> None:
    small = Image.new("L", (28, 28), 0)
    small.paste(255, (4, 8, 24, 18))  # 20 of 28 pixels, as MNIST frames its digits
    fill = framing.typical_fill([np.asarray(small)[:, :, np.newaxis]], signature)
    assert fill == pytest.approx(20 / 28)
    page = Image.new("L", (500, 500), 0)
    page.paste(255, (10, 100, 490, 340))
    columns = np.nonzero(framing.to_input(page, signature, fill)[:, :, 0] > 60)[1]
    assert columns.max() - columns.min() + 1 == 20
    assert framing.typical_fill([], signature) == 1.0


def test_the_golden_images_set_the_frame(tmp_path: Path) -> None:
    folder = artifact.write(tmp_path)
    small = Image.new("L", (28, 28), 0)
    small.paste(255, (7, 12, 21, 16))
    (folder / "golden.jsonl").write_text(artifact.golden_line(small) + "\n")
    invocations = Invocations(Model(folder, workers=1), read({}))
    assert invocations._fill == pytest.approx(0.5)


@pytest.fixture(scope="module")
def sample() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Held-out pictures (N, 28, 28) and labels of the shipped sample of Fashion-MNIST."""
    return read_sample("fashion-mnist_test.csv.gz")


def read_sample(name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with gzip.open(SAMPLE / name, "rt", newline="") as file:
        rows = np.array([[int(cell) for cell in row] for row in list(csv.reader(file))[1:]])
    return rows[:, 1:].astype(np.uint8).reshape(-1, 28, 28), rows[:, 0]


@pytest.fixture(scope="module")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A linear classifier of real Fashion-MNIST: ridge regression on the shipped sample."""
    pictures, labels = read_sample("fashion-mnist_train.csv.gz")
    features = pictures.reshape(-1, 784) / 255.0
    mean = features.mean(axis=0)
    centred = features - mean
    wanted = np.eye(10)[labels] - 0.1
    weights = np.linalg.solve(centred.T @ centred + 100 * np.eye(784), centred.T @ wanted)
    onnx = artifact.linear_onnx(10 * weights / 255, -10 * (mean @ weights), (28, 28, 1))
    folder = tmp_path_factory.mktemp("fashion")
    return Model(artifact.write(folder, onnx, classes=[f"class {i}" for i in range(10)]), workers=2)


def test_real_pictures_enlarged_on_white_are_classified_like_the_originals(
    real_model: Model, sample: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    pictures, labels = sample[0][:300], sample[1][:300]
    originals = real_model.probabilities(pictures[..., np.newaxis]).argmax(axis=1)
    assert (originals == labels).mean() > 0.7  # the model knows its trade
    for kernel, least in ((Image.Resampling.NEAREST, 0.97), (Image.Resampling.BICUBIC, 0.9)):
        framed = []
        for pixels in pictures:
            white = ImageOps.invert(Image.fromarray(pixels).resize((280, 280), kernel))
            picture = images.decode(encoded(white))
            framed.append(framing.to_input(picture, real_model.signature))
        answers = real_model.probabilities(np.stack(framed)).argmax(axis=1)
        assert (answers == originals).mean() >= least
