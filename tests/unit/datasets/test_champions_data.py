"""New data beside the live model's: what its users would miss is refused, unless it is meant."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from chalicelib.datasets.content import look
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from tests.unit.datasets.pictures import folders
from tests.unit.datasets.world import DATASET, World, csv, row

LOG = Logger(service="champions-data", stream=io.StringIO())


def labelled(*labels: str | int, pixels: int = 64) -> bytes:
    """Five rows of each label."""
    return csv(*[row(label, 20 * i + 3, pixels) for i in range(5) for label in labels])


def checked(world: World, champion: str | None, **files: bytes) -> Any:
    """The report of the version that these files make of the world, and the version."""
    for name, body in files.items():
        world.put(name.replace("_", "."), body)
    version = look(world.storage, DATASET).version
    preflight = Preflight(world.storage, lambda: world.now, LOG, 10**9)
    preflight.run(Asked(DATASET, version, 1, champion))
    folder = f"reports/{DATASET}/preflight/{version}/"
    return world.storage.get_json(folder + "report.json"), version


def live(world: World, body: bytes, settings: dict[str, Any] | None = None) -> str:
    files = {"a_csv": body} | ({"dataset_json": json.dumps(settings).encode()} if settings else {})
    report, version = checked(world, None, **files)
    assert report["ok"], report["summary"]
    return str(version)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            labelled(0, 1, 2, pixels=81),
            "images of 9 x 9 grey, where the live model's are 8 x 8 grey. If that is meant, say so "
            'in dataset.json: {"shape": {"height": 9, "width": 9, "channels": 1}}; a person '
            "approves the model then",
        ),
        (
            labelled(0, 2),
            "no training row of class '1', which the live model knows. If that is meant, say so in "
            'dataset.json: {"classes": ["0", "2"]}; a person approves the model then',
        ),
    ],
)
def test_another_size_or_a_class_that_is_gone_is_refused(body: bytes, reason: str) -> None:
    world = World()
    champion = live(world, labelled(0, 1, 2))
    report, _ = checked(world, champion, a_csv=body)
    assert (report["ok"], report["summary"]) == (False, f"refused: {reason}")
    settings = json.dumps(json.loads(reason[reason.index("{") : reason.rindex("}") + 1]))
    report, _ = checked(world, champion, dataset_json=settings.encode())
    assert report["ok"], report["summary"]
    change = reason.partition(". If")[0]
    assert f"{change}: dataset.json says so, and a person approves the model" in report["notes"]


def test_a_class_that_dataset_json_lists_still_is_refused_when_it_is_gone() -> None:
    world = World()
    settings = {"classes": ["bag", "shoe", "coat"]}
    champion = live(world, labelled("bag", "shoe", "coat"), settings)
    report, _ = checked(world, champion, a_csv=labelled("bag", "coat"))
    assert "classes has 'shoe', which no training row is" in report["summary"]


def test_a_new_class_is_noted() -> None:
    world = World()
    champion = live(world, labelled("bag", "shoe"))
    report, _ = checked(world, champion, a_csv=labelled("bag", "hat", "shoe"))
    assert report["ok"]
    note = "class 'hat' is new to the live model: a person approves the next one"
    assert note in report["notes"]


def test_a_class_in_folders_that_is_gone_is_refused() -> None:
    world = World()
    for name, body in folders("train/cat", "train/dog", "train/cow", each=5).items():
        world.put(name, body)
    _, champion = checked(world, None)
    for i in range(5):
        world.remove(f"train/cow/{i}.png")
    report, _ = checked(world, champion)
    assert "no training image of class 'cow', which the live model knows" in report["summary"]


def test_the_same_data_and_data_without_a_live_model_are_taken() -> None:
    world = World()
    champion = live(world, labelled(0, 1))
    report, _ = checked(world, None, a_csv=labelled(0, 2))
    assert report["ok"]
    world.storage.delete(f"reports/{DATASET}/preflight/{champion}/version.json")
    report, _ = checked(world, champion, a_csv=labelled(0, 3))
    assert report["ok"]


def test_the_flow_hands_on_which_version_is_live() -> None:
    world = World()
    first = world.drop(labelled(0, 1, 2))
    assert first["outcome"] == "Live", first
    status = world.drop(labelled(0, 2))
    assert (status["outcome"], status["champion"]) == ("Refused", first["champion"])
    assert "no training row of class '1'" in status["message"]
    assert len(world.jobs) == 1
