"""The training loop: what it prints, and the guards around it."""

from __future__ import annotations

import os

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pool
from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import Stopped, TrainingDiverged
from pigeonhole_training.progress import StopFlag
from pigeonhole_training.recipe import Phase, Recipe
from pigeonhole_training.watching.observer import Run
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.fitting.loop import EpochCallback, fit  # noqa: E402
from pigeonhole_training.models.default import build_network  # noqa: E402

LOGS = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7, "learning_rate": 0.002}


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
    rows = Pool.of(np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 1, 0, 1], np.int32)).rows()
    model = build_network(Shape(2, 2, 1), 2)
    run = Run(
        model=model,
        recipe=Recipe("default", (Phase(1, 1e-3),), batch_size=2),
        training=rows,
        validation=rows,
        classes=("a", "b"),
        steps_per_epoch=2,
        backend="tensorflow",
        devices=(),
        hosts=1,
        precision="float32",
        rows_on_device=False,
    )
    with pytest.raises(Stopped, match=r"^stopped$"):
        fit(model, run, stop)
