"""One image file's bytes as the model's pixels: decoded, upright, brought into its frame.

The steps and their order are a contract with the serving container, which takes photographs the
same way: docs/architecture.md, "Pictures in the model's frame".
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pigeonhole_training.data.rows import Pixels
from pigeonhole_training.data.version import Shape

PIXEL_LIMIT = 40_000_000  # width x height, as the serving container takes at most
WORKING_SIDE = 1024
LARGE = 8_000_000  # pixels from which pictures are decoded one at a time: 40 MP take 160 MB
LARGEST_FILE = 64 << 20  # bytes, as the check before the job takes at most in zips

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_PLAIN = ("L", "RGB", "RGBA")
_GREY = ("1", "L", "LA", "La", "I", "F")
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)

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
    Image.DecompressionBombError,
)
_LARGE_ONE = Lock()

# The bound above is stricter; Pillow's own would warn on stderr.
Image.MAX_IMAGE_PIXELS = None


class Unreadable(Exception):
    """The bytes give no picture; the text says why, in a few words."""


@dataclass(frozen=True)
class Header:
    """What a file's first bytes say: the upright picture's size, and whether it can only be grey
    (a palette or RGB may turn out grey too)."""

    width: int
    height: int
    grey: bool


def read_header(stream: IO[bytes]) -> Header:
    """From the first bytes alone, as a rule. Raises Unreadable."""
    try:
        with _opened(stream) as image:
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE:
                width, height = height, width
            return Header(width, height, image.mode in _GREY or image.mode.startswith("I;16"))
    except _DAMAGE as error:
        raise Unreadable(_in_words(error)) from error


def read_picture(body: bytes, shape: Shape) -> Pixels:
    """uint8 `(H, W, C)`, C 1 or 3. Raises Unreadable."""
    return frame(decode(body), shape)


def decode(body: bytes) -> Image.Image:
    """The first frame: 8 bits, mode L, RGB or RGBA, upright, at working size. Raises Unreadable."""
    try:
        with _opened(io.BytesIO(body)) as image:
            if image.width * image.height > LARGE:
                with _LARGE_ONE:
                    return _decoded(image)
            return _decoded(image)
    except _DAMAGE as error:
        raise Unreadable(_in_words(error)) from error


def frame(image: Image.Image, shape: Shape) -> Pixels:
    """A decoded picture in the model's frame."""
    size = (shape.width, shape.height)
    if image.size == size and image.mode != "RGBA":
        exact = _exact(np.asarray(image), shape.channels)
        if exact is not None:
            return exact
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    plain = image.convert("L" if shape.channels == 1 else "RGB")
    if plain.size != size:
        plain = ImageOps.fit(plain, size, Image.Resampling.BICUBIC)
    return np.asarray(plain).reshape(shape.height, shape.width, shape.channels)


def _exact(pixels: Pixels, channels: int) -> Pixels | None:
    """The pixels as they are; None for colours that a grey model does not take."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, np.newaxis], channels, axis=2)
    if channels == 3:
        return pixels
    return pixels[:, :, :1] if is_grey(pixels) else None


def is_grey(pixels: Pixels) -> bool:
    """Whether the channels of every pixel are equal; `pixels` `(…, C)`."""
    return bool((pixels == pixels[..., :1]).all())


def _opened(stream: IO[bytes]) -> Image.Image:
    image = Image.open(stream, formats=_FORMATS)
    if image.width * image.height > PIXEL_LIMIT:
        raise Unreadable(
            f"{image.width} x {image.height} pixels; at most {PIXEL_LIMIT // 10**6} million "
            "are decoded"
        )
    return image


def _decoded(image: Image.Image) -> Image.Image:
    if image.format == "JPEG" and max(image.size) > WORKING_SIDE:
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # decodes at 1/2, 1/4 or 1/8
    image.load()
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    factor = max(image.size) // WORKING_SIDE
    if factor > 1 and image.mode in _PLAIN and "transparency" not in image.info:
        plain = image.reduce(factor)
    else:
        plain = _eight_bits(image)
        plain = plain.reduce(factor) if factor > 1 else plain
    if plain.mode == "RGBA" and plain.getchannel("A").getextrema()[0] == 255:
        plain = plain.convert("RGB")
    return plain.transpose(turn) if turn is not None else plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """In mode L, RGB or RGBA; a copy."""
    mode = image.mode
    if mode in _PLAIN:
        return image.convert("RGBA") if "transparency" in image.info else image.copy()
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I") or mode == "F":
        return _levels(image)
    if mode in ("P", "PA"):
        palette = image.palette.mode if image.palette else "RGB"
        clear = "transparency" in image.info or mode == "PA" or palette == "RGBA"
        return image.convert("RGBA" if clear else "RGB")
    return image.convert("RGBA" if mode in ("LA", "La", "RGBa") else "RGB")


def _levels(image: Image.Image) -> Image.Image:
    """16- and 32-bit grey as L; 16 bits by 257, so that 8 bits that were widened come back."""
    values: NDArray[Any] = np.asarray(image)
    levels: NDArray[Any] = np.nan_to_num(values.astype(np.float32))
    if values.dtype.kind == "f":
        levels = levels * 255 if levels.size and levels.max() <= 1 else levels
    elif image.mode.startswith("I;16") or (levels.size and levels.max() > 255):
        levels = levels / 257
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _in_words(error: BaseException) -> str:
    """Pillow's error in a few words for people."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image"
    text = str(error)
    if "truncated" in text.lower() or "broken data stream" in text or isinstance(error, EOFError):
        return "truncated"
    return f"damaged: {text.splitlines()[0][:80]}" if text else f"damaged: {type(error).__name__}"
