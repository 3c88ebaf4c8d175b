"""The artifact's files as their readers find them."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pixels, Pool, digests_of
from pigeonhole_training.export import artifact


def decoded(png: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, colour type and samples of a PNG with filter 0 on each line."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", png, at + 8 + length)
        assert zlib.crc32(kind + body) == check
        chunks[kind], at = body, at + 12 + length
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert depth == 8
    lines = zlib.decompress(chunks[b"IDAT"])
    size = len(lines) // height
    assert all(lines[i * size] == 0 for i in range(height))
    return (
        width,
        height,
        colour,
        b"".join(lines[i * size + 1 : (i + 1) * size] for i in range(height)),
    )


@pytest.mark.parametrize(("channels", "colour"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_a_png_holds_the_very_pixels(channels: int, colour: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, channels), dtype=np.uint8)
    assert decoded(artifact.png(image)) == (5, 3, colour, image.tobytes())


def test_golden_lines_have_the_image_its_true_class_and_all_digits(tmp_path: Path) -> None:
    heldout = Pool.of(
        np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1), np.array([1, 0, 1], np.int32)
    ).rows()
    probabilities = np.array([[0.1, 0.9], [0.7, 0.3], [1 / 3, 2 / 3]], np.float32)
    path = tmp_path / "golden.jsonl"
    artifact.write_golden(path, [2, 1], heldout, probabilities, ("bag", "Stiefel ö"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in lines] == ["Stiefel ö", "bag"]
    assert decoded(base64.b64decode(lines[0]["png"]))[3] == bytes([8, 9, 10, 11])
    assert np.float32(lines[0]["probabilities"]).tolist() == probabilities[2].tolist()


def test_golden_rows_are_balanced_over_the_classes() -> None:
    labels = np.array([0] * 100 + [1] * 100 + [2] * 3, np.int32)
    chosen = artifact.choose_golden(labels)
    assert len(chosen) == len(set(chosen)) == 32
    assert np.bincount(labels[chosen]).tolist() == [15, 14, 3]
    assert artifact.choose_golden(labels[:5]) == [0, 1, 2, 3, 4]
    many = np.arange(500, dtype=np.int32)
    assert artifact.choose_golden(many) == list(range(32))


def test_trained_rows_are_sorted_digests_each_once(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 2, 2, 1), dtype=np.uint8)
    pixels[8] = pixels[0]
    path = tmp_path / "trained_rows.bin"
    artifact.write_trained_rows(path, digests_of(pixels))
    expected = {hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in pixels}
    assert path.read_bytes() == b"".join(sorted(expected))
    assert set(artifact.read_trained_rows(path)) == set(digests_of(pixels))


def test_polarity_follows_what_the_edges_show() -> None:
    dark_ground = np.zeros((50, 8, 8, 1), np.uint8)
    dark_ground[:, 2:6, 2:6] = 200
    photographs = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)

    def foreground(pixels: Pixels) -> str:
        return artifact.foreground(Pool.of(pixels, np.zeros(len(pixels), np.int32)).rows())

    assert foreground(dark_ground) == "light"
    assert foreground(255 - dark_ground) == "dark"
    assert foreground(photographs) == "unknown"
    assert foreground(np.concatenate([dark_ground, 255 - dark_ground])) == "unknown"


def test_publishing_leaves_whole_files_only(tmp_path: Path) -> None:
    staged, target = tmp_path / "staged", tmp_path / "model"
    staged.mkdir()
    (staged / "a").write_text("a")
    with pytest.raises(FileNotFoundError):
        artifact.publish(staged, target, ("a", "missing"))
    assert [path.name for path in target.iterdir()] == ["a"]


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        artifact.write_json(tmp_path / "a.json", {"loss": float("nan")})
