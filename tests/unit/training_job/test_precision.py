"""Smaller exports are kept where they answer as well, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.export.onnx_model import OnnxModel
from pigeonhole_training.export.precision import Choice, choose

HIDDEN = 64


def network(path: Path, first: np.ndarray, last: np.ndarray) -> Path:
    """softmax(relu(pixels @ first) @ last): images of 1 x 4 grey pixels, two classes."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"], "flatten"),
            helper.make_node("MatMul", ["flat", "first"], ["sums"], "first"),
            helper.make_node("Relu", ["sums"], ["hidden"], "relu"),
            helper.make_node("MatMul", ["hidden", "last"], ["logits"], "last"),
            helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax"),
        ],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 4, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [
            numpy_helper.from_array(first.astype(np.float32), "first"),
            numpy_helper.from_array(last.astype(np.float32), "last"),
        ],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def weights(second_pixel: float = 1.0, first_pixel: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Of a network that compares the second pixel with 127.5 (the fourth is always 255).

    The first pixel's hidden values say nothing; the larger they are, the coarser are the steps
    that 8 bits leave the others, which share their range.
    """
    first, last = np.zeros((4, HIDDEN)), np.zeros((HIDDEN, 2))
    first[1, :8] = second_pixel
    first[3, 8:16] = second_pixel
    first[0, 16:24] = first_pixel
    last[:8, 1] = 0.01 / second_pixel
    last[8:16, 0] = 0.005 / second_pixel
    return first, last


def rows(count: int, seed: int) -> Rows:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 1, 4, 1), dtype=np.uint8)
    pixels[:, 0, 3] = 255
    return Pool.of(pixels, (pixels[:, 0, 1, 0] > 127).astype(np.int32)).rows()


TRAINING, HELDOUT = rows(300, 1), rows(1000, 2)


def chosen(path: Path, asked: str, **of_weights: Any) -> Choice:
    network(path, *weights(**of_weights))
    return choose(path, asked, TRAINING, HELDOUT, OnnxModel(path).predict(HELDOUT))


def types(path: Path) -> tuple[str, str]:
    session = onnxruntime.InferenceSession(path)
    return session.get_inputs()[0].type, session.get_outputs()[0].type


def test_float32_is_what_nobody_asked_to_change(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    choice = chosen(path, "none")
    before = network(tmp_path / "again.onnx", *weights()).read_bytes()
    assert path.read_bytes() == before
    assert (choice.precision, choice.probabilities) == ("float32", None)
    (only,) = choice.candidates
    assert (only.precision, only.bytes, only.accuracy) == ("float32", len(before), 1.0)
    assert set(only.images_per_second) == {"1", "32"}


def test_float16_halves_the_weights_and_hardly_moves_a_probability(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    choice = chosen(path, "fp16")
    assert choice.precision == "float16"
    assert types(path) == ("tensor(float)", "tensor(float)")
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert TensorProto.FLOAT16 in kinds
    assert choice.probabilities is not None
    np.testing.assert_array_equal(choice.probabilities, OnnxModel(path).predict(HELDOUT))
    exact = OnnxModel(network(tmp_path / "exact.onnx", *weights())).predict(HELDOUT)
    assert np.abs(choice.probabilities - exact).max() < 1e-2
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("model.")] == ["model.onnx"]


def test_int8_computes_in_whole_numbers_and_answers_float32(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    choice = chosen(path, "int8")
    assert choice.precision == "int8"
    assert choice.candidates[1].accuracy >= 0.999
    assert types(path) == ("tensor(float)", "tensor(float)")
    nodes = [node.op_type for node in onnx.load(path).graph.node]
    assert "QuantizeLinear" in nodes
    assert nodes[-1] == "Softmax"
    assert choice.probabilities is not None
    assert len(np.unique(choice.probabilities)) > 200  # not 8 bits of probability


def test_int8_that_breaks_the_model_is_refused_with_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    choice = chosen(path, "int8", first_pixel=2000.0)
    assert choice.precision == "float32"
    exact, broken = choice.candidates
    assert exact.accuracy == 1.0
    assert broken.accuracy < 0.9
    assert f"int8 answers {broken.accuracy:.4f} of 1000 held-out rows right" in choice.reason
    assert "more than 0.1 point is lost; float32 is kept" in choice.reason
    original = network(tmp_path / "again.onnx", *weights(first_pixel=2000.0))
    assert path.read_bytes() == original.read_bytes()


def test_auto_takes_float16_where_int8_breaks_the_model(tmp_path: Path) -> None:
    choice = chosen(tmp_path / "model.onnx", "auto", first_pixel=2000.0)
    assert choice.precision == "float16"
    assert [c.precision for c in choice.candidates] == ["float32", "int8", "float16"]


def test_weights_that_float16_cannot_hold_are_refused_too(tmp_path: Path) -> None:
    choice = chosen(tmp_path / "model.onnx", "fp16", second_pixel=1e-9)  # they become 0
    assert choice.precision == "float32"
    assert choice.candidates[1].accuracy < 0.9


def test_one_row_in_a_thousand_may_be_lost_and_two_may_not(tmp_path: Path) -> None:
    path = network(tmp_path / "model.onnx", *weights())
    answers = OnnxModel(path).predict(HELDOUT)
    labels = HELDOUT.labels.copy()
    wrong = np.flatnonzero(answers.argmax(axis=1) == labels)
    for count, precision in ((1, "float16"), (2, "float32")):
        # `count` rows of which float32 is said to be right and float16 is not
        changed = labels.copy()
        changed[wrong[:count]] = 1 - changed[wrong[:count]]
        heldout = Pool.of(HELDOUT.pool.pixels, changed).rows()
        exact = answers.copy()
        exact[wrong[:count]] = exact[wrong[:count], ::-1]
        network(path, *weights())
        assert choose(path, "fp16", TRAINING, heldout, exact).precision == precision
