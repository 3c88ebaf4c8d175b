"""A smaller precision is kept only where it answers the held-out rows as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.export.onnx_model import OnnxModel
from pigeonhole_training.export.precision import choose

SIDE, HIDDEN = 4, 64
VALUES = SIDE * SIDE
LABELS = (np.arange(600) % 2).astype(np.int32)
# The left half is lighter than the right one in class 0, darker in class 1.
PIXELS = np.random.default_rng(0).integers(0, 100, (600, SIDE, SIDE, 1), dtype=np.uint8)
PIXELS[LABELS == 0, :, :2] += 100
PIXELS[LABELS == 1, :, 2:] += 100
PIXELS[:, 0, 0] = 0
ROWS = Pool.of(PIXELS, LABELS).rows()


def network(
    path: Path, *, outlier: float = 0.0, scale: float = 1.0, units: int = HIDDEN
) -> OnnxModel:
    """Writes a network that is right about all of `ROWS`, and loads it.

    `outlier` is the first layer's weight of a pixel that is always 0; its other weights are divided
    by `scale`, which the second layer makes up for. `units` is the first layer's size.
    """
    hidden = np.zeros((SIDE, SIDE, units), np.float32)
    hidden[:, :2, ::2] = hidden[:, 2:, 1::2] = 0.01 / scale
    hidden[0, 0] = outlier
    last = np.zeros((units, 2), np.float32)
    last[::2, 0] = last[1::2, 1] = 0.1 * scale
    weights = {"hidden": hidden.reshape(VALUES, units), "last": last}
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"], name="flatten"),
            helper.make_node("MatMul", ["flat", "hidden"], ["sums"], name="first"),
            helper.make_node("Relu", ["sums"], ["features"], name="relu"),
            helper.make_node("MatMul", ["features", "last"], ["logits"], name="second"),
            helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax"),
        ],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, SIDE, SIDE, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return OnnxModel(path)


@pytest.mark.parametrize(("asked", "precision"), [("fp16", "float16"), ("int8", "int8")])
def test_a_precision_that_answers_as_well_is_kept(
    tmp_path: Path, asked: str, precision: str
) -> None:
    path = tmp_path / "model.onnx"
    exact = network(path).predict(ROWS)
    choice = choose(path, asked, ROWS, ROWS, exact)
    assert choice.precision == precision
    before, after = choice.candidates
    assert (before.precision, before.accuracy) == ("float32", 1.0)
    assert (after.precision, after.accuracy) == (precision, 1.0)
    assert path.stat().st_size == after.bytes
    assert choice.probabilities is not None
    np.testing.assert_array_equal(choice.probabilities, OnnxModel(path).predict(ROWS))
    assert [left.name for left in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("asked", "flaw"),
    [
        ("int8", {"outlier": 1e4}),  # beside it the other weights round to 0
        ("fp16", {"scale": 1e7}),  # 16 bits hold nothing so small
        ("auto", {"outlier": 1e4, "scale": 1e7}),
    ],
)
def test_a_precision_that_answers_worse_is_left(
    tmp_path: Path, asked: str, flaw: dict[str, Any]
) -> None:
    path = tmp_path / "model.onnx"
    exact = network(path, **flaw).predict(ROWS)
    content = path.read_bytes()
    choice = choose(path, asked, ROWS, ROWS, exact)
    assert (choice.precision, choice.probabilities) == ("float32", None)
    assert path.read_bytes() == content
    float32, *tried = choice.candidates
    assert float32.accuracy == 1.0
    assert all(candidate.accuracy < 0.999 for candidate in tried)
    assert len(tried) == (2 if asked == "auto" else 1)
    assert "more than 0.1 point is lost" in choice.reason
    assert choice.reason.endswith("float32 is kept")
    assert [left.name for left in tmp_path.iterdir()] == ["model.onnx"]


def test_a_precision_that_saves_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    exact = network(path, units=2).predict(ROWS)  # so small that scales take more than they save
    choice = choose(path, "int8", ROWS, ROWS, exact)
    assert choice.precision == "float32"
    assert "no smaller" in choice.reason
    assert [left.name for left in tmp_path.iterdir()] == ["model.onnx"]


def test_a_precision_that_cannot_be_made_costs_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    exact = network(path).predict(ROWS)
    content = path.read_bytes()
    nothing = Rows(ROWS.pool, ROWS.positions[:0])  # to take the ranges of int8 from
    choice = choose(path, "auto", nothing, ROWS, exact)
    assert choice.precision == "float16"
    choice = choose(_written(path, content), "int8", nothing, ROWS, exact)
    assert choice.precision == "float32"
    assert choice.reason.startswith("int8 cannot be made: ")
    assert path.read_bytes() == content
    assert [left.name for left in tmp_path.iterdir()] == ["model.onnx"]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
