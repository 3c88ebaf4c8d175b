"""Brings a picture into the frame that the model was trained on.

A picture of exactly the model's size and mode passes untouched. Any other one goes this way, if the
model knows its foreground (`light` figure on dark ground, or `dark` on light):

    flatten   alpha goes over black or white, whichever the figure stands out from
    survey    the border tells the ground; what differs from it is the figure
    polarity  grey models: inverted, if figure and ground are the other way round
    level     grey models: the ground becomes exactly 0 (or 255, for a dark figure)
    place     cropped to the figure, padded to the model's aspect, scaled, centred

Without a known foreground there is no figure to find: the middle of the picture is cut out and
scaled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from serving.model import Signature

NOISE = 24.0  # levels of 255 by which a pixel must differ from the ground to belong to the figure
BUSY = 40.0  # a border that spreads wider than this is scenery, not ground
LOOSE = 0.15  # a figure framed within this of the model's own way is left as it is framed

Levels: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """What the border tells. `ground` in levels 0-255 a channel; `box` left, top, right, bottom of
    the figure in pixels, None when the picture has no plain ground or nothing on it."""

    ground: tuple[float, ...]
    figure_is_light: bool
    box: tuple[int, int, int, int] | None


def to_input(image: Image.Image, signature: Signature, fill: float = 1.0) -> NDArray[np.uint8]:
    """`image` (mode L, RGB or RGBA) as the model's (H, W, C), uint8.

    `fill` is the share of the frame that the model's own figures take along their longer side
    (`typical_fill`): 1.0 for Fashion-MNIST, about 0.7 for MNIST's digits.
    """
    exact = untouched(image, signature)
    if exact is not None:
        return exact
    if signature.foreground == "unknown":
        return _middle(image, signature)
    mode = "L" if signature.channels == 1 else "RGB"
    levels = np.asarray(flatten(image).convert(mode), np.float32)
    levels = levels.reshape(*levels.shape[:2], signature.channels)
    found = survey(levels)
    if signature.channels == 1:
        light = signature.foreground == "light"
        levels, found = polarised(levels, found, light)
        levels, found = levelled(levels, found, light)
    return place(levels, found, signature, fill)


def untouched(image: Image.Image, signature: Signature) -> NDArray[np.uint8] | None:
    """The pixels themselves if size and mode are the model's; None otherwise.

    A grey picture saved as RGB counts as grey: its three channels are equal.
    """
    if image.size != (signature.width, signature.height) or image.mode == "RGBA":
        return None
    pixels = np.asarray(image)
    if image.mode == "L":
        grey = pixels[:, :, np.newaxis]
        return grey if signature.channels == 1 else np.repeat(grey, 3, axis=2)
    if signature.channels == 3:
        return pixels
    same = (pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all()
    return pixels[:, :, :1] if same else None


def flatten(image: Image.Image) -> Image.Image:
    """`image` without alpha: over black if its figure is light, over white if it is dark."""
    if image.mode != "RGBA":
        return image
    pixels = np.asarray(image, np.float32)
    alpha = pixels[:, :, 3]
    brightness = pixels[:, :, :3].mean(axis=2)
    weight = float(alpha.sum())
    mean = float((brightness * alpha).sum()) / weight if weight else 0.0
    ground = Image.new("RGBA", image.size, (0, 0, 0, 255) if mean >= 128 else (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def survey(levels: Levels) -> Survey:
    """Ground, polarity and figure of `levels` (H, W, C)."""
    ring = max(1, min(levels.shape[:2]) // 64)
    border = np.concatenate(
        [
            levels[:ring].reshape(-1, levels.shape[2]),
            levels[-ring:].reshape(-1, levels.shape[2]),
            levels[:, :ring].reshape(-1, levels.shape[2]),
            levels[:, -ring:].reshape(-1, levels.shape[2]),
        ]
    )
    ground = np.median(border, axis=0)
    # The quarter that differs most may be a figure that touches the edge.
    spread = float(np.percentile(np.abs(border - ground).max(axis=1), 75))
    differs = np.abs(levels - ground).max(axis=2) > NOISE + 2 * spread
    if not differs.any():
        return Survey(tuple(ground.tolist()), float(ground.mean()) < 128, None)
    light = float(levels[differs].mean()) > float(ground.mean())
    box = _box(differs) if spread <= BUSY else None
    return Survey(tuple(ground.tolist()), light, box)


def _box(differs: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Bounds of the true pixels; lines with hardly any (dust, compression) do not count."""
    height, width = differs.shape
    rows = np.flatnonzero(differs.sum(axis=1) > width // 200)
    columns = np.flatnonzero(differs.sum(axis=0) > height // 200)
    if not rows.size or not columns.size:
        return None
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def polarised(levels: Levels, found: Survey, light: bool) -> tuple[Levels, Survey]:
    """Inverted unless the figure is already light (or dark, for `light` False)."""
    if found.figure_is_light == light:
        return levels, found
    ground = tuple(255 - value for value in found.ground)
    return 255 - levels, replace(found, ground=ground, figure_is_light=light)


def levelled(levels: Levels, found: Survey, light: bool) -> tuple[Levels, Survey]:
    """Stretched so that the ground lies at 0 under a light figure, at 255 under a dark one."""
    if found.box is None:
        return levels, found
    ground = min(found.ground[0], 254.0) if light else max(found.ground[0], 1.0)
    stretched = (levels - ground) * (255 / (255 - ground)) if light else levels * (255 / ground)
    return np.clip(stretched, 0, 255), replace(found, ground=(0.0 if light else 255.0,))


def place(
    levels: Levels, found: Survey, signature: Signature, fill: float = 1.0
) -> NDArray[np.uint8]:
    """The figure, or the whole picture when there is none, scaled into the frame and centred."""
    height, width = levels.shape[:2]
    box, share = (0, 0, width, height), 1.0
    if found.box is not None and abs(_share(found.box, width, height, signature) - fill) > LOOSE:
        box, share = found.box, fill
    across, down = box[2] - box[0], box[3] - box[1]
    scale = share * min(signature.width / across, signature.height / down)
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    left, top = (signature.width - size[0]) // 2, (signature.height - size[1]) // 2
    # Over a whole number of pixels the mean is exact: an enlarged picture comes back as it was.
    whole = across % size[0] == 0 and down % size[1] == 0
    kernel = Image.Resampling.BOX if whole else Image.Resampling.LANCZOS
    canvas = np.empty(signature.shape, np.uint8)
    canvas[:] = np.rint(found.ground).astype(np.uint8)
    for channel in range(signature.channels):
        plane = Image.fromarray(np.ascontiguousarray(levels[:, :, channel]))
        scaled = np.asarray(plane.resize(size, kernel, box=box))
        target = canvas[top : top + size[1], left : left + size[0], channel]
        target[:] = np.clip(np.rint(scaled), 0, 255)
    return canvas


def _share(box: tuple[int, int, int, int], width: int, height: int, signature: Signature) -> float:
    """How much of the model's frame the box takes, along its longer side, if the whole picture of
    `width` x `height` is fitted in."""
    scale = min(signature.width / width, signature.height / height)
    return scale * max((box[2] - box[0]) / signature.width, (box[3] - box[1]) / signature.height)


def _middle(image: Image.Image, signature: Signature) -> NDArray[np.uint8]:
    """The largest middle part of the model's aspect, scaled; alpha goes over white."""
    if image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(ground, image)
    plain = image.convert("L" if signature.channels == 1 else "RGB")
    size = (signature.width, signature.height)
    cut = ImageOps.fit(plain, size, Image.Resampling.BICUBIC)
    return np.asarray(cut).reshape(signature.shape)


def typical_fill(pictures: Iterable[NDArray[np.uint8]], signature: Signature) -> float:
    """The share of the frame that the figures of the model's own `pictures` (H, W, C) take.

    1.0 when there are none or their ground is not plain.
    """
    shares = []
    for picture in pictures:
        box = survey(picture.astype(np.float32)).box
        if box is not None:
            shares.append(_share(box, signature.width, signature.height, signature))
    return float(np.median(shares)) if shares else 1.0
