"""The artifact's files, written and read; their contract is in docs/architecture.md.

model.onnx         the network, rescaling inside
model.json         what it takes and names, and where it comes from
golden.jsonl       held-out images with Keras' own probabilities
trained_rows.bin   sorted digests of every row that it has seen
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Digests, Pixels, Probabilities, Rows
from pigeonhole_training.errors import BadData

MODEL_FILES = ("model.onnx", "golden.jsonl", "trained_rows.bin", "model.json")
GOLDEN_IMAGES = 32
POLARITY_ROWS = 2_000
DARK_BELOW, LIGHT_ABOVE = 64, 191
POLARITY_SHARE = 0.8

_PNG_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type: grey, grey+alpha, RGB, RGBA


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
    """A line for each of `rows`: the image as PNG, its true class, Keras' probabilities for it."""
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            line = {
                "png": base64.b64encode(png(heldout.take(np.array([row]))[0])).decode("ascii"),
                "label": classes[heldout.labels[row]],
                "probabilities": [float(p) for p in probabilities[row]],
            }
            out.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def choose_golden(labels: NDArray[np.int32], limit: int = GOLDEN_IMAGES) -> list[int]:
    """Up to `limit` rows, as many of each class as there are, the earliest first."""
    by_class = [np.flatnonzero(labels == c).tolist() for c in np.unique(labels)]
    rounds = max(map(len, by_class), default=0)
    chosen = [rows[i] for i in range(rounds) for rows in by_class if i < len(rows)]
    return chosen[:limit]


def png(image: Pixels) -> bytes:
    """One uint8 image `(H, W, C)` as PNG, lossless, of exactly these channels.

    Source: PNG (Third Edition), W3C: 8 bits a sample, filter 0 on every line.
    """
    height, width, channels = image.shape
    if channels not in _PNG_COLOUR:
        raise BadData(f"an image of {channels} channels cannot be written as PNG")
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_COLOUR[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in image)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def foreground(rows: Rows) -> str:
    """`light` for light figures on a dark ground, `dark` for the opposite, else `unknown`.

    The ground is what an image's outermost pixels show (their median). Four images in five must
    agree, and photographs, whose edges show anything, do not.
    """
    some = rows.take(slice(None, None, max(1, len(rows) // POLARITY_ROWS))).mean(axis=3)
    edge = np.concatenate([some[:, 0], some[:, -1], some[:, :, 0], some[:, :, -1]], axis=1)
    ground = np.median(edge, axis=1)
    if (ground < DARK_BELOW).mean() >= POLARITY_SHARE:
        return "light"
    if (ground > LIGHT_ABOVE).mean() >= POLARITY_SHARE:
        return "dark"
    return "unknown"


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
