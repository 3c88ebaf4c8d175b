"""Which dataset or batch a person means when they only name files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cli.commands.classify import batch_name, files_of
from cli.commands.drop import NAME, dataset_name
from cli.errors import UsageError


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["fashion-mnist_train.csv.gz", "fashion-mnist_test.csv.gz"], "fashion-mnist"),
        (["fashion-mnist_train.csv", "dataset.json"], "fashion-mnist"),
        (["mnist.csv"], "mnist"),
        (["train_mnist.csv", "test-mnist.csv.zip"], "mnist"),
        (["My Letters.train.CSV"], "my-letters"),
        (["latest.csv"], "latest"),
        (["trainspotting.csv"], "trainspotting"),
    ],
)
def test_dataset_is_named_after_its_files(files: list[str], name: str) -> None:
    assert dataset_name([Path(file) for file in files]) == name


@pytest.mark.parametrize(
    "files",
    [
        ["a_train.csv", "b_train.csv"],
        ["dataset.json"],
        ["train.csv"],
        ["picture.png"],
        ["here/a.csv", "there/a.csv"],
        ["a-name-that-is-longer-than-24-letters.csv"],
        ["mnist-next.csv"],
    ],
)
def test_files_that_name_no_dataset_are_a_usage_error(files: list[str]) -> None:
    with pytest.raises(UsageError):
        dataset_name([Path(file) for file in files])


def test_asked_name_wins_and_must_be_usable() -> None:
    assert dataset_name([Path("a.csv"), Path("b.csv")], "letters") == "letters"
    with pytest.raises(UsageError, match="--dataset"):
        dataset_name([Path("a.csv")], "my_letters")


@pytest.mark.parametrize("folder", ["Holiday 2026, Crète", "a" * 40, "---", "x"])
def test_new_batch_names_can_be_used(folder: str, tmp_path: Path) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7)
    name = batch_name(tmp_path / folder, now)
    assert NAME.fullmatch(name)
    assert name.endswith("-0304050607")


def test_every_file_of_a_folder_but_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.png", "deep/down/a.jpg", ".DS_Store", ".git/config", "_READY", "deep/_READY"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in files_of(tmp_path)]
    assert found == ["b.png", "deep/_READY", "deep/down/a.jpg"]


def test_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        files_of(tmp_path)
