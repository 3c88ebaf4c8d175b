"""The ONNX side: the check that an export answers as Keras does, and running a model."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.errors import BadExport

TOLERANCE = 1e-4
CALL_BYTES = 16 << 20  # of one call's float32 pixels; a network's own values are some 20 times that
CALL_ROWS = 512
SPEED_SECONDS = 0.15


def rows_a_call(image_shape: tuple[int, int, int]) -> int:
    """How many images of this height, width and channels go through a network at once."""
    fits = CALL_BYTES // (4 * int(np.prod(image_shape)))
    return min(CALL_ROWS, 1 << max(0, fits.bit_length() - 1))


class OnnxModel:
    """A `model.onnx`: float32 `(N, H, W, C)` 0-255 in, float32 `(N, classes)` out."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        """`threads` a call; 0 is one a core."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; warnings are about graph clean-ups
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def predict(self, rows: Rows) -> Probabilities:
        """Probabilities, float32 `(N, classes)`; N is at least 1."""
        parts = [
            self._session.run(None, {self._input: pixels.astype(np.float32)})[0]
            for pixels in rows.chunks(rows_a_call(rows.image_shape))
        ]
        return np.concatenate(parts)

    def images_a_second(self, rows: Rows, batch: int) -> float:
        """How fast `batch` of `rows` at a time are answered, by the best of the calls that fit in a
        moment: what else the machine does makes calls slower, never faster."""
        pixels = rows.take(np.arange(batch) % len(rows)).astype(np.float32)
        self._session.run(None, {self._input: pixels})
        best, end = np.inf, time.perf_counter() + SPEED_SECONDS
        while best == np.inf or time.perf_counter() < end:
            start = time.perf_counter()
            self._session.run(None, {self._input: pixels})
            best = min(best, time.perf_counter() - start)
        return batch / best


def check_export(ours: Probabilities, exported: Probabilities) -> float:
    """The largest difference between Keras' and the exported model's answers to the same rows.

    Raises BadExport when it is above 1e-4. (Within that, rows whose two best classes are as good as
    equal may change sides.)
    """
    if ours.shape != exported.shape:
        raise BadExport(f"the ONNX model answers {exported.shape}, Keras {ours.shape}")
    difference = float(np.abs(ours - exported).max())
    # written so that a difference that is not a number fails too
    if not difference <= TOLERANCE:
        other = int((ours.argmax(axis=1) != exported.argmax(axis=1)).sum())
        raise BadExport(
            f"the ONNX model differs from Keras by {difference:.2g} on {len(ours)} held-out rows "
            f"({other} of them get another class); at most {TOLERANCE} is accepted"
        )
    return difference
