"""Folders of images, loose and in zips: what is found, what is noted, what is refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.storage import StoredObject
from chalicelib.datasets.content import look
from chalicelib.datasets.preflight import images, survey, units
from chalicelib.datasets.preflight.folders import Spot, spot_of
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from tests.unit.datasets.pictures import folders, png, zipped
from tests.unit.datasets.world import DATASET, World, csv, good


def checked(files: Mapping[str, bytes]) -> tuple[World, dict[str, Any]]:
    """Preflight of these files."""
    world = World()
    for name, body in files.items():
        world.put(name, body)
    version = look(world.storage, DATASET).version
    world.datasets.preflight({"dataset": DATASET, "version": version, "check": 1})
    return world, read(world, "report.json")


def read(world: World, name: str) -> Any:
    version = look(world.storage, DATASET).version
    return world.storage.get_json(f"reports/{DATASET}/preflight/{version}/{name}")


def text(world: World) -> str:
    version = look(world.storage, DATASET).version
    key = names.preflight_prefix(DATASET, version) + "report.txt"
    return world.storage.get_bytes(key).decode()


FOLDERS = folders("train/cat", "train/dog/big", "test/cat", "val/dog", each=3)


@pytest.mark.parametrize(
    ("path", "spot"),
    [
        ("train/cat/1.png", Spot("train", "cat", True)),
        ("x/y/Training/cat/deep/er/1.png", Spot("train", "cat", True)),
        ("test/cat/1.png", Spot("test", "cat", True)),
        ("VAL/cat/1.png", Spot("validation", "cat", True)),
        ("train/test/1.png", Spot("train", "test", True)),
        ("cat/1.png", Spot("train", "cat", False)),
        ("Images/cat/1.png", Spot("train", "cat", False)),
        ("1.png", None),
    ],
)
def test_role_and_class_follow_from_the_path(path: str, spot: Spot | None) -> None:
    assert spot_of(path) == spot


def test_what_is_written_of_loose_folders() -> None:
    settings = b'{"preset": "resnet50", "shape": {"height": 32, "width": 48, "channels": 3}}'
    world, report = checked({**FOLDERS, "dataset.json": settings, "train/cat/notes.txt": b"x"})
    assert (report["ok"], report["kind"], report["problems"]) == (True, "images", [])
    assert report["rows"] == {"train": 6, "validation": 3, "test": 3}
    assert report["class_rows"]["cat"] == {"train": 3, "validation": 0, "test": 3}
    assert (report["loose_images"], report["ignored"]) == (12, ["train/cat/notes.txt"])
    assert report["preset"] == "resnet50"
    version = read(world, "version.json")
    assert (version["format"], version["kind"], version["range"]) == (2, "images", None)
    assert version["shape"] == {"height": 32, "width": 48, "channels": 3}
    assert (version["labels"], version["classes"]) == (["cat", "dog"], ["cat", "dog"])
    files = {file["path"]: file for file in version["files"]}
    body = FOLDERS["test/cat/0.png"]
    assert files["test/cat/0.png"] == {
        "path": "test/cat/0.png",
        "size": len(body),
        "etag": hashlib.md5(body).hexdigest(),
        "sha256": None,
        "md5": hashlib.md5(body).hexdigest(),
        "role": "test",
        "label": "cat",
    }
    assert files["val/dog/0.png"]["role"] == "validation"
    assert files["train/dog/big/0.png"]["label"] == "dog"
    prefix, *paths = read(world, "train.manifest")
    assert prefix == {"prefix": f"s3://{world.storage.bucket}/datasets/{DATASET}/"}
    assert sorted(paths) == sorted(FOLDERS)
    assert "12 images in folders" in text(world)
    assert "48 x 32, RGB" in text(world)


def test_folders_without_train_and_test_are_all_to_train_with() -> None:
    world, report = checked(folders("Images/cat", "Images/dog", each=600))
    assert (report["ok"], report["notes"]) == (True, [])
    assert report["rows"] == {"train": 1200, "validation": 0, "test": 0}
    version = read(world, "version.json")
    assert (version["shape"], version["labels"]) == (None, ["cat", "dog"])


def test_a_zip_of_folders_is_one_file() -> None:
    body = zipped({**FOLDERS, "labels.csv": b"id,breed\n", "preview.png": png(), "about.md": b""})
    world, report = checked({"photos.zip": body})
    assert (report["ok"], report["kind"]) == (True, "images")
    assert report["rows"] == {"train": 6, "validation": 3, "test": 3}
    notes = "\n".join(report["notes"])
    assert "photos.zip: CSVs beside images are not read (labels.csv)" in notes
    assert "photos.zip: 1 images in no class' folder are left out: preview.png" in notes
    assert "photos.zip: what is neither a CSV nor an image is left out: about.md" in notes
    [entry] = read(world, "version.json")["files"]
    assert entry["sha256"] == hashlib.sha256(body).hexdigest()
    assert (entry["path"], entry["role"], entry["members"]) == ("photos.zip", "archive", 13)
    assert read(world, "train.manifest")[1:] == ["photos.zip"]


def test_a_zips_own_name_may_say_what_it_is_for() -> None:
    world, report = checked(
        {
            "train.zip": zipped(folders("cat", "dog")),
            "dogs_test.zip": zipped(folders("cat", "dog")),
        }
    )
    assert report["rows"] == {"train": 4, "validation": 0, "test": 4}
    roles = {file["path"]: file["role"] for file in read(world, "version.json")["files"]}
    assert roles == {"train.zip": "archive", "dogs_test.zip": "test"}


def test_a_zip_of_csvs_has_an_entry_for_each() -> None:
    header = ",".join([*[f"p{i}" for i in range(64)], "label"])
    test_rows = csv(header, "0," * 64 + "1")
    body = zipped({"x_train.csv": good(), "./x_test.csv": test_rows, "x-ubyte": b""})
    world, report = checked({"archive.zip": body})
    assert (report["ok"], report["rows"]["test"]) == (True, 1)
    assert "what is neither a CSV nor an image is left out: x-ubyte" in report["notes"][0]
    version = read(world, "version.json")
    assert (version["kind"], version["range"]) == ("rows", [0, 255])
    files = {file["member"]: file for file in version["files"]}
    assert set(files) == {"x_train.csv", "x_test.csv"}  # as the training job looks for them
    entry = files["x_test.csv"]
    assert (entry["path"], entry["role"], entry["header"]) == ("archive.zip", "test", True)
    assert (entry["label_column"], entry["rows"]) == (64, 1)
    assert entry["sha256"] == hashlib.sha256(body).hexdigest()
    assert entry["size"] == len(body)
    assert read(world, "train.manifest")[1:] == ["archive.zip"]


def test_names_without_end_do_not_burst_the_datasets_state() -> None:
    world = World()
    world.put("a.zip", zipped({f"{number}{'x' * 60_000}.txt": b"" for number in range(5)}))
    world.ready()
    assert world.settle()["outcome"] == "Refused"
    [(_, state)] = world.table.held.values()
    assert len(state) < 10_000


def test_nothing_of_a_zip_that_is_refused_is_read() -> None:
    body = zipped({"a.csv": good(), "../b.csv": b"", "bomb.csv": csv("0,x")})
    _, report = checked({"a.zip": body, "b.csv": good()})
    assert [problem["file"] for problem in report["problems"]] == ["a.zip"]
    assert [file["path"] for file in report["files"]] == ["b.csv"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_images_whose_beginning_cannot_be_looked_at_are_taken(method: int) -> None:
    _, report = checked({"a.zip": zipped(folders("cat", "dog", each=10), method)})
    assert (report["ok"], report["rows"]["train"]) == (True, 20)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({**FOLDERS, "rows.csv": good()}, "both CSVs (rows.csv) and images (test/cat/0.png)"),
        ({"a.zip": zipped(FOLDERS), "labels.csv": b"id,breed\n"}, "both CSVs"),
        ({"a.zip": zipped(FOLDERS), "b.zip": zipped({"a.csv": good()})}, "both CSVs (b.zip)"),
        ({"cat/1.png": png()}, "one class only, 'cat'"),
        (folders("cat", "dog", each=1), "cat: class 'cat' has a single image to train with: 2 are"),
        (folders("test/cat", "test/dog"), "no file to train with"),
        ({**FOLDERS, "test/cow/1.png": png()}, "test/cow: label 'cow' is in no training image"),
        ({**FOLDERS, "cow/1.png": png()}, "cow/1.png lies in no folder called train, test or"),
        ({"train/1.png": png(), "test/1.png": png()}, "test/1.png lies straight in a folder for"),
        ({**FOLDERS, "train/../x/1.png": png()}, "'..' in it"),
        ({**FOLDERS, "train/cat//1.png": png()}, "an empty part"),
        ({**FOLDERS, "train/cat/0.png/1.png": png()}, "an image and a folder of this name"),
        ({**FOLDERS, "train/ cow/1.png": png()}, "folder ' cow' has spaces around it"),
        ({"a.zip": zipped({"1.png": png()})}, "its images lie in no folder (1.png)"),
        ({"a.zip": zipped({"a.txt": b""})}, "a.zip: a zip must hold .csv files or folders of"),
        ({"a.zip": zipped({**FOLDERS, "../x.png": png()})}, "'../x.png' has '..' in it"),
        ({"a.zip": zipped({**FOLDERS, "cow/1.png": png()})}, "a.zip: cow/1.png lies in no folder"),
        ({**FOLDERS, "dataset.json": b'{"label": "breed"}'}, "label names a column of CSVs"),
        ({**FOLDERS, "dataset.json": b'{"classes": ["cat", "cow"]}'}, "label 'dog' is none of"),
        ({**FOLDERS, "dataset.json": b'{"classes": ["cat", "dog", "x"]}'}, "'x', which no"),
        (
            {p: b"<html></html>" for p in FOLDERS},
            "HTML or XML, no image; 12 of 12 images are none (100 %;",
        ),
        ({p: b"" for p in FOLDERS}, "empty, or not to be unpacked: no image; 12 of 12"),
        (
            {**FOLDERS, "train/cat/7.png": b"", "dataset.json": b'{"bad_rows": 0.07}'},
            "train/cat/7.png: empty, or not to be unpacked: no image; 1 of 13 images are none "
            "(7.7 %; 7 % may be set aside: bad_rows in dataset.json)",
        ),
        (
            {
                **folders("train/cat", "train/dog", each=10),
                "train/cow/7.png": b"<",
                "dataset.json": b'{"bad_rows": 0.1}',
            },
            "train/cow/7.png: no file of class 'cow' is an image: set aside, the class would vani",
        ),
    ],
)
def test_what_cannot_train_is_refused(files: Mapping[str, bytes], reason: str) -> None:
    world, report = checked(files)
    assert report["ok"] is False
    assert reason in text(world)


def test_few_files_that_are_no_images_are_set_aside() -> None:
    files = folders("train/cat", "train/dog", "test/cat", "test/dog", each=5)
    files["train/cat/0.png"] = b"\0\0\0\x18ftypheic"
    files["test/dog/1.png"] = b""
    aside = [
        ("test/dog/1.png", "empty, or not to be unpacked: no image"),
        ("train/cat/0.png", "HEIC or AVIF: save it as JPEG or PNG"),
    ]
    share = {"dataset.json": b'{"bad_rows": 0.1}'}
    world, report = checked({**files, **share})
    assert report["ok"] is True, report["summary"]
    assert [(one["file"], one["reason"]) for one in report["set_aside"]] == aside
    assert report["rows"] == {"train": 9, "validation": 0, "test": 9}
    note = "2 of 20 images cannot be used and are set aside (10 %): first test/dog/1.png: empty, or"
    assert [n for n in report["notes"] if n.startswith(note)]
    left = set(files) - {path for path, _ in aside}
    assert {file["path"] for file in read(world, "version.json")["files"]} == left
    assert set(read(world, "train.manifest")[1:]) == left
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        world, report = checked({"a.zip": zipped(files, method), **share})
        in_zip = [(f"a.zip/{path}", what) for path, what in aside]
        assert [(one["file"], one["reason"]) for one in report["set_aside"]] == in_zip
        assert report["rows"] == {"train": 9, "validation": 0, "test": 9}
        [file] = read(world, "version.json")["files"]
        assert (file["members"], file["left_out"]) == (20, [path for path, _ in aside])
        assert read(world, "train.manifest")[1:] == ["a.zip"]


def test_every_image_of_a_large_zip_is_looked_at_as_it_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(units, "BUFFER", 1000)  # so that heads lie across what is read at a time
    files = folders("cat", "dog", each=200)
    bad = {f"cat/{number}.png" for number in range(0, 200, 10)} | {"dog/199.png"}
    files |= {path: b"<" * (3 * int(path[4:-4])) for path in bad}
    share = {"dataset.json": b'{"bad_rows": 0.1}'}
    _, report = checked({"a.zip": zipped(files, zipfile.ZIP_STORED), **share})
    assert {one["file"].removeprefix("a.zip/") for one in report["set_aside"]} == bad


def test_what_may_be_judged_badly_is_noted() -> None:
    files = folders("train/cat", "train/Cat", "test/cat", each=5)
    files |= folders("train/cow", each=2)
    world, report = checked(files)
    assert report["ok"] is True
    notes = "\n".join(report["notes"])
    assert "1 class has fewer than 5 images to train with" in notes
    assert "no held-out image of: Cat, cow" in notes
    assert "5 images are held out: with fewer than 200, a person has to approve" in notes
    assert "classes 'Cat' and 'cat' differ in capitals only" in notes
    assert read(world, "version.json")["notes"] == report["notes"]


def test_classes_may_say_the_order_of_the_folders() -> None:
    world, _ = checked({**FOLDERS, "dataset.json": b'{"classes": ["dog", "cat"]}'})
    version = read(world, "version.json")
    assert (version["labels"], version["classes"]) == (["dog", "cat"], ["dog", "cat"])


def test_an_image_belongs_to_the_version() -> None:
    world = World()
    for path, body in FOLDERS.items():
        world.put(path, body)
    before = look(world.storage, DATASET).version
    world.put("train/cat/x.txt", b"")
    assert look(world.storage, DATASET).version == before
    world.put("train/cat/0.png", png(99))
    assert look(world.storage, DATASET).version != before


def test_a_drop_of_folders_trains_with_its_preset_and_goes_live() -> None:
    world = World()
    for path, body in FOLDERS.items():
        world.put(path, body)
    status = world.drop(b'{"preset": "cnn-32-64-128"}', "dataset.json")
    assert status["outcome"] == "Live"
    request = world.training.requests[world.jobs[0]]
    assert request["HyperParameters"]["preset"] == "cnn-32-64-128"


def test_too_many_loose_images_belong_in_a_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_LOOSE", 11)
    _, report = checked(FOLDERS)
    assert "12 loose images: 11 are taken. Put the folders into a zip" in report["summary"]


def test_more_than_can_be_checked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MOST_BYTES", len(good()) * 3 // 2)
    _, report = checked({"a.csv": good()})
    assert report["ok"] is True
    _, report = checked({"a.csv": good(), "b.csv": good()})
    assert "all of it is read before it is trained" in report["summary"]


def test_version_json_of_many_images_stays_small() -> None:
    world, _ = checked(folders("train/n02085620-Chihuahua", "train/n02085782-Spaniel", each=500))
    version = look(world.storage, DATASET).version
    written = world.storage.get_bytes(names.preflight_prefix(DATASET, version) + "version.json")
    assert len(written) / 1000 < 250  # bytes an image
    assert len(json.loads(written)["files"]) == 1000


def test_a_folder_without_ready_is_listed_now_and_then_and_starts_when_it_is_quiet() -> None:
    world = World()
    for path, body in folders("train/cat", "train/dog", "test/cat", "test/dog", each=30).items():
        world.put(path, body)
        world.reconcile()  # as the event of each does
        world.later(0.2)
    assert world.status()["phase"] == "Waiting"
    assert world.storage.listings < 6  # 120 images in 24 s, a look every 10 s
    for _ in range(9):
        world.later(1)
        world.reconcile()
    assert world.status()["phase"] == "Waiting"
    world.later(3)
    world.reconcile()
    assert world.status()["phase"] == "Checking"
    assert world.settle()["outcome"] == "Live"


def test_ready_starts_a_folder_at_once() -> None:
    world = World()
    for path, body in FOLDERS.items():
        world.put(path, body)
        world.reconcile()
    world.later(1)
    world.ready()
    world.reconcile()
    assert world.status()["phase"] == "Checking"


def test_an_etag_of_several_parts_is_no_md5() -> None:
    stored = StoredObject("datasets/fm/cat/1.png", f"{'0' * 32}-2", 9, World().now)
    described = images.LooseImage(stored, "cat/1.png", Spot("train", "cat", False)).described()
    assert (described["md5"], described["sha256"]) == (None, None)


def test_an_image_taken_away_while_waiting_begins_the_quiet_anew() -> None:
    world = World()
    for path, body in FOLDERS.items():
        world.put(path, body)
    world.reconcile()
    world.later(8)
    world.remove("train/cat/0.png")
    world.reconcile()
    world.later(3)
    world.queues.woken.clear()
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    assert world.settle()["outcome"] == "Live"


def test_images_are_looked_at_in_pieces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "HEADS", 7)
    files = folders("cat", "dog", each=10)
    files |= {"cat/3.png": b"", "a.zip": zipped({**folders("cat", each=20), "dog/7.png": b"<"})}
    world = World()
    for name, body in {**files, "dataset.json": b'{"bad_rows": 0.1}'}.items():
        world.put(name, body)
    version = look(world.storage, DATASET).version
    preflight = Preflight(world.storage, lambda: world.now, Logger(service="pieces"), 1)
    for piece in (None, 0, 1, 2, 3):
        preflight.run(Asked(DATASET, version, 1, piece=piece))
    aside = read(world, "report.json")["set_aside"]
    assert [one["file"] for one in aside] == ["cat/3.png", "a.zip/dog/7.png"]
