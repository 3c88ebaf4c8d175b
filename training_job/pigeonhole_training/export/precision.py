"""Smaller exports, kept only where they answer as well.

float16   every large tensor of weights is stored in half the bytes; ONNX Runtime widens it when it
          loads the model, so that computing is float32's, as fast and as exact
int8      weights and the values between the layers are whole numbers of 8 bits (QDQ, static: the
          ranges are those that training rows show); a quarter of the bytes, and faster where the
          CPU multiplies them

Input and output stay float32, and the last matrix product, the temperature and the softmax are
never quantised: probabilities of 8 bits would be steps. Weights get 7 bits of the 8: with 8, CPUs
without VNNI saturate, and what was measured here would not hold there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pigeonhole_training.data.rows import Probabilities, Rows
from pigeonhole_training.export.onnx_model import OnnxModel, rows_a_call

TRIED = {"none": (), "fp16": ("float16",), "int8": ("int8",), "auto": ("int8", "float16")}
MAY_LOSE = 0.001  # of the accuracy: 0.1 point
CALIBRATION_ROWS = 512
BATCHES = (1, 32)  # images a call that the speed is measured with
LONGEST_REASON = 300  # characters of what a converter says
SMALL = 256  # values; tensors below are shapes, biases and the like
QUANTISED = ("Conv", "Gemm", "MatMul", "Add", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu")
FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class Candidate:
    """One precision as it was measured on the held-out rows. `images_per_second` by images a call,
    on one thread of the training machine."""

    precision: str
    bytes: int
    accuracy: float
    images_per_second: dict[str, float]


@dataclass(frozen=True)
class Choice:
    """`asked` is the hyperparameter; `reason` a sentence for people. `probabilities` are the chosen
    model's of the held-out rows, None for float32, where they are Keras' own."""

    asked: str
    precision: str
    reason: str
    candidates: tuple[Candidate, ...]
    probabilities: Probabilities | None = None


def choose(path: Path, asked: str, training: Rows, heldout: Rows, exact: Probabilities) -> Choice:
    """Replaces the model at `path` by the asked precision if that loses at most 0.1 point.

    `exact` are the float32 model's probabilities of `heldout`. "auto" takes int8 where it is
    allowed and faster, else float16 where that is allowed, else float32. A precision that the model
    cannot be converted to is refused like one that answers worse: no trained model is lost over it.
    """
    accuracy = _accuracy(exact, heldout)
    candidates = [_measured("float32", path, accuracy, heldout)]
    refused = []
    for precision in TRIED[asked]:
        smaller = path.with_suffix(f".{precision}.onnx")
        try:
            _convert(path, smaller, precision, training)
            answers = OnnxModel(smaller).predict(heldout)
            found = _measured(precision, smaller, _accuracy(answers, heldout), heldout)
        except Exception as error:  # whatever the converter or ONNX Runtime raises
            first = (str(error).splitlines() or [""])[0][:LONGEST_REASON]
            refused.append(f"{precision} cannot be made: {type(error).__name__}: {first}")
            smaller.unlink(missing_ok=True)
            continue
        candidates.append(found)
        lost = accuracy - found.accuracy
        sentence = (
            f"{precision} answers {found.accuracy:.4f} of {len(heldout)} held-out rows right, "
            f"float32 {accuracy:.4f}"
        )
        if not np.isfinite(answers).all() or lost > MAY_LOSE + 1e-9:
            refused.append(f"{sentence}: more than 0.1 point is lost")
        elif found.bytes >= candidates[0].bytes:
            refused.append(f"{sentence}, but it is no smaller")
        elif asked == "auto" and precision == "int8" and not _faster(found, candidates[0]):
            refused.append(f"{sentence}, but it is no faster")
        else:
            smaller.replace(path)
            return Choice(asked, precision, sentence, tuple(candidates), answers)
        smaller.unlink()
    reason = "; ".join([*refused, "float32 is kept"]) if refused else "float32 was asked for"
    return Choice(asked, "float32", reason, tuple(candidates))


def _convert(source: Path, target: Path, precision: str, training: Rows) -> None:
    if precision == "int8":
        to_int8(source, target, training)
    else:
        to_float16_weights(source, target)


def _accuracy(probabilities: Probabilities, rows: Rows) -> float:
    return round(float((probabilities.argmax(axis=1) == rows.labels).mean()), 6)


def _measured(precision: str, path: Path, accuracy: float, rows: Rows) -> Candidate:
    model = OnnxModel(path, threads=1)
    speed = {str(batch): round(model.images_a_second(rows, batch), 1) for batch in BATCHES}
    return Candidate(precision, path.stat().st_size, accuracy, speed)


def _faster(one: Candidate, other: Candidate) -> bool:
    return all(one.images_per_second[b] > speed for b, speed in other.images_per_second.items())


def to_float16_weights(source: Path, target: Path) -> None:
    """Stores large float32 weights as float16, each with a Cast in front of its users."""
    model = onnx.load(source)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL or np.abs(values).max() > FLOAT16_MAX:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}:float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)


class _Reader:
    """Training rows as ONNX Runtime's calibrator wants them: one feed at a time, then None."""

    def __init__(self, name: str, rows: Rows) -> None:
        spread = np.unique(np.linspace(0, len(rows) - 1, CALIBRATION_ROWS).astype(np.int64))
        self._feeds = self._read(name, Rows(rows.pool, rows.positions[spread]))

    @staticmethod
    def _read(name: str, rows: Rows) -> Iterator[dict[str, Any]]:
        for pixels in rows.chunks(max(1, rows_a_call(rows.image_shape) // 16)):
            yield {name: pixels.astype(np.float32)}

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def to_int8(source: Path, target: Path, training: Rows) -> None:
    """Static quantisation by ONNX Runtime; the ranges are those of up to 512 training rows."""
    from onnxruntime import quantization  # noqa: PLC0415

    model = onnx.load(source)
    quantization.quantize_static(
        model,
        str(target),
        _Reader(model.graph.input[0].name, training),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(QUANTISED),
        per_channel=True,
        reduce_range=True,
        nodes_to_exclude=_head(model),
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )


def _head(model: onnx.ModelProto) -> list[str]:
    """The names of the last matrix product and of all nodes after it."""
    nodes = list(model.graph.node)
    products = [i for i, node in enumerate(nodes) if node.op_type in ("MatMul", "Gemm", "Conv")]
    last = products[-1] if products else 0
    return [node.name for node in nodes[last:]]
