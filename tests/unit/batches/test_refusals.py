"""What a batch is refused for, and how it goes on afterwards."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import AccessDenied, LimitReached, RequestRefused
from tests.unit.batches.fakes import World
from tests.unit.batches.reading import everything


def test_no_model_is_refused_and_ready_tries_again(world: World) -> None:
    world.datasets.champions = {"fashion-mnist": None}
    world.drop("b", "1.png")
    world.settle("b")
    status = world.status("b")
    assert (status["phase"], status["settled"]) == ("Refused", True)
    assert "Epoch 3 of 8." in status["message"]
    latest = json.loads(world.storage.get_bytes("results/b/latest.json"))
    assert latest["message"] == status["message"]
    world.batches.reconcile("b")
    assert world.status("b")["updated"] == status["updated"]
    world.datasets.champions = {"fashion-mnist": "pigeonhole-local-fm-1"}
    world.drop("b")
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_several_models_need_batch_json(world: World) -> None:
    world.datasets.champions["digits"] = "pigeonhole-local-digits-1"
    world.drop("b", "1.png")
    world.settle("b")
    assert "batch.json" in world.status("b")["message"]
    assert "digits" in world.status("b")["message"]
    world.storage.put_bytes("inbox/b/batch.json", b'{"dataset": "digits"}', "")
    world.drop("b")
    world.settle("b")
    assert (world.status("b")["phase"], world.status("b")["dataset"]) == ("Done", "digits")
    assert everything(world, "b") == ["1.png"]


@pytest.mark.parametrize(
    "settings", [b"{", b"[]", b"{}", b'{"dataset": 7}', b'{"dataset": "A B"}', b"\xff", b"[" * 9999]
)
def test_bad_batch_json_is_refused_with_what_to_do(world: World, settings: bytes) -> None:
    world.storage.put_bytes("inbox/b/batch.json", settings, "")
    world.drop("b", "1.png")
    world.settle("b")
    assert world.status("b")["phase"] == "Refused"
    assert len(world.status("b")["message"]) > 20
    assert world.transform.requests == {}


def test_unknown_dataset_in_batch_json_is_refused(world: World) -> None:
    world.storage.put_bytes("inbox/b/batch.json", b'{"dataset": "nowhere"}', "")
    world.drop("b", "1.png")
    world.settle("b")
    assert "'nowhere'" in world.status("b")["message"]
    assert world.status("b")["phase"] == "Refused"


def test_empty_batch_is_refused(world: World) -> None:
    world.drop("b")
    world.settle("b")
    assert world.status("b")["phase"] == "Refused"
    assert "no file" in world.status("b")["message"]


def test_limit_of_the_account_is_waited_out(world: World) -> None:
    world.transform.refusal = LimitReached("no ml.m5.xlarge left")
    world.drop("b", "1.png")
    world.batches.reconcile("b")
    assert "no ml.m5.xlarge left" in world.status("b")["message"]
    assert len(world.queues.woken) == 1
    world.transform.refusal = None
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_a_job_that_sagemaker_refuses_fails_and_ready_tries_again(world: World) -> None:
    world.drop("b", "1.png")
    world.transform.refusal = RequestRefused("Environment is too long.")
    world.settle("b")
    status = world.status("b")
    assert (status["phase"], status["settled"]) == ("Failed", True)
    assert "Environment is too long." in status["message"]
    assert json.loads(world.storage.get_bytes("results/b/latest.json"))["phase"] == "Failed"
    assert world.transform.models == {}
    world.transform.refusal = None
    world.drop("b")
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_a_missing_permission_is_in_the_status_and_goes_on_to_the_retries(world: World) -> None:
    world.drop("b", "1.png")
    world.transform.refusal = AccessDenied("not authorized")
    with pytest.raises(AccessDenied):
        world.settle("b")
    assert "not authorized" in world.status("b")["message"]
    world.transform.refusal = None
    world.settle("b")
    assert world.status("b")["phase"] == "Done"


def test_control_characters_in_names_reach_no_container(world: World) -> None:
    world.drop("b", "a\x01.png", "b\n.png", "c\x7f.png", "good.png")
    world.settle("b")
    shards = list(world.storage.list(f"work/b/{world.status('b')['run']}/shards/"))
    [line] = world.storage.get_bytes(shards[0].key).decode().splitlines()
    assert json.loads(line)["key"] == "inbox/b/good.png"
    assert world.status("b")["counts"] == {"files": 4, "classified": 1, "rejected": 3}
    assert everything(world, "b") == ["a\x01.png", "b\n.png", "c\x7f.png", "good.png"]


def test_a_batch_of_unusable_names_alone_needs_no_job(world: World) -> None:
    world.drop("b", "a\n.png", "b\n.png")
    world.settle("b")
    assert world.transform.requests == {}
    assert world.status("b")["phase"] == "Done"
    assert world.status("b")["counts"] == {"files": 2, "classified": 0, "rejected": 2}
