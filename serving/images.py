"""Image files: known by their bytes, refused before decoding when too large, decoded to 8 bits."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from contextlib import nullcontext
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin  # noqa: F401  (registers the two)

from serving.errors import BadRequest, TooLarge

PIXEL_LIMIT = (
    40_000_000  # width x height; the largest phone pictures that people send have 12-24 MP
)
WORKING_SIDE = 1024  # pixels; larger pictures are shrunk at once: a model sees 28 to 300 of them
LARGE = (
    8_000_000  # pixels from which pictures are decoded one at a time: 40 MP take 160 MB and more
)
SUPPORTED = "PNG, JPEG, WebP, BMP, GIF or TIFF"

# Ours is stricter and speaks JSON; Pillow's own would print a warning to stderr.
Image.MAX_IMAGE_PIXELS = None

_LARGE_ONE = Lock()
_PLAIN = ("L", "RGB", "RGBA")
_MODULES = {"WEBP": "WebP", "BMP": "Bmp", "GIF": "Gif", "TIFF": "Tiff"}  # beside PNG and JPEG

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
)

# What Pillow's decoders raise on hostile or broken bytes.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    NotImplementedError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # the EXIF tag


def sniff(body: bytes) -> str | None:
    """Pillow's name of the format that `body` starts like, None for no image that we read."""
    for start, kind in _SIGNATURES:
        if body.startswith(start):
            return kind
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "WEBP"
    if body.startswith(b"BM") and len(body) > 14 and body[6:10] == b"\x00\x00\x00\x00":
        return "BMP"  # the four reserved bytes keep a text that starts with "BM" out
    return None


def png_size(body: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG, read from its first 24 bytes; None for anything else."""
    if body[:16] != b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" or len(body) < 24:
        return None
    return struct.unpack(">II", body[16:24])


def decode(body: bytes) -> Image.Image:
    """The picture in `body`: 8 bits, mode L, RGB or RGBA, upright, first frame of several.

    Pictures over `WORKING_SIDE` are reduced by a whole factor. Raises BadRequest (`not_an_image`,
    `damaged_image`) and TooLarge (`image_too_large`), the latter from the header alone.
    """
    kind = sniff(body)
    if kind is None:
        raise BadRequest("not_an_image", _no_image(body))
    if kind in _MODULES:
        importlib.import_module(f"PIL.{_MODULES[kind]}ImagePlugin")
    try:
        with Image.open(io.BytesIO(body), formats=[kind]) as image:
            width, height = image.size
            if width * height > PIXEL_LIMIT:
                raise TooLarge(
                    "image_too_large",
                    f"The {kind} is {width} x {height} pixels; at most {PIXEL_LIMIT // 10**6} "
                    "million are decoded. Scale it down and send it again.",
                )
            if kind == "JPEG" and max(image.size) > WORKING_SIDE:
                image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # decodes at 1/2, 1/4 or 1/8
            with _LARGE_ONE if width * height > LARGE else nullcontext():
                image.load()
                turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
                plain = _opaque(_working(image))
    except _DAMAGE as error:
        raise BadRequest(
            "damaged_image",
            f"The {kind} breaks off or is damaged ({str(error) or type(error).__name__}). "
            "Upload the whole file again, or open it and save it anew.",
        ) from error
    return plain.transpose(turn) if turn is not None else plain


def _no_image(body: bytes) -> str:
    if not body:
        return f"The body is empty. Send the bytes of a {SUPPORTED} file."
    if body[4:8] == b"ftyp":
        return f"HEIC and AVIF are not read. Save the picture as {SUPPORTED}."
    return f"These bytes are no image that is known here. Send a {SUPPORTED} file."


def _working(image: Image.Image) -> Image.Image:
    """`image` in 8 bits and at working size; a copy, but never a full-sized one beside it if the
    mode is plain already."""
    factor = max(image.size) // WORKING_SIDE
    if factor > 1 and image.mode in _PLAIN and "transparency" not in image.info:
        return image.reduce(factor)
    plain = _eight_bits(image)
    return plain.reduce(factor) if factor > 1 else plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """`image` in mode L, RGB or RGBA; a copy."""
    mode = image.mode
    if mode in _PLAIN:
        if "transparency" in image.info:  # one level or colour of a PNG stands for nothing
            return image.convert("RGBA")
        return image.copy()
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I") or mode == "F":
        return _scaled(image)
    if mode in ("P", "PA"):
        palette = image.palette.mode if image.palette else "RGB"
        clear = "transparency" in image.info or mode == "PA" or palette == "RGBA"
        return image.convert("RGBA" if clear else "RGB")
    return image.convert("RGBA" if mode in ("LA", "La", "RGBa") else "RGB")


def _opaque(image: Image.Image) -> Image.Image:
    """`image` without its alpha channel if that hides nothing."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 255:
        return image.convert("RGB")
    return image


def _scaled(image: Image.Image) -> Image.Image:
    """16- and 32-bit grey to L. 16 bits divide by 257, so that 8 bits widened come back exactly."""
    values = np.asarray(image)
    levels: NDArray[Any] = values
    if values.dtype.kind == "f":
        wide = np.nan_to_num(values.astype(np.float32))
        levels = wide * 255 if wide.size and wide.max() <= 1 else wide
    elif image.mode.startswith("I;16") or (values.size and values.max() > 255):
        levels = values.astype(np.float32) / 257
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
