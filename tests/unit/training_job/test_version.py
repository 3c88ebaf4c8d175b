"""version.json, and the channel against it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pigeonhole_training.data.version import SourceFile, check_files, read_version
from pigeonhole_training.errors import BadRequest, DataChanged

# as in docs/architecture.md
DOCUMENT: dict[str, Any] = {
    "format": 1,
    "dataset": "fashion-mnist",
    "version": "ab" * 32,
    "bucket": "bucket",
    "prefix": "datasets/fashion-mnist/",
    "files": [
        {
            "key": "datasets/fashion-mnist/b_train.csv",
            "path": "b_train.csv",
            "version_id": "v",
            "etag": "e",
            "size": 1,
            "sha256": "00",
            "role": "train",
            "header": True,
            "rows": 4000,
        },
        {
            "key": "datasets/fashion-mnist/dataset.json",
            "path": "dataset.json",
            "version_id": "v",
            "etag": "e",
            "size": 2,
            "sha256": "11",
            "role": "settings",
        },
    ],
    "shape": {"height": 28, "width": 28, "channels": 1},
    "classes": ["T-shirt/top", "Bag"],
    "labels": ["0", "1"],
}


def written(folder: Path, document: object) -> Path:
    (folder / "version.json").write_text(json.dumps(document))
    return folder


def test_the_documented_form_is_read(tmp_path: Path) -> None:
    version = read_version(written(tmp_path, DOCUMENT))
    assert (version.dataset, version.version) == ("fashion-mnist", "ab" * 32)
    assert version.shape.values == 784
    assert version.classes == ("T-shirt/top", "Bag")
    assert version.of_role("train") == [SourceFile("b_train.csv", 1, "00", "train", True, 4000)]
    assert version.of_role("settings")[0].rows is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 3},
        {"classes": ["one"], "labels": ["0"]},
        {"labels": ["0"]},
        {"classes": ["same", "same"]},
        {"shape": {"height": 28}},
        {"shape": {"height": 2, "width": 2, "channels": 5}},
        {"files": [{"path": "a"}]},
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_version(written(tmp_path, DOCUMENT | change))


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"no version\.json"):
        read_version(tmp_path)


def test_files_are_compared_by_presence_size_and_content(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"0,1\n")
    sha256 = hashlib.sha256(b"0,1\n").hexdigest()
    check_files([SourceFile("a.csv", 4, sha256, "train")], tmp_path)
    for changed, reason in [
        (SourceFile("b.csv", 4, sha256, "train"), "b.csv is no longer there"),
        (SourceFile("a.csv", 5, sha256, "train"), "a.csv has 4 bytes instead of 5"),
        (SourceFile("a.csv", 4, "00" * 32, "train"), "a.csv has other content"),
    ]:
        with pytest.raises(DataChanged, match=f"^data changed: {reason}"):
            check_files([changed], tmp_path)
