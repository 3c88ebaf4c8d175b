"""Rows of a CSV of labels and pixels as pictures."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """A square grey picture: `label` as the CSV writes it, `pixels` row by row, one byte each."""

    label: str
    pixels: bytes

    def png(self) -> bytes:
        """The picture as a PNG file."""
        side = math.isqrt(len(self.pixels))
        out = io.BytesIO()
        Image.frombytes("L", (side, side), self.pixels).save(out, "PNG")
        return out.getvalue()


def read_pictures(path: Path) -> Iterator[Picture]:
    """The rows, in order, of a CSV (or .csv.gz) with a header line and the label first."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = csv.reader(file)
        next(rows)
        for label, *values in rows:
            yield Picture(label, bytes(map(int, values)))
