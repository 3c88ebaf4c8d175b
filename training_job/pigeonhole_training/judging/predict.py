"""A network's answers to rows, a few at a time: memory does not grow with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.export.onnx_model import rows_a_call
from pigeonhole_training.progress import StopFlag

if TYPE_CHECKING:
    import keras


def predict(model: keras.Model, rows: Rows, stop: StopFlag) -> Probabilities:
    """The probabilities of `rows`, float32 `(N, classes)`; N is at least 1. Raises Stopped."""
    size = rows_a_call(rows.image_shape)
    parts: list[Probabilities] = []
    for pixels in rows.chunks(size):
        stop.check()
        batch = pixels.astype(np.float32)
        if parts and len(batch) < size:
            # one size of batch is one compiled program
            batch = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), "f4")])
        parts.append(np.asarray(model.predict_on_batch(batch), np.float32)[: len(pixels)])
    return np.concatenate(parts)
