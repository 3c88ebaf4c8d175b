"""What goes back: JSON for one image, for rows, for a line of a batch and for errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.model import Signature

DIGITS = 7  # float32 has no more


def one(probabilities: NDArray[np.float64], signature: Signature) -> bytes:
    """The answer to a single image; `probabilities` (classes,)."""
    return _dump(
        prediction(probabilities, signature)
        | {"model_version": signature.model_version, "dataset": signature.dataset}
    )


def many(probabilities: NDArray[np.float64], signature: Signature) -> bytes:
    """The answer to rows; `probabilities` (N, classes)."""
    return _dump(
        {
            "predictions": [prediction(row, signature) for row in probabilities],
            "model_version": signature.model_version,
            "dataset": signature.dataset,
        }
    )


def prediction(probabilities: NDArray[np.float64], signature: Signature) -> dict[str, Any]:
    """`label`, `probability` and `probabilities` (class name to share) of one row."""
    values = [round(value, DIGITS) for value in probabilities.tolist()]
    best = int(probabilities.argmax())
    return {
        "label": signature.classes[best],
        "probability": values[best],
        "probabilities": dict(zip(signature.classes, values, strict=True)),
    }


def line(content: dict[str, Any]) -> bytes:
    """One line of JSON Lines."""
    return _dump(content) + b"\n"


def error(code: str, message: str) -> bytes:
    """The body of every 4xx and 5xx."""
    return _dump({"error": code, "message": message})


def _dump(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(", ", ": ")).encode()
