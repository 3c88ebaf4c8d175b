"""How many files of a folder may be no images."""

from __future__ import annotations

import io
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from chalicelib.datasets.content import look
from chalicelib.datasets.preflight import survey
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from tests.unit.datasets.pictures import folders, zipped
from tests.unit.datasets.world import DATASET, World

LOG = Logger(service="bad-images", stream=io.StringIO())


@pytest.mark.parametrize("piece", [10**9, 1])
def test_an_etag_of_what_kms_encrypts_is_no_md5(piece: int) -> None:
    world = World()
    for name, body in {**photos(2, 0), "a.zip": zipped(photos(2, 0))}.items():
        world.put(name, body)
    world.storage.sealed.add(f"datasets/{DATASET}/cat/1.png")
    version = look(world.storage, DATASET).version
    preflight = Preflight(world.storage, lambda: world.now, LOG, piece)
    for number in (None, 0, 1):
        preflight.run(Asked(DATASET, version, 1, piece=number))
    described = world.storage.get_json(f"reports/{DATASET}/preflight/{version}/version.json")
    without = [file["path"] for file in described["files"] if "label" in file and not file["md5"]]
    assert without == ["cat/1.png"]


def checked(files: dict[str, bytes], settings: str = "{}") -> Any:
    world = World()
    for name, body in {**files, "dataset.json": settings.encode()}.items():
        world.put(name, body)
    version = look(world.storage, DATASET).version
    Preflight(world.storage, lambda: world.now, LOG, 10**9).run(Asked(DATASET, version, 1))
    return world.storage.get_json(f"reports/{DATASET}/preflight/{version}/report.json")


def photos(each: int, broken: int) -> dict[str, bytes]:
    """Two folders of so many files, of which the first ones are empty in one of them."""
    files = folders("cat", "dog", each=each)
    return files | {f"cat/{number}.png": b"" for number in range(broken)}


@pytest.mark.parametrize(("each", "broken"), [(5, 1), (100, 1), (100, 4)])
def test_two_in_a_hundred_and_always_one_are_set_aside(each: int, broken: int) -> None:
    for files in (photos(each, broken), {"a.zip": zipped(photos(each, broken))}):
        report = checked(files)
        assert report["ok"], report["summary"]
        assert report["set_aside_count"] == broken
        assert report["rows"]["train"] == 2 * each - broken


@pytest.mark.parametrize(
    ("each", "broken", "settings", "share"),
    [(5, 2, "{}", "2 %"), (100, 5, "{}", "2 %"), (100, 1, '{"bad_rows": 0.004}', "0.4 %")],
)
def test_more_or_what_dataset_json_does_not_allow_is_refused(
    each: int, broken: int, settings: str, share: str
) -> None:
    report = checked(photos(each, broken), settings)
    assert report["ok"] is False
    assert f"{share} may be set aside: bad_rows in dataset.json" in report["summary"]


def test_no_class_vanishes() -> None:
    files = folders("cat", "dog", each=50) | {"emu/1.png": b""}
    report = checked(files)
    assert "no file of class 'emu' is an image" in report["summary"]


def test_zips_of_more_files_than_fit_in_memory_are_not_all_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "MOST_IN_ZIPS", 30)
    zips = {f"{name}.zip": zipped(photos(10, 0)) for name in "abc"}
    assert checked({"a.zip": zips["a.zip"]})["ok"]
    report = checked(zips | {"z.zip": b"never looked at"})
    assert report["summary"] == "refused: more than 30 files in zips: make several datasets"
