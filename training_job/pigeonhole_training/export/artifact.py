"""The artifact's files, written and read; their contract is in docs/architecture.md.

model.onnx         the network, rescaling inside
model.json         what it takes and names, and where it comes from
golden.jsonl       held-out images with the probabilities that the model must answer
trained_rows.bin   sorted digests of every row that it has seen
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pigeonhole_training.data.rows import Digests, Pixels, Probabilities, Rows
from pigeonhole_training.errors import BadData

MODEL_FORMAT = 2  # 1: whoever ran the model applied the temperature
MODEL_FILES = ("model.onnx", "golden.jsonl", "trained_rows.bin", "model.json")
GOLDEN_IMAGES = 32
GOLDEN_BYTES = 1_500_000  # each is sent to a new endpoint before it gets traffic
POLARITY_ROWS = 2_000
DARK_BELOW, LIGHT_ABOVE = 64, 191
POLARITY_SHARE = 0.8

_PNG_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Readable, and refuses NaN: it is not JSON, and what reads it is not Python alone."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_trained_rows(path: Path, digests: Digests) -> None:
    """Sorted, each once, 8 bytes big-endian: the bytes' order is the numbers' order."""
    path.write_bytes(np.unique(digests).astype(">u8").tobytes())


def read_trained_rows(path: Path) -> Digests:
    """What `write_trained_rows` wrote. Raises ValueError when it is cut short."""
    return np.frombuffer(path.read_bytes(), ">u8").astype(np.uint64)


def write_golden(
    path: Path,
    rows: Sequence[int],
    heldout: Rows,
    probabilities: Probabilities,
    classes: tuple[str, ...],
) -> None:
    """A line for each of `rows`: the image as PNG, its true class, the probabilities for it.

    What would make the file larger than 1.5 MB is left out; one line there is always.
    """
    lines: list[bytes] = []
    smallest: bytes | None = None
    left = GOLDEN_BYTES
    for row in rows:
        content = {
            "png": base64.b64encode(png(heldout.take(np.array([row]))[0])).decode("ascii"),
            "label": classes[heldout.labels[row]],
            "probabilities": [float(p) for p in probabilities[row]],
        }
        line = (json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n").encode()
        if len(line) <= left:
            lines.append(line)
            left -= len(line)
        if smallest is None or len(line) < len(smallest):
            smallest = line
    path.write_bytes(b"".join(lines) or smallest or b"")


def choose_golden(labels: NDArray[np.int32], limit: int = GOLDEN_IMAGES) -> list[int]:
    """Up to `limit` rows, as many of each class as there are, the earliest first."""
    by_class = [np.flatnonzero(labels == c).tolist() for c in np.unique(labels)]
    rounds = max(map(len, by_class), default=0)
    chosen = [rows[i] for i in range(rounds) for rows in by_class if i < len(rows)]
    return chosen[:limit]


def png(image: Pixels) -> bytes:
    """One uint8 image `(H, W, C)` as PNG, lossless, of exactly these channels."""
    channels = image.shape[2]
    if channels not in _PNG_MODES:
        raise BadData(f"an image of {channels} channels cannot be written as PNG")
    file = io.BytesIO()
    Image.fromarray(image[:, :, 0] if channels == 1 else image).save(file, "PNG", optimize=True)
    return file.getvalue()


def foreground(rows: Rows) -> str:
    """`light` for light figures on a dark ground, `dark` for the opposite, else `unknown`.

    The ground is what an image's outermost pixels show (their median). Four images in five must
    agree, and photographs, whose edges show anything, do not.
    """
    step = max(1, -(-len(rows) // POLARITY_ROWS))
    ground = np.concatenate(
        [_ground(pixels) for pixels in Rows(rows.pool, rows.positions[::step]).chunks(64)]
    )
    if (ground < DARK_BELOW).mean() >= POLARITY_SHARE:
        return "light"
    if (ground > LIGHT_ABOVE).mean() >= POLARITY_SHARE:
        return "dark"
    return "unknown"


def _ground(pixels: Pixels) -> NDArray[np.float64]:
    """The median of each image's edge, `(N,)`; channels count as their mean."""
    edges = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
    return np.median(np.concatenate([edge.mean(axis=2) for edge in edges], axis=1), axis=1)


def publish(staged: Path, target: Path, names: Sequence[str]) -> None:
    """Moves finished files to `target`, in this order, each whole or not at all.

    What lies in the model folder is uploaded even when the job is stopped, so nothing is written
    there piece by piece. The folders may be on different disks, hence the copy.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        partial = target / f".{name}.partial"
        try:
            shutil.copyfile(staged / name, partial)
            os.replace(partial, target / name)
        finally:
            partial.unlink(missing_ok=True)


def publish_folder(staged: Path, target: Path) -> None:
    """Moves a finished folder below `target`, under its name, as a whole or not at all.

    What an interrupted job left there gives way to it.
    """
    target.mkdir(parents=True, exist_ok=True)
    partial = target / f".{staged.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(staged, partial)
        shutil.rmtree(target / staged.name, ignore_errors=True)
        os.replace(partial, target / staged.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
