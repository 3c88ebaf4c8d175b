"""What is checked of a dataset as a whole, and what is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from chalicelib.aws.storage import OpenObject
from chalicelib.datasets.content import content_version, look
from chalicelib.datasets.preflight.checks import image_shape, sorted_labels
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from chalicelib.datasets.settings.settings_file import Shape
from chalicelib.errors import ObjectNotFound
from tests.fakes.aws import MemoryStorage
from tests.unit.datasets.world import DATASET, SETTINGS, World, csv, good, row


def checked(**files: bytes) -> tuple[World, dict[str, Any]]:
    """Preflight of these files (a_csv is a.csv)."""
    world = World()
    for name, body in files.items():
        world.put(name.replace("_csv", ".csv").replace("_json", ".json"), body)
    version = look(world.storage, DATASET).version
    world.datasets.preflight({"dataset": DATASET, "version": version, "check": 3})
    return world, read(world, "report.json")


def read(world: World, name: str) -> Any:
    version = look(world.storage, DATASET).version
    return world.storage.get_json(f"reports/{DATASET}/preflight/{version}/{name}")


def test_what_is_written_when_all_is_well() -> None:
    settings = b'{"classes": ["Bag", "Shoe"], "hyperparameters": {"epochs": 2}}'
    world, report = checked(
        a_csv=good(),
        **{"test/b_csv": csv(row(1)), "readme.md": b""},
        dataset_json=settings,
    )
    assert (report["ok"], report["check"], report["problems"]) == (True, 3, [])
    assert report["ignored"] == ["readme.md"]
    assert report["rows"] == {"train": 4, "validation": 0, "test": 1}
    assert report["class_rows"]["Bag"] == {"train": 2, "validation": 0, "test": 0}
    version = read(world, "version.json")
    assert version["version"] == look(world.storage, DATASET).version
    assert (version["bucket"], version["prefix"]) == (SETTINGS.bucket, f"datasets/{DATASET}/")
    assert (version["classes"], version["labels"]) == (["Bag", "Shoe"], ["0", "1"])
    assert version["shape"] == {"height": 8, "width": 8, "channels": 1}
    files = {file["path"]: file for file in version["files"]}
    assert {path: file["role"] for path, file in files.items()} == {
        "a.csv": "train",
        "test/b.csv": "test",
    }
    stored = world.storage.head(f"datasets/{DATASET}/a.csv")
    assert stored is not None
    assert files["a.csv"] == {
        "key": f"datasets/{DATASET}/a.csv",
        "path": "a.csv",
        "version_id": stored.version_id,
        "etag": stored.etag,
        "size": stored.size,
        "sha256": hashlib.sha256(good()).hexdigest(),
        "role": "train",
        "header": False,
        "label_column": 0,
        "rows": 4,
    }
    settings_file = version["settings"]  # in no channel: a change of it must not stop a job
    assert settings_file["path"] == "dataset.json"
    assert settings_file["sha256"] == hashlib.sha256(settings).hexdigest()
    in_bucket = world.storage.open(settings_file["key"], settings_file["version_id"])
    assert in_bucket.body.read() == settings
    prefix, *paths = read(world, "train.manifest")
    assert prefix == {"prefix": f"s3://{SETTINGS.bucket}/datasets/{DATASET}/"}
    assert set(paths) == set(files)
    assert (
        "readme.md"
        in world.storage.get_bytes(
            f"reports/{DATASET}/preflight/{version['version']}/report.txt"
        ).decode()
    )
    assert world.queues.woken == [(f"dataset/{DATASET}", 0)]


@pytest.mark.parametrize(
    ("files", "file", "reason"),
    [
        ({"a_csv": csv(row(0, pixels=65), row(1, pixels=65))}, "a.csv", "65 pixels a row make no"),
        (
            {"z_csv": csv(row(0, 3, 81), row(1, 4, 81)), "test_csv": csv(row(0, 3, 80))},
            "test.csv",
            "those of z.csv have 81. Have they no labels?",
        ),
        ({"a_csv": csv(row(0), row(0))}, "", "one class only, '0'"),
        ({"a_test_csv": good()}, "", "no file to train with"),
        ({"a_csv": good(), "b_csv": csv(row(0, pixels=81))}, "b.csv", "81 pixels"),
        ({"a_csv": good(), "a_test_csv": csv(row(0), row(7))}, "a_test.csv", "'7' is in no"),
        ({"a_csv": good(), "b_csv": csv(row("Bag"))}, "", "numbers as labels, others have words"),
        ({"a_csv": csv(row("1"), row("01"))}, "a.csv", "'01' and '1'"),
        ({"a_csv": good(), "dataset_json": b'{"classes": ["a"]}'}, "dataset.json", "has 1 names"),
        ({"a_csv": good(), "dataset_json": b"{"}, "dataset.json", "not JSON"),
        ({"a_csv": good(), "dataset_json": b"[]"}, "dataset.json", "JSON object"),
        (
            {"a_csv": good(), "dataset_json": b'{"classes": ["a", "a"]}'},
            "dataset.json",
            "different",
        ),
        ({"a_csv": good(), "dataset_json": b'{"clases": []}'}, "dataset.json", "'clases'"),
        (
            {"a_csv": good(), "dataset_json": b'{"hyperparameters": {"epochs": -3}}'},
            "dataset.json",
            "epochs",
        ),
        (
            {"a_csv": good(), "dataset_json": b'{"hyperparameters": {"sagemaker_program": "x"}}'},
            "dataset.json",
            "the service sets it",
        ),
        ({"a_csv": good(), "b_csv": b""}, "b.csv", "empty"),
        ({"1.png": b"x"}, "", "images such as 1.png lie in no folder"),
    ],
)
def test_what_cannot_train_is_refused(files: dict[str, bytes], file: str, reason: str) -> None:
    world, report = checked(**files)
    assert report["ok"] is False
    assert [p for p in report["problems"] if p["file"] == file and reason in p["reason"]]
    assert reason in report["summary"]
    for name in ("version.json", "train.manifest"):
        with pytest.raises(ObjectNotFound):
            read(world, name)


def test_a_check_that_was_asked_for_twice_is_made_once() -> None:
    world, report = checked(a_csv=good())
    world.later(60)
    asked = {"dataset": DATASET, "version": report["version"]}
    world.datasets.preflight({**asked, "check": report["check"]})
    assert read(world, "report.json")["finished"] == report["finished"]
    world.datasets.preflight({**asked, "check": report["check"] + 1})
    assert read(world, "report.json")["finished"] > report["finished"]


def test_data_that_changed_meanwhile_gets_no_report_but_wakes_the_reconciler() -> None:
    world = World()
    world.put("a.csv", good(1))
    version = look(world.storage, DATASET).version
    world.put("a.csv", good(2))
    world.datasets.preflight({"dataset": DATASET, "version": version, "check": 1})
    assert not [key for key in world.storage.versions if key.startswith("reports/")]
    assert world.queues.woken == [(f"dataset/{DATASET}", 0)]


def test_data_that_changes_between_listing_and_reading_gets_no_report() -> None:
    world = World()
    world.put("a.csv", good(1))
    version = look(world.storage, DATASET).version

    def replace_a() -> None:
        world.put("a.csv", good(2))

    racing = Racing(world.storage, replace_a)
    preflight = Preflight(racing, lambda: world.now, Logger(service="race"), 10**9)
    preflight.run(Asked(DATASET, version, 1))
    assert not [key for key in world.storage.versions if key.startswith("reports/")]


class Racing(MemoryStorage):
    """Somebody else acts just before the first object is opened."""

    def __init__(self, storage: MemoryStorage, act: Callable[[], None]) -> None:
        self.__dict__ = storage.__dict__
        self.act: Callable[[], None] | None = act

    def open(
        self, key: str, version_id: str | None = None, if_etag: str | None = None
    ) -> OpenObject:
        if self.act is not None:
            act, self.act = self.act, None
            act()
        return super().open(key, version_id, if_etag)


def test_the_version_is_the_content_not_the_upload() -> None:
    world = World()
    world.put("a.csv", good(1))
    world.put("b.csv", good(2))
    before = look(world.storage, DATASET)
    etags = [(o.key, o.etag, o.size) for o in before.data]
    lines = "".join(f"{key}\0{etag}\0{size}\n" for key, etag, size in etags)
    assert before.version == hashlib.sha256(lines.encode()).hexdigest()
    world.later(60)
    world.put("a.csv", good(1))
    world.put("notes.txt", b"x")
    world.ready()
    assert look(world.storage, DATASET).version == before.version
    world.put("dataset.json", b'{"preset": "dense-128"}')
    assert look(world.storage, DATASET).version != before.version
    assert content_version(reversed(before.data)) == before.version


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        (784, Shape(28, 28, 1)),
        (2304, Shape(48, 48, 1)),
        (3072, Shape(32, 32, 3)),
        (256 * 256 * 3, Shape(256, 256, 3)),
        (785, None),
        (4, None),
        (512 * 512, None),
    ],
)
def test_pixel_counts_that_are_images(pixels: int, shape: Shape | None) -> None:
    assert image_shape(pixels) == shape


def four(pixels: int, *values: float) -> bytes:
    """Two rows of each of two classes, each of one value."""
    return csv(*[row(i % 2, value, pixels) for i, value in enumerate(values)])


def test_numbers_sort_as_numbers_and_words_as_words() -> None:
    assert sorted_labels(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert sorted_labels(["b", "A", "a"]) == ["A", "a", "b"]


def test_problems_are_json() -> None:
    _, report = checked(a_csv=csv(row(0), row(1, pixels=63) + ",x"))
    assert json.loads(json.dumps(report["problems"][0])) == {
        "file": "a.csv",
        "line": 2,
        "column": 65,
        "reason": "'x' is not a whole number from 0 to 255, nor a number from 0 to 1; 1 of 2 rows "
        "cannot be used (50 %; 0.1 % of a file may be set aside: bad_rows in dataset.json)",
    }


@pytest.mark.parametrize(
    ("files", "shape", "scale"),
    [
        ({"a_csv": four(2304, 9, 3, 0, 1)}, (48, 48, 1), [0, 255]),
        ({"a_csv": four(3072, 0.5, 0, 1, 0)}, (32, 32, 3), [0, 1]),
        ({"a_csv": four(64, 1, 0, 0, 1)}, (8, 8, 1), [0, 1]),
        (
            {
                "a_csv": four(300, 9, 3, 0, 1),
                "dataset_json": b'{"shape": {"height": 10, "width": 30, "channels": 1}}',
            },
            (10, 30, 1),
            [0, 255],
        ),
        # Dark rows alone in a file are whole numbers, as the others say.
        ({"a_csv": four(64, 9, 0, 1, 2), "b_csv": csv(row(0, 1))}, (8, 8, 1), [0, 255]),
        ({"a_csv": four(64, 0.5, 0, 1, 0), "b_csv": csv(row(0, 1))}, (8, 8, 1), [0, 1]),
    ],
)
def test_shape_and_range_of_rows(
    files: dict[str, bytes], shape: tuple[int, int, int], scale: list[int]
) -> None:
    world, report = checked(**files)
    assert report["problems"] == []
    version = read(world, "version.json")
    assert tuple(version["shape"].values()) == shape
    assert (version["format"], version["kind"], version["range"]) == (2, "rows", scale)


@pytest.mark.parametrize(
    ("files", "file", "reason"),
    [
        ({"a_csv": four(64, 0, 0, 0, 0)}, "", "all 4 rows have the same values"),
        (
            {"a_csv": csv(row(0), row(1, 3), row(0, 9))},
            "a.csv",
            "class '1' has a single row to train with: 2 are needed at least",
        ),
        (
            {"a_csv": good(), "b_csv": csv(row(1, 0.5))},
            "b.csv",
            "numbers from 0 to 1, those of a.csv whole numbers to 255",
        ),
        (
            {
                "a_csv": good(),
                "dataset_json": b'{"shape": {"height": 9, "width": 8, "channels": 1}}',
            },
            "dataset.json",
            "shape 9 x 8 x 1 has 72 values, the rows of a.csv have 64",
        ),
        (
            {"a_csv": csv(row(0), row(7, 1), row(0, 9)), "dataset_json": b'{"classes": ["a"]}'},
            "a.csv",
            "label '7' is unknown to the 1 classes",
        ),
        (
            {
                "a_csv": csv(row("bag"), row("shoe", 1), row("bagg", 9), row("bag", 7)),
                "dataset_json": b'{"classes": ["shoe", "bag"]}',
            },
            "a.csv",
            "label 'bagg' is none of the classes in dataset.json",
        ),
        ({"a_csv": good(), "dataset_json": b'{"label": "class"}'}, "a.csv", "has no header"),
        ({"x/../a_csv": good()}, "x/../a.csv", "'..' in it"),
    ],
)
def test_what_cannot_train_between_rows_is_refused(
    files: dict[str, bytes], file: str, reason: str
) -> None:
    _, report = checked(**files)
    assert report["ok"] is False
    assert [p for p in report["problems"] if p["file"] == file and reason in p["reason"]]


def test_words_that_are_classes_take_their_order() -> None:
    world, _ = checked(
        a_csv=csv(row("bag"), row("shoe", 1), row("bag", 9), row("shoe", 4)),
        dataset_json=b'{"classes": ["shoe", "bag"]}',
    )
    version = read(world, "version.json")
    assert (version["labels"], version["classes"]) == (["shoe", "bag"], ["shoe", "bag"])


def test_rows_to_choose_by_have_a_role_of_their_own() -> None:
    world, report = checked(a_csv=good(), a_validation_csv=csv(row(1, 3)))
    assert report["rows"] == {"train": 4, "validation": 1, "test": 0}
    summary = "4 rows to train with (of which a fifth is held out), 1 to choose by, with notes"
    assert report["summary"] == summary
    roles = {file["path"]: file["role"] for file in read(world, "version.json")["files"]}
    assert roles == {"a.csv": "train", "a_validation.csv": "validation"}


def test_a_class_with_few_rows_is_noted_and_trained() -> None:
    world, report = checked(a_csv=good())
    assert report["ok"] is True
    [note] = [note for note in report["notes"] if "fewer than 5 rows to train with" in note]
    assert note.endswith("0, 1")
    key = f"reports/{DATASET}/preflight/{report['version']}/report.txt"
    assert note in world.storage.get_bytes(key).decode()
