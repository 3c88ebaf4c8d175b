"""The ONNX side: export from Keras, the check that both answer alike, and running a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.errors import BadExport

TOLERANCE = 1e-4


class OnnxModel:
    """A `model.onnx`: float32 `(N, H, W, C)` 0-255 in, float32 `(N, classes)` out."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; warnings are about graph clean-ups
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def predict(self, rows: Rows) -> Probabilities:
        """Probabilities, float32 `(N, classes)`; N is at least 1."""
        parts = [
            self._session.run(None, {self._input: pixels.astype(np.float32)})[0]
            for pixels in rows.chunks()
        ]
        return np.concatenate(parts)


def check_export(ours: Probabilities, exported: Probabilities) -> float:
    """The largest difference between Keras' and the exported model's answers to the same rows.

    Raises BadExport when it is above 1e-4 or any row gets another class.
    """
    if ours.shape != exported.shape:
        raise BadExport(f"the ONNX model answers {exported.shape}, Keras {ours.shape}")
    difference = float(np.abs(ours - exported).max())
    other = int((ours.argmax(axis=1) != exported.argmax(axis=1)).sum())
    # written so that a difference that is not a number fails too
    if not difference <= TOLERANCE or other:
        raise BadExport(
            f"the ONNX model differs from Keras by {difference:.2g} on {len(ours)} held-out rows "
            f"({other} of them get another class); at most {TOLERANCE} is accepted"
        )
    return difference
