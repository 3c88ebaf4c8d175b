"""Fashion-MNIST as CSVs: the shipped sample, and how the files are found and made."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from cli import fashion_mnist
from cli.fashion_mnist import Sources


def rows(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize(("name", "count"), [("train", 4000), ("test", 1000)])
def test_the_shipped_sample_is_balanced_and_laid_out_as_on_kaggle(name: str, count: int) -> None:
    header, *images = rows(fashion_mnist.SAMPLE_FOLDER / f"fashion-mnist_{name}.csv.gz")
    assert header == ["label", *(f"pixel{i}" for i in range(1, 785))]
    assert Counter(image[0] for image in images) == {str(i): count // 10 for i in range(10)}
    assert {len(image) for image in images} == {785}
    assert all(0 <= int(value) <= 255 for image in images[::100] for value in image)


def test_the_shipped_class_names_are_the_modules() -> None:
    document = json.loads((fashion_mnist.SAMPLE_FOLDER / "dataset.json").read_text())
    assert tuple(document["classes"]) == fashion_mnist.CLASSES


def test_an_image_is_one_line_row_by_row() -> None:
    pixels = bytes(range(256)) * 7
    images = fashion_mnist.Images(pixels[:1568], bytes([3, 9]))
    second = images.csv_line(1)
    assert second.endswith("\n")
    assert [int(value) for value in second.split(",")] == [9, *pixels[784:1568]]


def test_the_first_of_each_class_in_order() -> None:
    labels = bytes([0, 0, 1, 0, 1, *range(2, 10), *range(10)])
    assert fashion_mnist.first_of_each(labels, 10) == [0, 2, *range(5, 13)]


def test_offline_it_says_what_to_install(tmp_path: Path) -> None:
    nowhere = Sources(tmp_path / "not-installed", ((tmp_path / "nowhere").as_uri() + "/",))
    with pytest.raises(fashion_mnist.DatasetUnavailable, match="apt install dataset-fashion-mnist"):
        fashion_mnist.full_csvs(tmp_path / "cache", sources=nowhere)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_download_with_other_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    sources = Sources(tmp_path / "not-installed", (home.as_uri() + "/",))
    with pytest.raises(fashion_mnist.DatasetUnavailable, match="another SHA-256"):
        fashion_mnist.load_images("train", tmp_path / "cache", sources=sources)
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(not Sources().folder.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_sample_is_rebuilt_with_the_same_content(tmp_path: Path) -> None:
    shares: list[float] = []
    built = fashion_mnist.write_sample(tmp_path, lambda _what, share: shares.append(share))
    for path in built:
        shipped = fashion_mnist.SAMPLE_FOLDER / path.name
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(shipped.read_bytes())
        assert path.read_bytes()[4:8] == b"\0\0\0\0"  # gzip's time
    assert shares[-1] == 1
