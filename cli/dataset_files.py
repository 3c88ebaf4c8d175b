"""What `pigeonhole drop` is given: files and folders, under which keys, for which dataset."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.console import printable
from cli.errors import UsageError
from cli.uploads import unusable

SETTINGS = "dataset.json"
ROW_ENDINGS = (".csv", ".csv.gz", ".zip")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,23}")
_ROLE = re.compile(r"(^|[^a-z])(training|train|testing|test|validation|valid|val)(?=[^a-z]|$)")
_SPLITS = ("train", "training", "test", "valid", "validation", "val")


@dataclass(frozen=True)
class Gathered:
    """`files` with their paths below the dataset, and how many others stay behind."""

    files: list[tuple[Path, str]]
    left_out: int


def gather(given: Sequence[Path]) -> Gathered:
    """All files to upload. Raises UsageError for what cannot be used.

    A folder's content lies straight below the dataset, as it does in the folder; a folder called
    train, test or the like keeps its name, as do several folders.
    """
    folders = [path for path in given if path.is_dir()]
    pairs = [(path, path.name) for path in given if not path.is_dir()]
    left_out = 0
    for folder in folders:
        named = folder.resolve().name
        keep = len(folders) > 1 or named.lower() in _SPLITS
        for path in _below(folder):
            below = path.relative_to(folder).as_posix()
            if _is_data(path.name) or (below == SETTINGS and not keep):  # it counts at the top
                pairs.append((path, f"{named}/{below}" if keep else below))
            else:
                left_out += 1
    _check(given, pairs)
    if not pairs:
        raise UsageError(f"{printable(str(given[0]))} holds neither images nor CSVs.")
    return Gathered(sorted(pairs, key=lambda pair: pair[1]), left_out)


def dataset_name(given: Sequence[Path], asked: str | None = None) -> str:
    """The dataset that these are for: the name asked for, else what their names share.

    `fashion-mnist_train.csv.gz` and `fashion-mnist_test.csv.gz` give `fashion-mnist`, and so does a
    folder of that name, or its `train` and `test`. Raises UsageError for files or names that cannot
    be used.
    """
    _check(given, [(path, path.name) for path in given if not path.is_dir()])
    sources = [path for path in given if path.name != SETTINGS]
    if asked is None and not sources:
        raise UsageError(f"A {SETTINGS} alone names no dataset; add --dataset NAME.")
    found = {asked} if asked is not None else {_stem(path) for path in sources}
    if len(found) > 1:
        raise UsageError(
            f"The files' names suggest several datasets ({', '.join(sorted(found))}); "
            "say which with --dataset NAME."
        )
    name = found.pop()
    if not NAME.fullmatch(name) or name.endswith("-next"):
        raise UsageError(
            f"{name!r} cannot be a dataset's name: use up to 24 small letters, digits and single "
            "hyphens, not ending in -next. Give one with --dataset NAME."
        )
    return name


def _check(given: Sequence[Path], pairs: Sequence[tuple[Path, str]]) -> None:
    for _, key in pairs:
        if reason := unusable(key):
            raise UsageError(f"{printable(key)} cannot be uploaded: {reason}. Rename it.")
    for path in given:
        lower = path.name.lower()
        if path.is_dir() or path.name == SETTINGS or lower.endswith(ROW_ENDINGS):
            continue
        if lower == SETTINGS:
            raise UsageError(f"{path.name} is not read under this name. Call it {SETTINGS}.")
        if lower.endswith(IMAGE_ENDINGS):
            raise UsageError(
                f"{path.name} is an image by itself: its folder says what it shows. Drop the "
                "folder that holds a folder for each class."
            )
        raise UsageError(
            f"{path.name} is no CSV. Drop .csv, .csv.gz or .zip files or a folder of images, and "
            f"a {SETTINGS} beside."
        )
    twice = [key for key, times in Counter(key for _, key in pairs).items() if times > 1]
    if twice:
        raise UsageError(f"Two files are called {twice[0]}; rename one, or drop one at a time.")


def _below(folder: Path) -> Iterator[Path]:
    """Every file, but hidden ones and what macOS and Windows leave behind."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_junk(name))
        yield from (Path(parent) / name for name in sorted(files) if not _is_junk(name))


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db")


def _is_data(name: str) -> bool:
    return name.lower().endswith((*ROW_ENDINGS, *IMAGE_ENDINGS))


def _stem(path: Path) -> str:
    name = path.name
    if path.is_dir():
        folder = path.resolve()
        name = folder.parent.name if folder.name.lower() in _SPLITS else folder.name
    stem = re.sub(r"\.(csv(\.gz|\.zip)?|zip)$", "", name.lower())
    stem = _ROLE.sub(r"\1", stem)
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")
