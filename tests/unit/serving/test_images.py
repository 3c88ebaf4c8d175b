from __future__ import annotations

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from serving import images
from serving.errors import BadRequest, TooLarge
from tests.unit.serving.artifact import bar, encoded

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8))


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG of the given header; `rows` as they stand, filter bytes included."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(rows)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG"])
def test_each_format_is_known_by_its_bytes(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = NOISE.convert("L") if kind in ("GIF", "JPEG") else NOISE
    body = encoded(picture, kind, **options)
    assert images.sniff(body) == kind
    decoded = images.decode(body)
    assert decoded.size == (30, 40)
    tolerance = 60 if kind == "JPEG" else 0
    difference = np.asarray(decoded.convert("RGB"), int) - np.asarray(picture.convert("RGB"), int)
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize(
    "body",
    [
        b"label,pixel1\n1,2\n",
        b"BM is how this note begins",
        b"\x00" * 100,
        b"RIFF1234WAVE",
        b"%PDF",
    ],
)
def test_what_is_no_image_is_refused_with_the_formats(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        images.decode(body)
    assert refused.value.code == "not_an_image"
    assert "PNG, JPEG" in refused.value.message


def test_a_phones_heic_is_named() -> None:
    with pytest.raises(BadRequest, match="HEIC"):
        images.decode(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 50)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_file_that_breaks_off_is_refused_wherever_it_does(kind: str) -> None:
    body = encoded(NOISE, kind)
    for end in (16, 40, len(body) // 2):
        with pytest.raises(BadRequest) as refused:
            images.decode(body[:end])
        assert refused.value.code == "damaged_image"
        assert "again" in refused.value.message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_garbled_bytes_are_an_answer_never_a_crash(kind: str) -> None:
    generator = np.random.default_rng(7)
    body = np.frombuffer(encoded(NOISE, kind), np.uint8)
    for _ in range(60):
        garbled = body.copy()
        places = generator.integers(8, len(body), 6)
        garbled[places] = generator.integers(0, 256, 6)
        with contextlib.suppress(BadRequest, TooLarge):
            images.decode(garbled.tobytes())


def test_a_bomb_is_refused_from_its_header() -> None:
    with pytest.raises(TooLarge) as refused:
        images.decode(png(30_000, 30_000, 8, 2))  # no pixels follow: none were looked for
    assert refused.value.status == 413
    assert refused.value.code == "image_too_large"
    assert "30000 x 30000" in refused.value.message


def test_a_large_photograph_is_reduced_while_it_is_read() -> None:
    large = NOISE.convert("L").resize((2400, 3200), Image.Resampling.NEAREST)
    for kind in ("JPEG", "PNG"):
        decoded = images.decode(encoded(large, kind))
        assert images.WORKING_SIDE <= max(decoded.size) < 2 * images.WORKING_SIDE
        assert decoded.width / decoded.height == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 180), (6, 270), (8, 90)])
def test_exif_orientation_is_undone(orientation: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = bar("Wide", (60, 40))
    stored.paste(120, (0, 0, 10, 10))
    upright = stored.rotate(turn, expand=True)
    decoded = images.decode(encoded(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(upright))


def test_sixteen_bits_become_eight_without_loss() -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wide = Image.fromarray(eight.astype(np.uint16) * 257)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(np.asarray(images.decode(encoded(wide, kind))), eight)


def test_sixteen_bit_colour_becomes_eight() -> None:
    rows = b"\x00" + struct.pack(">6H", 0, 0x8080, 0xFFFF, 0xFFFF, 0, 0x8080)
    decoded = images.decode(png(2, 1, 16, 2, rows))
    assert list(np.asarray(decoded).reshape(-1)) == [0, 128, 255, 255, 0, 128]


def test_float_tiff_is_read_as_shares_of_white() -> None:
    shares = Image.fromarray(np.array([[0, 0.5, 1.0]], np.float32))
    assert np.asarray(images.decode(encoded(shares, "TIFF"))).tolist() == [[0, 128, 255]]


def test_palette_bilevel_and_cmyk_become_plain() -> None:
    assert images.decode(encoded(bar("Wide").convert("P"))).mode == "RGB"
    assert images.decode(encoded(bar("Wide").convert("1"))).mode == "L"
    assert images.decode(encoded(NOISE.convert("CMYK"), "JPEG")).mode == "RGB"
    clear = NOISE.convert("P")
    assert images.decode(encoded(clear, "PNG", transparency=0)).mode == "RGBA"
    assert images.decode(encoded(bar("Wide"), "PNG", transparency=0)).mode == "RGBA"


def test_alpha_that_hides_nothing_is_dropped() -> None:
    assert images.decode(encoded(NOISE.convert("RGBA"))).mode == "RGB"


def test_the_first_frame_of_several_counts() -> None:
    body = encoded(bar("Wide"), "GIF", save_all=True, append_images=[bar("Tall")])
    decoded = images.decode(body).convert("L")
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(bar("Wide")))
