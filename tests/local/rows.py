"""Rows of the shipped sample, to make datasets and images from."""

from __future__ import annotations

import gzip
import io
import json
import random
from functools import cache

from PIL import Image

from tests.local.conftest import SAMPLE


@cache
def sample(part: str) -> tuple[str, tuple[str, ...]]:
    """Header and rows of the sample's `train` or `test` file."""
    text = gzip.decompress((SAMPLE / f"fashion-mnist_{part}.csv.gz").read_bytes()).decode()
    header, *rows = text.splitlines()
    return header, tuple(rows)


def class_names() -> list[str]:
    names: list[str] = json.loads((SAMPLE / "dataset.json").read_text())["classes"]
    return names


def csv(part: str, count: int, *, shuffle_labels: bool = False, start: int = 0) -> bytes:
    """`count` rows from `start` on as a CSV; with the labels dealt out anew if asked."""
    header, rows = sample(part)
    chosen = list(rows[start : start + count])
    if shuffle_labels:
        labels = [row.split(",", 1)[0] for row in chosen]
        random.Random(7).shuffle(labels)
        chosen = [
            f"{label},{row.split(',', 1)[1]}" for label, row in zip(labels, chosen, strict=True)
        ]
    return "\n".join([header, *chosen, ""]).encode()


def settings(epochs: int = 3) -> bytes:
    """A dataset.json that trains quickly: good enough to go live, no better."""
    return json.dumps({"classes": class_names(), "hyperparameters": {"epochs": epochs}}).encode()


def picture(row: str) -> tuple[str, bytes]:
    """A row as its label and a PNG of 28 x 28 grey pixels."""
    label, *pixels = row.split(",")
    image = Image.frombytes("L", (28, 28), bytes(map(int, pixels)))
    out = io.BytesIO()
    image.save(out, "PNG")
    return label, out.getvalue()
