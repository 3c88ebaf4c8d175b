"""Datasets of any form on a local cloud: folders of images, zips of them, CSVs as others make.

Each goes the whole way, from the drop to an answer.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.local import photos
from tests.local.conftest import Cloud

QUICK = {"preset": "dense-128", "hyperparameters": {"epochs": 8, "learning_rate": 0.001}}
FRAME = {"height": 24, "width": 24, "channels": 3}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Folders with one image in ten truncated."""
    found = photos.folders(train=120, test=115)
    for path in list(found)[::10]:
        found[path] = found[path][: len(found[path]) // 2]
    return found


@pytest.fixture(scope="module", autouse=True)
def ready(cloud: Cloud, files: dict[str, bytes]) -> dict[str, str]:
    """The `_READY` of two datasets that train while the first test drops its own."""
    frame = json.dumps({**QUICK, "shape": FRAME}).encode()
    cloud.put("datasets/zipped/dataset.json", frame.replace(b"{", b'{"bad_rows": 0.01, ', 1))
    cloud.put("datasets/zipped/shapes.zip", zipped({**files, "train/disc/404.png": b"<html>"}))
    settings = json.dumps({**QUICK, "label": "shape", "bad_rows": 0.01}).encode()
    cloud.put("datasets/decimals/dataset.json", settings)
    train = with_bad_row(photos.rows(210, 48), 7, "nan")
    test = with_bad_row(photos.rows(210, 48, start=210), 100, "")
    cloud.put("datasets/decimals/a_train.csv.gz", gzip.compress(train.encode(), 1))
    cloud.put("datasets/decimals/a_test.csv", test.encode())
    return {name: cloud.ready(name) for name in ("zipped", "decimals")}


def zipped(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path, content in files.items():
            archive.writestr(f"Shapes/{path}", content)
        archive.writestr("__MACOSX/Shapes/._train", b"x")
    return body.getvalue()


def with_bad_row(rows: str, line: int, value: str) -> str:
    """One more row, at this line, whose first value is this."""
    lines = rows.splitlines(keepends=True)
    _, _, rest = lines[line - 1].partition(",")
    return "".join([*lines[: line - 1], f"{value},{rest}", *lines[line - 1 :]])


def report(cloud: Cloud, status: Mapping[str, Any], name: str) -> bytes:
    key = f"reports/{status['dataset']}/preflight/{status['version']}/{name}"
    body: bytes = cloud.client("s3").get_object(Bucket=cloud.bucket, Key=key)["Body"].read()
    return body


def assert_answers(cloud: Cloud, dataset: str) -> None:
    """Images that the model has never seen, as people would send them."""
    for label in photos.CLASSES:
        for number, (kind, _) in enumerate(photos.FORMATS):
            body = photos.encoded(photos.photo(label, 10_000 + number), kind)
            answer = cloud.http(
                "POST", f"/datasets/{dataset}/predict", body, {"Content-Type": "image/png"}
            )
            assert (answer.status, answer.body["label"]) == (200, label), answer


def test_folders_of_images_go_live_without_those_that_cannot_be_read(
    cloud: Cloud, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "shapes"
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    (folder / "test" / ".DS_Store").write_bytes(b"x")
    (folder / "readme.txt").write_text("Discs and stripes.\n")
    (folder / "dataset.json").write_text(json.dumps({**QUICK, "shape": FRAME}))
    done = cloud.command("drop", str(folder))
    assert "Left behind: 1 file" in done.stdout
    status = cloud.dataset("shapes")
    assert status["outcome"] == "Live", status
    found = json.loads(report(cloud, status, "report.json"))
    assert (found["kind"], found["loose_images"]) == ("images", len(files))
    assert found["class_rows"]["disc"] == {"train": 120, "validation": 0, "test": 115}
    log = "\n".join(cloud.training_log(status["training_job"]))
    assert f"47 of {len(files)} images could not be read and are left out" in log
    assert "train/disc/0.png" in log
    assert_answers(cloud, "shapes")


def test_a_zip_of_folders_goes_live(
    cloud: Cloud, files: dict[str, bytes], ready: dict[str, str]
) -> None:
    status = cloud.settled("zipped", ready["zipped"])
    assert status["outcome"] == "Live", status
    text = report(cloud, status, "report.txt").decode()
    assert f"shapes.zip: {len(files) + 1} images, 1 set aside" in text
    assert "shapes.zip/Shapes/train/disc/404.png: HTML or XML, no image" in text
    log = "\n".join(cloud.training_log(status["training_job"]))
    assert f"47 of {len(files)} images could not be read" in log
    assert_answers(cloud, "zipped")


def test_a_csv_of_decimals_with_its_label_last_goes_live(
    cloud: Cloud, ready: dict[str, str]
) -> None:
    status = cloud.settled("decimals", ready["decimals"])
    assert status["outcome"] == "Live", status
    text = report(cloud, status, "report.txt").decode()
    assert "Images: 48 x 48, grey, values written 0 to 1" in text
    told = "a_test.csv: test, 211 rows, 1 set aside, with a header, the label in column 2305"
    assert told in text
    assert "a_train.csv.gz, line 7, column 1: 'nan' is a missing value" in text
    log = "\n".join(cloud.training_log(status["training_job"]))
    left_out = "Left out of all files, as the check before the job found them bad: 1 row of "
    assert f"{left_out}a_test.csv, 1 row of a_train.csv.gz" in log
    assert "dense-128" in log
    assert "epoch=8;" in log or "epoch=7;" in log
    for label in photos.CLASSES:
        body = photos.encoded(photos.photo(label, 20_000).convert("L").resize((48, 48)))
        answer = cloud.http(
            "POST", "/datasets/decimals/predict", body, {"Content-Type": "image/png"}
        )
        assert (answer.status, answer.body["label"]) == (200, label), answer
