"""Wherever a dataset stands, its status says what happens next, or what to do."""

from __future__ import annotations

import pytest

from tests.unit.datasets.world import DATASET, Broken, Trained, World, csv, good


@pytest.mark.parametrize(
    ("phase", "hint"),
    [
        ("Checking", "its training starts by itself"),
        ("Training", "`pigeonhole logs pigeonhole-local-fm-"),
        ("Verifying", "else what is live stays"),
        ("Deploying", "what was live before comes back"),
    ],
)
def test_who_is_under_way_says_what_comes_next(phase: str, hint: str) -> None:
    world = World()
    world.put("a.csv", good())
    world.ready()
    world.until(phase)
    assert hint in world.status()["message"]


@pytest.mark.parametrize(
    ("result", "body", "outcome", "hint"),
    [
        (Trained(), good(), "Live", "the next drop"),
        (Trained(), csv("0,1,2"), "Refused", "drop it again"),
        (Broken("AlgorithmError"), good(), "Failed", "`pigeonhole retrain fm`"),
        (Trained(accuracy=0.4), good(), "Rejected", "`pigeonhole approve fm"),
        (Trained(rows=50), good(), "PendingApproval", "`pigeonhole reject fm"),
    ],
)
def test_every_outcome_says_what_a_person_can_do(
    result: Trained | Broken, body: bytes, outcome: str, hint: str
) -> None:
    world = World(results=[result])
    status = world.drop(body)
    assert status["outcome"] == outcome
    assert hint in status["message"]


def test_what_waits_says_how_to_start(world: World) -> None:
    world.put("a.csv", good())
    world.reconcile()
    assert "put _READY to start now" in world.status()["message"]
    world.remove("a.csv")
    world.settle()
    assert f"put CSVs or images under datasets/{DATASET}/" in world.status()["message"]


def test_a_job_that_is_not_there_yet_has_no_log_to_look_at(world: World) -> None:
    world.training.limits["ml.m5.xlarge"] = "You have exceeded the limit"
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    for _ in range(4):
        world.step()
    message = world.status()["message"]
    assert "are in use" in message
    assert message.endswith("; it starts by itself")


def test_what_is_trained_already_says_how_to_train_it_again(world: World) -> None:
    world.drop(good())
    assert "`pigeonhole retrain fm`" in world.drop(good())["message"]


@pytest.fixture
def world() -> World:
    return World()
