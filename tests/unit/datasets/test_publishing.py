"""Reports out of the archive: where they go, what is left out, that nobody waits for ever."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.datasets.jobs import reports
from chalicelib.datasets.jobs.reports import content_type
from tests.fakes.sagemaker import pack
from tests.unit.datasets.world import SETTINGS, Broken, Trained, World, good

PAGE = b"<!doctype html><p>all of it"


@pytest.fixture
def world() -> World:
    world = World()
    world.reports = {
        "reports/index.html": PAGE,
        "reports/data/classes.png": b"\x89PNG",
        "./reports/model_card.md": b"# card",
        "model.keras": b"\0" * 5000,
    }
    return world


def folder(world: World, job: str | None = None) -> dict[str, bytes]:
    prefix = f"reports/fm/{job or world.jobs[-1]}/"
    found = world.storage.list(prefix)
    return {o.key.removeprefix(prefix): world.storage.get_bytes(o.key) for o in found}


def published(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(folder(world)["published.json"])
    return document


def test_the_outcome_comes_with_its_page(world: World) -> None:
    status = world.drop(good())
    job = world.jobs[0]
    assert status["report"] == f"s3://{SETTINGS.bucket}/reports/fm/{job}/index.html"
    assert world.report() == PAGE.decode()
    assert set(folder(world)) == {
        *("index.html", "data/classes.png", "model_card.md"),
        *("evaluation.json", "published.json"),
    }
    assert published(world)["files"] == ["index.html", "data/classes.png", "model_card.md"]
    assert world.datasets.report_key("fm") == f"reports/fm/{job}/index.html"


def test_a_rejected_model_has_its_page_too(world: World) -> None:
    world.results = [Trained(accuracy=0.5)]
    status = world.drop(good())
    assert status["outcome"] == "Rejected"
    assert status["report"].endswith("/index.html")


def test_data_that_returns_brings_its_page_back(world: World) -> None:
    first = world.drop(good(1))["report"]
    second = world.drop(good(2))["report"]
    assert first != second
    assert world.drop(good(1))["report"] == first


def test_the_page_is_found_when_the_item_was_lost(world: World) -> None:
    report = world.drop(good())["report"]
    world.table.held.clear()
    assert world.settle()["report"] == report


CARD = {
    "model_overview": {"model_name": "letters", "model_creator": "Pigeonhole"},
    "intended_uses": {"intended_uses": "telling shoes\nfrom bags", "risk_rating": "Unknown"},
    "training_details": {"training_job_details": {"training_datasets": ["letters"]}},
}


def test_the_registry_points_at_the_page_and_has_the_card(world: World) -> None:
    world.reports["reports/model_card.json"] = json.dumps(CARD).encode()
    world.drop(good())
    [request] = world.registry.requests.values()
    metrics = request["ModelMetrics"]
    assert metrics["ModelQuality"]["Statistics"]["S3Uri"].endswith("/evaluation.json")
    assert metrics["ModelDataQuality"]["Statistics"]["S3Uri"].endswith("/index.html")
    assert "\n" not in request["ModelCard"]["ModelCardContent"]
    card = json.loads(request["ModelCard"]["ModelCardContent"])
    assert set(card["model_overview"]) == {"model_creator", "model_artifact"}
    assert card["model_overview"]["model_artifact"][0].endswith("/output/model.tar.gz")
    assert card["intended_uses"] == CARD["intended_uses"]
    assert card["training_details"]["training_job_details"] == {
        "training_datasets": ["letters"],
        "training_environment": {"container_image": ["training:cpu"]},
    }


@pytest.mark.parametrize(
    "card", [None, b"not JSON", b"[]", b'{"training_details": 3}', b'{"intended_uses": NaN}']
)
def test_without_a_card_that_can_be_used_there_is_none(world: World, card: bytes | None) -> None:
    if card is not None:
        world.reports["reports/model_card.json"] = card
    assert world.drop(good())["outcome"] == "Live"
    assert "ModelCard" not in next(iter(world.registry.requests.values()))


def test_a_card_that_is_refused_is_left_out(world: World) -> None:
    world.reports["reports/model_card.json"] = json.dumps(CARD).encode()
    world.registry.refuse_cards = True
    status = world.drop(good())
    assert status["outcome"] == "Live"
    assert "ModelCard" not in next(iter(world.registry.requests.values()))
    assert "without a model card" in world.log.getvalue()


def test_a_failed_job_leaves_its_reason(world: World) -> None:
    world.results = [Broken("AlgorithmError: out of memory at epoch 3")]
    status = world.drop(good())
    assert status["report"].endswith(f"/{world.jobs[0]}/failure.txt")
    assert "out of memory at epoch 3" in world.report()
    document = json.loads(folder(world)["failure.json"])
    assert document["reason"] == "AlgorithmError: out of memory at epoch 3"


def test_a_failed_job_that_drew_a_page_shows_it(world: World) -> None:
    world.results = [Broken("one class only", leaves={"reports/index.html": PAGE})]
    status = world.drop(good())
    assert (status["outcome"], world.report()) == ("Failed", PAGE.decode())
    assert "one class only" in folder(world)["failure.txt"].decode()


def test_each_attempt_leaves_its_reason(world: World) -> None:
    world.results = [Broken("CapacityError: no ml.g5"), Broken("AlgorithmError: bad luck")]
    world.drop(good())
    first, second = (folder(world, job)["failure.txt"].decode() for job in world.jobs)
    assert "no ml.g5" in first
    assert "bad luck" in second


def test_an_archive_that_cannot_be_read_blocks_nothing(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    [job] = world.training.running()
    world.end_job(job)
    key = f"models/fm/{job}/output/output.tar.gz"
    evaluation = world.storage.get_bytes(key)
    world.storage.put_bytes(key, evaluation[: len(evaluation) // 2], "")
    status = world.settle()
    assert "cannot be read" in published(world)["problem"]
    assert status["outcome"] == "Failed"  # there is no evaluation to judge by
    assert "cannot be read" in status["message"]


def test_a_publisher_that_never_answers_is_not_waited_for(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    lost: list[dict[str, Any]] = []
    while world.status()["outcome"] is None:
        lost += [m for m in world.queues.asked if "reports" in m]
        world.queues.asked = [m for m in world.queues.asked if "reports" not in m]
        assert world.step()
    status = world.status()
    assert (status["outcome"], len(lost)) == ("Live", 4)
    assert "still being published" in status["message"]
    world.datasets.publish(lost[-1]["reports"])  # SQS delivers it again
    status = world.settle()
    assert status["report"].endswith("/index.html")
    assert "published" not in status["message"]
    assert world.datasets.report_key("fm").endswith("/index.html")


def test_a_publisher_that_was_not_asked_is_asked_soon_after(world: World) -> None:
    """The function died between its write and the message."""
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    while not world.queues.sent["reports"]:
        assert world.step()
    world.queues.asked.clear()
    began = world.now
    while not world.queues.asked:
        assert world.step()
    assert world.now - began < timedelta(seconds=65)
    assert world.settle()["report"].endswith("/index.html")
    assert world.now - began < timedelta(seconds=180)


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        for member, content in members:
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return out.getvalue()


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


JOB = "pigeonhole-local-fm-0123456789ab-1"


def publish(world: World, body: bytes) -> dict[str, Any]:
    world.storage.put_bytes(f"models/fm/{JOB}/output/output.tar.gz", body, "")
    world.datasets.publish({"dataset": "fm", "job": JOB})
    document: dict[str, Any] = json.loads(folder(world, JOB)["published.json"])
    return document


@pytest.mark.parametrize(
    "name",
    [
        "reports/../index.html",
        "reports/a/../../b.html",
        "reports//b.html",
        "reports/a\\..\\b.html",
        "reports/a\nb.html",
        "reports/published.json",
        "reports/evaluation.json",
        "reports/failure.txt",
        "reports/tensorboard-output/x",
        "reports/" + "ü" * 500,
    ],
)
def test_paths_that_lead_elsewhere_are_left_out(world: World, name: str) -> None:
    document = publish(world, pack({name: b"evil", "reports/index.html": PAGE}))
    assert [entry["path"][:8] for entry in document["left_out"]] == [name[8:16]]
    assert document["files"] == ["index.html"]
    assert set(folder(world, JOB)) == {"index.html", "published.json"}


def test_links_are_left_out(world: World) -> None:
    document = publish(
        world, archive((link("reports/passwd"), b""), (tarfile.TarInfo("reports/index.html"), PAGE))
    )
    assert (document["files"], document["left_out_count"]) == (["index.html"], 1)


def test_too_large_and_too_many_are_left_out_and_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "LARGEST", 10)
    monkeypatch.setattr(reports, "LARGEST_TOTAL", 20)
    monkeypatch.setattr(reports, "MOST", 3)
    files = {"reports/large": b"x" * 11, **{f"reports/{n}": b"x" * 9 for n in range(4)}}
    document = publish(world, pack(files))
    assert document["files"] == ["0", "1"]
    assert [e["path"] for e in document["left_out"]] == ["large", "2", "3"]
    assert "reports are incomplete" in world.log.getvalue()


def test_people_read_that_a_report_is_not_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "LARGEST", 500)
    world.reports["reports/large.csv"] = b"x" * 501
    status = world.drop(good())
    assert status["report"].endswith("/index.html")
    assert "1 file was left out; published.json beside it says why" in status["message"]


def test_only_a_job_of_the_dataset_is_published(world: World) -> None:
    world.datasets.publish({"dataset": "other", "job": JOB})
    world.datasets.publish({"dataset": "fm", "job": "somebody-elses"})
    assert list(world.storage.list("reports/")) == []
    assert world.queues.woken == []


def test_a_job_without_output_is_said(world: World) -> None:
    world.datasets.publish({"dataset": "fm", "job": JOB})
    assert "no output.tar.gz" in json.loads(folder(world, JOB)["published.json"])["problem"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("data/a.PNG", "image/png"),
        ("model_card.json", "application/json"),
        ("model_card.md", "text/markdown; charset=utf-8"),
        ("profile/trace.unheard-of", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
    ],
)
def test_browsers_are_told_what_a_file_is(path: str, expected: str) -> None:
    assert content_type(path) == expected
