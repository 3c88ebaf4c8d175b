"""The network for images of all kinds, and the guards around training and export."""

from __future__ import annotations

import os

import numpy as np
import pytest
from pigeonhole_training.config import ResolvedHyperparameters
from pigeonhole_training.data import Rows
from pigeonhole_training.errors import BadExport, Stopped, TrainingDiverged
from pigeonhole_training.onnx_model import check_export
from pigeonhole_training.progress import StopFlag
from pigeonhole_training.version import Shape
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.fit import EpochCallback, fit  # noqa: E402
from pigeonhole_training.network import build_network  # noqa: E402

LOGS = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7}


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


def test_an_epoch_is_one_line_in_the_documented_form(capsys: pytest.CaptureFixture[str]) -> None:
    callback = EpochCallback()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, LOGS)
    line = capsys.readouterr().out
    assert line.startswith(
        "epoch=1; train_loss=0.5000; train_accuracy=0.8000; "
        "validation_loss=0.6000; validation_accuracy=0.7000; seconds="
    )
    assert line.endswith(";\n")


def test_a_loss_that_is_no_number_ends_training() -> None:
    with pytest.raises(TrainingDiverged, match="smaller learning_rate"):
        EpochCallback().on_epoch_end(2, LOGS | {"loss": float("nan")})


def test_a_stop_ends_training_after_the_batch() -> None:
    keras.utils.set_random_seed(0)
    stop = StopFlag()
    stop.set()
    rows = Rows(np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 1, 0, 1], np.int32))
    with pytest.raises(Stopped, match=r"^stopped$"):
        fit(
            build_network(Shape(2, 2, 1), 2),
            rows,
            rows,
            ResolvedHyperparameters(1, 2, 1e-3, 0),
            stop,
        )


def test_an_export_that_answers_otherwise_is_refused() -> None:
    ours = np.array([[0.50002, 0.49998], [0.1, 0.9]], np.float32)
    assert check_export(ours, ours.copy()) == 0.0
    with pytest.raises(BadExport, match="1 of them"):  # within the tolerance, but another class
        check_export(ours, ours[:, ::-1] * [[1, 1], [0, 0]] + ours * [[0, 0], [1, 1]])
    with pytest.raises(BadExport, match=r"0\.001"):
        check_export(ours, ours + np.float32(1e-3))
    with pytest.raises(BadExport):
        check_export(ours, np.full_like(ours, np.nan))
    with pytest.raises(BadExport, match=r"\(2, 1\)"):
        check_export(ours, ours[:, :1])
