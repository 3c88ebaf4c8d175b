"""Image files of every kind in the model's frame, and those that cannot be read."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pigeonhole_training.data.images import (
    PIXEL_LIMIT,
    Header,
    Unreadable,
    decode,
    read_header,
    read_picture,
)
from pigeonhole_training.data.version import Shape
from PIL import Image

FRAMED = json.loads((Path(__file__).parents[2] / "framing.json").read_text())["vectors"]
NOISE = np.random.default_rng(0).integers(0, 256, (9, 12, 4), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\0" * 4


@pytest.mark.parametrize("vector", FRAMED, ids=[vector["name"] for vector in FRAMED])
def test_pictures_are_framed_as_serving_frames_them(vector: dict[str, Any]) -> None:
    shape = Shape(**vector["input"])
    pixels = read_picture(base64.b64decode(vector["file"]), shape)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (shape.height, shape.width, shape.channels)
    assert pixels.reshape(shape.height, -1).tolist() == vector["pixels"]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_lossless_files_of_the_models_size_come_back_bit_for_bit(kind: str) -> None:
    grey = Image.fromarray(NOISE[:, :, 0])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels = read_picture(encoded(grey, kind, **options), Shape(9, 12, 1))
    assert (pixels[:, :, 0] == NOISE[:, :, 0]).all()


def test_the_header_tells_the_upright_size_and_whether_it_can_only_be_grey() -> None:
    on_its_side = Image.Exif()
    on_its_side[0x0112] = 6
    colour = Image.fromarray(NOISE[:, :, :3])
    for body, expected in (
        (encoded(colour), Header(12, 9, False)),
        (encoded(colour, "JPEG", exif=on_its_side), Header(9, 12, False)),
        (encoded(colour.convert("L")), Header(12, 9, True)),
        (encoded(Image.fromarray(NOISE[:, :, 0].astype(np.uint16) * 257)), Header(12, 9, True)),
        (encoded(colour.convert("P")), Header(12, 9, False)),
    ):
        assert read_header(io.BytesIO(body)) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (encoded(Image.fromarray(NOISE[:, :, :3]), "JPEG")[:-40], "truncated"),
        (encoded(Image.fromarray(NOISE))[:-60], "truncated"),
        (png_header(10_000, 10_000), "10000 x 10000 pixels; at most 40 million"),
        (png_header(100, 100), "truncated|damaged"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_few_words(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        decode(body)
    assert len(str(caught.value)) < 100
    assert "\n" not in str(caught.value)


def test_no_more_pixels_are_decoded_than_serving_takes() -> None:
    assert PIXEL_LIMIT == 40_000_000
