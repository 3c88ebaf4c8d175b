"""The artifact's files as their readers find them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pigeonhole_training.data.rows import Pixels, Pool, digests_of
from pigeonhole_training.export import artifact
from PIL import Image


def decoded(png: bytes) -> tuple[str, np.ndarray]:
    """Mode and samples of a PNG."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return image.mode, np.asarray(image)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_png_holds_the_very_pixels(channels: int, mode: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, channels), dtype=np.uint8)
    found, samples = decoded(artifact.png(image))
    assert found == mode
    assert samples.reshape(image.shape).tolist() == image.tolist()


def test_golden_lines_have_the_image_its_true_class_and_all_digits(tmp_path: Path) -> None:
    heldout = Pool.of(
        np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1), np.array([1, 0, 1], np.int32)
    ).rows()
    probabilities = np.array([[0.1, 0.9], [0.7, 0.3], [1 / 3, 2 / 3]], np.float32)
    path = tmp_path / "golden.jsonl"
    artifact.write_golden(path, [2, 1], heldout, probabilities, ("bag", "Stiefel ö"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in lines] == ["Stiefel ö", "bag"]
    assert decoded(base64.b64decode(lines[0]["png"]))[1].tolist() == [[8, 9], [10, 11]]
    assert np.float32(lines[0]["probabilities"]).tolist() == probabilities[2].tolist()


def test_golden_images_of_large_inputs_are_fewer(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 224, 224, 3), dtype=np.uint8)
    noise[5] = 0  # hardly any bytes: it still fits when the budget is nearly spent
    heldout = Pool.of(noise, np.zeros(12, np.int32)).rows()
    probabilities = np.full((12, 2), 0.5, np.float32)
    path = tmp_path / "golden.jsonl"
    artifact.write_golden(path, range(12), heldout, probabilities, ("a", "b"))
    lines = path.read_bytes().splitlines()
    assert 5 <= len(lines) < 12
    assert path.stat().st_size <= 1_500_000
    large = np.random.default_rng(0).integers(0, 256, (2, 800, 800, 3), dtype=np.uint8)
    large[1, :100] = 0
    heldout = Pool.of(large, np.zeros(2, np.int32)).rows()
    artifact.write_golden(path, [0, 1], heldout, probabilities, ("a", "b"))
    (only,) = path.read_bytes().splitlines()  # too large, but without one nothing can be verified
    assert decoded(base64.b64decode(json.loads(only)["png"]))[1][:100].max() == 0


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


def test_a_folder_takes_the_place_of_what_an_interrupted_job_left(tmp_path: Path) -> None:
    staged, target = tmp_path / "reports", tmp_path / "data"
    staged.mkdir()
    (staged / "index.html").write_text("new")
    for left in (target / "reports", target / ".reports.partial"):
        left.mkdir(parents=True)
        (left / "old.csv").write_text("old")
    artifact.publish_folder(staged, target)
    assert [path.name for path in target.iterdir()] == ["reports"]
    assert [path.name for path in (target / "reports").iterdir()] == ["index.html"]


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        artifact.write_json(tmp_path / "a.json", {"loss": float("nan")})
