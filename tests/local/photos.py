"""Small photographs of two things, of mixed sizes and modes, to make folder datasets from."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("disc", "stripes")
MODES = ("RGB", "L", "RGBA", "P")
FORMATS = (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("BMP", "bmp"))


def photo(label: str, seed: int, mode: str = "RGB") -> Image.Image:
    """A bright disc, or dark stripes, somewhere on a noisy ground of 20 to 60 pixels a side."""
    rng = random.Random(f"{label} {seed}")
    width, height = rng.randint(20, 60), rng.randint(20, 60)
    image = Image.new("RGB", (width, height), tuple(rng.randint(90, 140) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    if label == "disc":
        radius = min(width, height) * rng.uniform(0.25, 0.45)
        x, y = width / 2 + rng.uniform(-3, 3), height / 2 + rng.uniform(-3, 3)
        bright = tuple(rng.randint(200, 255) for _ in range(3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=bright)
    else:
        dark = tuple(rng.randint(0, 60) for _ in range(3))
        for x in range(rng.randint(0, 3), width, rng.randint(5, 7)):
            draw.rectangle((x, 0, x + 2, height), fill=dark)
    return image.filter(ImageFilter.GaussianBlur(0.5)).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def folders(**counts: int) -> dict[str, bytes]:
    """`folders(train=100, test=50)`: so many images of each class, by path."""
    files: dict[str, bytes] = {}
    for split, count in counts.items():
        for label in CLASSES:
            for number in range(count):
                kind, ending = FORMATS[number % len(FORMATS)]
                mode = MODES[number // len(FORMATS) % len(MODES)] if kind == "PNG" else "RGB"
                image = photo(label, len(files), mode)
                files[f"{split}/{label}/{number}.{ending}"] = encoded(image, kind)
    return files


def rows(count: int, side: int, *, start: int = 0) -> str:
    """A CSV with a header, the label under `shape` at the end, values from 0 to 1."""
    header = ",".join([*(f"p{i}" for i in range(side * side)), "shape"])
    lines = [header]
    for number in range(start, start + count):
        label = CLASSES[number % len(CLASSES)]
        image = photo(label, number).convert("L").resize((side, side))
        values = ",".join(f"{value / 255:.3f}" for value in image.tobytes())
        lines.append(f"{values},{label}")
    return "\n".join([*lines, ""])
