"""Artifacts made on the spot: a linear classifier as ONNX, written without the `onnx` package.

The bytes follow onnx.proto3 (message and field numbers beside each call): Flatten, MatMul, Add,
Softmax; opset 13.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

JOB = "pigeonhole-local-bars-0123456789ab-2"


def varint(number: int) -> bytes:
    """A non-negative integer in protobuf's base 128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    """One protobuf field: an integer, or length-delimited bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def _tensor(name: str, values: NDArray[Any]) -> bytes:
    dims = b"".join(field(1, size) for size in values.shape)
    return dims + field(2, 1) + field(8, name) + field(9, values.astype("<f4").tobytes())


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    names = b"".join(field(1, name) for name in inputs)
    return names + field(2, output) + field(4, kind)


def _value(name: str, shape: list[int | str]) -> bytes:
    dims = b"".join(field(1, field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def linear_onnx(weights: NDArray[Any], bias: NDArray[Any], shape: tuple[int, int, int]) -> bytes:
    """softmax(pixels @ weights + bias): weights (H*W*C, classes), input (N, H, W, C)."""
    nodes = [
        _node("Flatten", ["images"], "flat"),
        _node("MatMul", ["flat", "weights"], "scores"),
        _node("Add", ["scores", "bias"], "logits"),
        _node("Softmax", ["logits"], "probabilities"),
    ]
    graph = (
        b"".join(field(1, node) for node in nodes)
        + field(2, "linear")
        + field(5, _tensor("weights", weights))
        + field(5, _tensor("bias", bias))
        + field(11, _value("images", ["N", *shape]))
        + field(12, _value("probabilities", ["N", len(bias)]))
    )
    return field(1, 7) + field(7, graph) + field(8, field(2, 13))


def bars_onnx() -> bytes:
    """Tells a light wide bar from a light tall one on 28 x 28: compares the sides with top and
    bottom."""
    weights = np.zeros((28, 28, 2), np.float32)
    weights[:, :6, 1] = weights[:, -6:, 1] = 1
    weights[:6, :, 0] = weights[-6:, :, 0] = 1
    return linear_onnx(weights.reshape(784, 2) / 5000, np.zeros(2), (28, 28, 1))


def model_json(**changes: Any) -> dict[str, Any]:
    """`model.json` of the bars model, with `changes` on top; `input` is merged."""
    shape = {"height": 28, "width": 28, "channels": 1, "range": [0, 255], "foreground": "light"}
    content = {
        "format": 2,
        "classes": ["Tall", "Wide"],
        "temperature": 1.0,
        "precision": "float32",
        "preset": "default",
        "metrics": {"heldout_accuracy": 1.0, "heldout_rows": 2},
        "dataset": "bars",
        "dataset_version": "0123456789ab" + "0" * 52,
        "training_job": JOB,
        "code_version": "1",
    }
    return content | changes | {"input": shape | changes.get("input", {})}


def write(folder: Path, onnx: bytes | None = None, **changes: Any) -> Path:
    """An artifact in `folder`; `changes` go into model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(bars_onnx() if onnx is None else onnx)
    (folder / "model.json").write_text(json.dumps(model_json(**changes)), encoding="utf-8")
    return folder


def bar(kind: str, size: tuple[int, int] = (28, 28)) -> Image.Image:
    """A light bar, `Wide` or `Tall`, across the middle of a dark picture of `size` (w, h)."""
    width, height = size
    picture = Image.new("L", size, 0)
    across = (0, height * 2 // 5, width, height * 3 // 5)
    down = (width * 2 // 5, 0, width * 3 // 5, height)
    picture.paste(230, across if kind == "Wide" else down)
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def golden_line(picture: Image.Image) -> str:
    """A line of golden.jsonl."""
    png = base64.b64encode(encoded(picture)).decode()
    return json.dumps({"png": png, "label": "Wide", "probabilities": [0.1, 0.9]})
