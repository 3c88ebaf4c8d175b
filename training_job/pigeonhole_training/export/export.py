"""Keras' model to the files that are kept: model.keras for people, model.onnx for serving."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.export.convert import convert
from pigeonhole_training.export.onnx_model import OnnxModel, check_export
from pigeonhole_training.export.precision import Choice, choose


@dataclass(frozen=True)
class Exported:
    """`difference` is the largest between Keras' probabilities and the float32 ONNX model's;
    `heldout` the probabilities of the model that is kept."""

    difference: float
    choice: Choice
    heldout: Probabilities


def export(
    model: keras.Model,
    folder: Path,
    *,
    quantize: str,
    training: Rows,
    heldout: Rows,
    answers: Probabilities,
) -> Exported:
    """Writes model.keras and model.onnx to `folder`.

    The latter is of a smaller precision if `quantize` asks for one and it answers as well.
    `answers` are Keras' of `heldout`. Raises BadExport.
    """
    kept, path = folder / "model.keras", folder / "model.onnx"
    model.save(kept)
    if keras.backend.backend() == "tensorflow":
        model(np.zeros((1, *heldout.image_shape), np.float32))  # Keras exports what was called
        model.export(path, format="onnx", verbose=False)
    else:
        convert(kept, path)
    difference = check_export(answers, OnnxModel(path).predict(heldout))
    choice = choose(path, quantize, training, heldout, answers)
    answers = answers if choice.probabilities is None else choice.probabilities
    return Exported(difference, choice, answers)
