"""Flow 3 from the first upload to the results, in every order that events may come."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from chalicelib import names
from chalicelib.errors import BatchNotFound, NameRefused
from tests.unit.batches.fakes import World, by_ending, die
from tests.unit.batches.reading import ODD, everything, files


def test_every_file_is_in_the_results_exactly_once(world: World) -> None:
    world.drop("b", *ODD)
    world.settle("b")
    status = world.status("b")
    assert (status["phase"], status["settled"]) == ("Done", True)
    assert status["counts"] == {"files": 8, "classified": 6, "rejected": 2}
    assert everything(world, "b") == sorted(ODD)
    lines = [json.loads(line) for line in world.result("b", "predictions.jsonl").splitlines()]
    assert [line["file"] for line in lines] == files(world.result("b", "predictions.csv"))
    assert lines[0]["probabilities"] == {"Bag": 0.75, "Shoe": 0.25}
    assert world.result("b", "predictions.csv").startswith("file,label,probability,Bag,Shoe\n")
    text = io.StringIO(world.result("b", "rejected.csv"), newline="")
    rejected = {row["file"]: row["message"] for row in csv.DictReader(text)}
    assert rejected["notes.txt"] == "These bytes are no image."
    assert "rename the file" in rejected["line\nbreak.png"]
    latest = json.loads(world.storage.get_bytes("results/b/latest.json"))
    assert (latest["run"], latest["counts"]) == (status["run"], status["counts"])
    assert status["results"].endswith(f"results/b/{status['run']}/")
    assert json.loads(world.result("b", "summary.json"))["counts"] == status["counts"]


def test_ready_is_taken_up_at_once_and_named_in_the_status(world: World) -> None:
    world.drop("b", "1.png")
    world.settle("b")
    ready = world.storage.head("inbox/b/_READY")
    assert ready is not None
    assert world.status("b")["ready"] == ready.version_id
    assert world.queues.woken == []


def test_without_ready_it_waits_for_quiet_with_one_wake_up(world: World) -> None:
    world.drop("b", "1.png", ready=False)
    for _ in range(5):
        world.batches.reconcile("b")
    assert world.status("b")["phase"] == "Waiting"
    assert len(world.queues.woken) == 1
    assert world.running() == []
    world.later(9)
    world.drop("b", "2.png", ready=False)
    world.later(9)
    world.queues.woken.clear()
    world.batches.reconcile("b")
    assert world.running() == []
    world.settle("b")
    assert world.status("b")["counts"]["files"] == 2
    assert len(world.transform.requests) == 1


def test_open_multipart_upload_is_not_quiet(world: World) -> None:
    world.drop("b", "1.png", ready=False)
    world.later(60)
    world.storage.uploading = True
    world.batches.reconcile("b")
    assert world.status("b")["phase"] == "Waiting"
    world.storage.uploading = False
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_request_of_the_job(world: World) -> None:
    world.drop("b", "1.png")
    world.batches.reconcile("b")
    [(name, request)] = world.transform.requests.items()
    assert name == f"pigeonhole-local-batch-b-{world.status('b')['run']}-1"
    assert request["TransformInput"]["ContentType"] == "application/x-pigeonhole-keys"
    assert request["TransformInput"]["SplitType"] == "None"
    assert request["Environment"]["PIGEONHOLE_PREFIX"] == "inbox/b/"
    assert world.transform.models[name].endswith(
        "models/fashion-mnist/pigeonhole-local-fm-1/output/model.tar.gz"
    )


def test_model_of_a_run_is_deleted_once_done(world: World) -> None:
    world.drop("b", "1.png")
    world.settle("b")
    assert world.transform.models == {}


def test_2500_keys_make_3_shards(world: World) -> None:
    world.drop("b", *(f"{n:04d}.png" for n in range(2500)))
    world.batches.reconcile("b")
    shards = list(world.storage.list(names.shards_prefix("b", world.status("b")["run"])))
    lines = [world.storage.get_bytes(s.key).decode().splitlines() for s in shards]
    assert [len(shard) for shard in lines] == [1000, 1000, 500]
    assert json.loads(lines[2][-1]) == {"key": "inbox/b/2499.png", "version_id": "v2500"}
    world.settle("b")
    assert everything(world, "b") == [f"{n:04d}.png" for n in range(2500)]


def scenario(world: World) -> None:
    world.drop("b", "1.png", "2.png", "notes.txt")
    world.settle("b")


def right(world: World) -> None:
    assert world.status("b")["phase"] == "Done"
    assert world.status("b")["counts"] == {"files": 3, "classified": 2, "rejected": 1}
    assert everything(world, "b") == ["1.png", "2.png", "notes.txt"]
    assert len(world.transform.requests) == 1
    assert world.transform.models == {}
    assert "results/b/latest.json" in world.storage.objects


def effects() -> tuple[int, int]:
    """The first and the last effect of the scenario after its drop."""
    world = World()
    scenario(world)
    return 5, world.tick.count


def test_killed_after_any_step_it_carries_on() -> None:
    first, last = effects()
    assert last - first > 10
    for at in range(first, last + 1):
        world = World()
        world.tick.at, world.tick.then = at, die
        scenario(world)
        assert world.tick.then is None
        right(world)


def test_called_twice_at_once_at_any_step_it_does_everything_once() -> None:
    first, last = effects()
    for at in range(first, last + 1):
        world = World()
        world.tick.at, world.tick.then = at, lambda world=world: world.batches.reconcile("b")
        scenario(world)
        right(world)


def test_work_message_delivered_twice_changes_nothing(world: World) -> None:
    world.drop("b", "1.png")
    world.batches.reconcile("b")
    world.end_job(world.running()[0])
    world.batches.reconcile("b")
    [asked] = world.queues.asked
    world.writer.write(asked)
    before = dict(world.storage.objects)
    world.settle("b")
    world.writer.write(asked)
    assert {k: v[1] for k, v in world.storage.objects.items() if k in before} == {
        k: v[1] for k, v in before.items()
    }
    assert world.status("b")["phase"] == "Done"


def test_lost_work_message_is_sent_again_and_given_up_in_the_end(world: World) -> None:
    world.drop("b", "1.png")
    world.batches.reconcile("b")
    world.end_job(world.running()[0])
    for _ in range(3):
        world.batches.reconcile("b")
        world.batches.reconcile("b")
        assert len(world.queues.asked) == 1
        world.queues.asked.clear()
        world.later(1300)
    world.batches.reconcile("b")
    assert world.status("b")["phase"] == "Failed"
    assert "_READY" in world.status("b")["message"]
    world.drop("b")
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_two_batches_at_once_keep_apart(world: World) -> None:
    world.drop("one", "a.png", "b.png")
    world.drop("one-more", "c.png")
    world.settle("one", "one-more")
    assert everything(world, "one") == ["a.png", "b.png"]
    assert everything(world, "one-more") == ["c.png"]


def test_same_files_again_are_already_classified(world: World) -> None:
    scenario(world)
    run = world.status("b")["run"]
    world.drop("b", "1.png", "2.png", "notes.txt")
    world.settle("b")
    assert world.status("b")["run"] == run
    assert "already classified" in world.status("b")["message"]
    right(world)
    ready = world.storage.head("inbox/b/_READY")
    assert ready is not None
    assert world.status("b")["ready"] == ready.version_id


def test_new_champion_makes_a_new_run(world: World) -> None:
    scenario(world)
    run = world.status("b")["run"]
    world.datasets.champions["fashion-mnist"] = "pigeonhole-local-fm-2"
    world.batches.reconcile("b")
    assert world.status("b")["run"] == run
    world.drop("b")
    world.settle("b")
    assert world.status("b")["run"] != run
    assert len(world.transform.requests) == 2


def test_later_uploads_are_a_new_run_with_everything(world: World) -> None:
    scenario(world)
    run = world.status("b")["run"]
    world.drop("b", "3.png", ready=False)
    world.batches.reconcile("b")
    assert world.status("b")["settled"] is False
    world.settle("b")
    assert world.status("b")["run"] != run
    assert everything(world, "b") == ["1.png", "2.png", "3.png", "notes.txt"]


def test_uploads_during_a_run_wait_for_its_end(world: World) -> None:
    world.drop("b", "1.png")
    world.batches.reconcile("b")
    first = world.status("b")["run"]
    world.drop("b", "2.png")
    world.batches.reconcile("b")
    assert world.status("b")["run"] == first
    world.settle("b")
    assert everything(world, "b") == ["1.png", "2.png"]
    assert f"results/b/{first}/summary.json" in world.storage.objects


def test_upload_taken_back_before_quiet_settles_again(world: World) -> None:
    scenario(world)
    world.drop("b", "3.png", ready=False)
    world.batches.reconcile("b")
    world.storage.delete("inbox/b/3.png")
    world.settle("b")
    assert world.status("b")["settled"] is True
    right(world)


def test_failed_job_keeps_what_it_has_and_is_tried_again(world: World) -> None:
    world.drop("b", *(f"{n:04d}.png" for n in range(1500)))
    world.batches.reconcile("b")
    world.end_job(
        world.running()[0], status="Failed", without=frozenset({"00001.jsonl"}), folder="work/b/"
    )
    world.settle("b")
    status = world.status("b")
    assert status["phase"] == "Failed"
    assert status["counts"] == {"files": 1500, "classified": 1000, "rejected": 500}
    assert "the container died" in status["message"]
    assert everything(world, "b") == [f"{n:04d}.png" for n in range(1500)]
    row = next(csv.DictReader(io.StringIO(world.result("b", "rejected.csv"))))
    assert "inbox/b/_READY" in row["message"]
    world.drop("b")
    world.batches.reconcile("b")
    before = world.result("b", "summary.json")
    world.writer.write({"batch": "b", "run": status["run"]})  # a late copy of the first try's
    assert world.result("b", "summary.json") == before
    world.settle("b")
    status = world.status("b")
    assert status["phase"] == "Done"
    assert status["counts"] == {"files": 1500, "classified": 1500, "rejected": 0}
    assert sorted(world.transform.requests)[1].endswith("-2")


def test_missing_and_double_lines_and_rubbish_still_give_each_file_once(world: World) -> None:
    world.drop("b", "1.png", "2.png", "3.png")
    world.batches.reconcile("b")
    job = world.running()[0]
    run = world.status("b")["run"]
    world.end_job(job, lambda key: None if key.endswith("2.png") else by_ending(key))
    out = f"work/b/{run}/output/00000.jsonl.out"
    lines = world.storage.get_bytes(out)
    stranger = b'{"key": "inbox/other/x.png", "error": "e", "message": "m"}\n'
    error = b'{"key": "inbox/b/1.png", "error": "e", "message": "m"}\n'
    rubbish = stranger + b'[1]\nnull\n{"key": "inb'
    world.storage.put_bytes(out, error + lines + lines + error + rubbish, "")
    world.settle("b")
    assert everything(world, "b") == ["1.png", "2.png", "3.png"]
    assert files(world.result("b", "rejected.csv")) == ["2.png"]


def test_status_of_unknown_or_impossible_batch(world: World) -> None:
    with pytest.raises(BatchNotFound, match="inbox/nowhere/"):
        world.status("nowhere")
    with pytest.raises(NameRefused):
        world.status("Under_Score")


def test_status_has_the_documented_fields(world: World) -> None:
    world.drop("b", "1.png", ready=False)
    world.batches.reconcile("b")
    status: dict[str, Any] = world.status("b")
    assert set(status) == {
        "batch",
        "phase",
        "message",
        "run",
        "ready",
        "settled",
        "dataset",
        "results",
        "counts",
        "updated",
    }
    assert (status["phase"], status["settled"], status["results"]) == ("Waiting", False, None)


def test_folder_that_is_emptied_keeps_its_results(world: World) -> None:
    scenario(world)
    for file in ("1.png", "2.png", "notes.txt", "_READY"):
        world.storage.delete(f"inbox/b/{file}")
        world.batches.reconcile("b")
    world.settle("b")
    assert world.status("b")["settled"] is True
    assert world.status("b")["phase"] == "Done"
