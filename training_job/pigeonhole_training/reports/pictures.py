"""Pictures of rows for the report: small files, one scale, whatever the images' size and colour."""

from __future__ import annotations

import io

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pigeonhole_training.data.rows import Pixels
from pigeonhole_training.reports import html

TILE, CARD = 56, 112  # CSS pixels: one of many, one of its own
_LOSSLESS_SIDE = 64  # JPEG blurs small images, and a PNG of them is small
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_GROUND = 128  # behind what is transparent


def thumbnail(image: Pixels, side: int) -> bytes:
    """A uint8 image `(H, W, 1-4)` as PNG or JPEG, neither of its sides longer than `side`."""
    from PIL import Image  # noqa: PLC0415

    channels = image.shape[2]
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    if picture.mode != _MODES[channels]:  # Pillow takes two channels for something else
        picture = Image.frombytes(_MODES[channels], image.shape[1::-1], image.tobytes())
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    if channels in (2, 4):
        ground = Image.new("RGBA", picture.size, (_GROUND, _GROUND, _GROUND, 255))
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
        picture = picture.convert("L" if channels == 2 else "RGB")
    out = io.BytesIO()
    if channels <= 2 or max(picture.size) <= _LOSSLESS_SIDE // 2:
        picture.save(out, "PNG", optimize=True)
    else:
        picture.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def shown(image: Pixels, alt: str, side: int = CARD) -> Markup:
    """The image in the page, its longer side `side` CSS pixels; small images keep their pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # twice as many pixels as CSS has, for sharp screens, where the image has them
    stored = thumbnail(image, side if side > TILE else 2 * side)
    return html.picture(stored, alt, *size, smooth=max(height, width) > _LOSSLESS_SIDE)


def strip(images: Pixels, alt: str, side: int = TILE) -> Markup:
    """Several images `(N, H, W, C)` in lines, as one picture for who cannot see them."""
    return Markup('<div class="strip" role="img" aria-label="{}">{}</div>').format(
        html.clean(alt), html.join(shown(image, "", side) for image in images)
    )


def as_image(values: NDArray[np.floating]) -> Pixels:
    """A mean image `(H, W, C)`, 0-255, rounded to one that can be shown."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
