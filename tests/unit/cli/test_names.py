"""Which dataset or batch a person means when they only name files."""

from __future__ import annotations

import io
import os
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from cli.commands.classify import batch_name, files_of, with_usable_names
from cli.dataset_files import NAME, dataset_name, gather
from cli.errors import CliError, UsageError


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


def tree(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


def test_a_folder_of_images_is_uploaded_as_it_lies(tmp_path: Path) -> None:
    dogs = tmp_path / "Dog Breeds"
    tree(dogs, "train/pug/1.JPG", "test/pug/ü.png", "dataset.json", "train/pug/dataset.json")
    tree(dogs, "readme.md", ".git/a.png", "__MACOSX/a.png", "train/pug/._1.png", "Thumbs.db")
    assert dataset_name([dogs]) == "dog-breeds"
    gathered = gather([dogs])
    keys = [key for _, key in gathered.files]
    assert keys == ["dataset.json", "test/pug/ü.png", "train/pug/1.JPG"]
    assert gathered.files[2][0] == dogs / "train" / "pug" / "1.JPG"
    assert gathered.left_out == 2


def test_folders_called_train_and_test_and_several_folders_keep_their_names(
    tmp_path: Path,
) -> None:
    dogs = tmp_path / "dogs"
    tree(dogs, "train/pug/1.png", "test/pug/1.png", "photos.zip")
    parts = [dogs / "train", dogs / "test"]
    assert dataset_name(parts) == "dogs"
    assert [key for _, key in gather(parts).files] == ["test/pug/1.png", "train/pug/1.png"]
    assert [key for _, key in gather(parts[:1]).files] == ["train/pug/1.png"]
    assert dataset_name([dogs / "photos.zip"]) == "photos"
    classes = [dogs / "train" / "pug", dogs / "test"]
    assert [key for _, key in gather(classes).files] == ["pug/1.png", "test/pug/1.png"]


def test_settings_that_nobody_would_read_are_not_uploaded(tmp_path: Path) -> None:
    tree(tmp_path, "train/pug/1.png", "train/dataset.json", "Dataset.json")
    gathered = gather([tmp_path / "train"])
    assert [key for _, key in gathered.files] == ["train/pug/1.png"]
    assert gathered.left_out == 1
    with pytest.raises(UsageError, match=r"Call it dataset\.json"):
        gather([tmp_path / "train", tmp_path / "Dataset.json"])


def test_folders_with_nothing_in_them_and_single_images_are_a_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "empty/readme.md", "a.png")
    with pytest.raises(UsageError, match="holds neither images nor CSVs"):
        gather([tmp_path / "empty"])
    with pytest.raises(UsageError, match=r"a\.png is an image by itself: its folder"):
        gather([tmp_path / "a.png"])


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


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """A folder with files whose names no key can have; a file system may refuse some of them."""
    names = (b"a\nb.png", b"bell\x01.png", b"latin-\xe9.png", b"sub\x7f/c.png")
    for name in names:
        path = tmp_path / os.fsdecode(name)
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
        except OSError:
            pytest.skip("this file system refuses such names")
    return tmp_path


def test_files_that_s3_cannot_name_are_left_out_with_a_sentence_each(odd_names: Path) -> None:
    for name in ("plain.png", "Crète 2026.png"):
        (odd_names / name).write_bytes(b"x")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console = Console(file=out, width=200, markup=False, highlight=False)
    kept = with_usable_names(odd_names, files_of(odd_names), console)
    assert [path.name for path in kept] == ["Crète 2026.png", "plain.png"]
    out.seek(0)
    assert sorted(out.read().splitlines()) == [
        "not uploaded: a\\nb.png: its name has a control character; rename it",
        "not uploaded: bell\\x01.png: its name has a control character; rename it",
        "not uploaded: latin-\\udce9.png: its name is not valid UTF-8; rename it",
        "not uploaded: sub\\x7f/c.png: its name has a control character; rename it",
    ]


def test_a_folder_of_unusable_names_alone_is_an_error(odd_names: Path) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(CliError, match="Nothing was uploaded") as raised:
        with_usable_names(odd_names, files_of(odd_names), console)
    assert raised.value.status == 1


def test_a_csv_that_s3_cannot_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"^a\\nb.csv cannot be uploaded.*Rename it"):
        dataset_name([Path("a\nb.csv")], "letters")
