"""What waited for its cost, or was to be trained once more, when other data takes its place."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from chalicelib.aws.registry import Approval
from chalicelib.errors import Conflict
from tests.fakes.ticks import die
from tests.unit.datasets.budgeted import GPU, NEXT_GPU, enter, entry, gpus, month, stage
from tests.unit.datasets.world import DATASET, Broken, Trained, World, good


@pytest.fixture
def world() -> World:
    return World()


def cap(world: World, usd: float) -> None:
    world.put("dataset.json", json.dumps({"budget": {"job_usd": usd}}).encode())


def asks(world: World, body: bytes) -> dict[str, Any]:
    """Data whose training waits for its cost."""
    cap(world, 0)
    status = world.drop(body)
    assert status["awaits"] == "cost"
    cap(world, 5)
    return status


def asks_once_more(world: World) -> None:
    """A live model, whose data is to be trained once more."""
    world.drop(good(1))
    cap(world, 0)
    world.datasets.retrain(DATASET)
    assert world.settle()["awaits"] == "cost"
    cap(world, 5)


def test_what_waited_for_its_cost_waits_no_more_when_other_data_comes(world: World) -> None:
    asked = asks(world, good(1))
    status = world.drop(good(2))
    assert (status["outcome"], status["waiting"]) == ("Live", [])
    assert not world.state().unsettled
    with pytest.raises(Conflict, match="no model of fm waits"):
        world.datasets.approve(DATASET, "anna")
    assert "other data took its place" in world.state().past_of(asked["version"]).message


def test_what_waited_for_its_cost_waits_no_more_when_its_data_is_deleted(world: World) -> None:
    asks(world, good(1))
    for path in ("a.csv", "dataset.json", "_READY"):
        world.remove(path)
    status = world.settle()
    assert (status["outcome"], status["waiting"]) == (None, [])
    assert not world.state().unsettled


def test_it_is_asked_for_again_when_its_data_is_back(world: World) -> None:
    first = asks(world, good(1))
    world.drop(good(2))
    cap(world, 0)
    world.put("a.csv", good(1))
    status = world.settle()
    assert (status["awaits"], status["version"]) == ("cost", first["version"])
    assert len(world.jobs) == 1


def test_a_model_comes_back_with_its_data_though_it_waited_to_be_trained_again(
    world: World,
) -> None:
    asks_once_more(world)
    first = world.jobs[0]
    world.drop(good(2))
    status = world.drop(good(1))
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", first)
    assert len(world.jobs) == 2


def test_a_model_comes_back_with_its_data_though_another_training_of_it_failed(
    world: World,
) -> None:
    world.drop(good(1))
    world.results = [Broken("AlgorithmError: bad luck")]
    world.datasets.retrain(DATASET)
    assert world.settle()["outcome"] == "Failed"
    world.drop(good(2))
    world.put("a.csv", good(1))
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[0])
    assert len(world.jobs) == 3
    world.datasets.retrain(DATASET)  # under a number that no job had
    assert world.settle()["outcome"] == "Live"
    assert world.jobs[-1].endswith("-3")


def test_a_model_is_not_forgotten_when_it_is_asked_for_twice(world: World) -> None:
    asks_once_more(world)
    package = world.state().champion
    cap(world, 0)
    world.datasets.retrain(DATASET)
    assert world.settle()["awaits"] == "cost"
    world.datasets.reject(DATASET, "anna")
    status = world.settle()
    assert package is not None
    assert world.state().past_of(status["version"]).package == package.model_package_arn


def test_an_older_model_may_be_approved_while_a_cost_waits(world: World) -> None:
    """It goes live, and the cost is asked for again behind that."""
    world.results = [Trained(), Trained(accuracy=0.7, difference=-0.1)]
    world.drop(good(1))
    worse = world.drop(good(2))
    asked = asks(world, good(3))
    cap(world, 0)
    [package] = [p for p in world.registry.packages.values() if p.approval == Approval.REJECTED]
    world.registry.decide(package.arn, Approval.APPROVED, "good enough")
    status = world.settle()
    assert status["champion"]["version"] == worse["version"]
    assert (status["awaits"], status["version"]) == ("cost", asked["version"])
    assert [one["what"] for one in status["waiting"]] == ["cost"]
    world.datasets.approve(DATASET, "anna")
    assert world.settle()["champion"]["version"] == asked["version"]


def test_other_data_tells_of_no_rejection_that_was_told_before(world: World) -> None:
    world.results = [Trained(), Trained(accuracy=0.7, difference=-0.1)]
    world.drop(good(1))
    rejected = world.drop(good(2))["version"]
    cap(world, 0)
    world.datasets.retrain(DATASET)
    world.settle()
    cap(world, 5)
    world.drop(good(3))
    told = [kind for kind, _ in world.happened()[rejected]]
    assert told.count("Rejected") == 1


def test_an_approval_counts_for_what_a_job_costs_with_all_its_attempts(world: World) -> None:
    stage(world, budget_job_usd=0.0)
    world.training.seconds = 3000
    world.results = [Broken("InternalServerError: We encountered an internal error")]
    world.drop(good(1))
    most = world.status()["cost"]["most_usd"]
    world.datasets.approve(DATASET, "anna")
    world.settle()
    first, second = world.jobs
    runtime = world.training.requests[second]["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert runtime < 1000
    spent = month(world).jobs[first].spent or 0
    assert spent + 0.23 * (runtime + 300) / 3600 <= most + 0.01


def test_a_limit_that_nobody_understands_is_not_waited_for_for_ever(world: World) -> None:
    gpus(world)
    world.training.limits[GPU] = "You have reached a limit of a kind unheard of"
    world.drop(good(1))
    status = world.status()
    assert (status["outcome"], status["instances"]) == ("Live", f"1 x {NEXT_GPU}")
    assert "a kind unheard of" in status["instances_refused"][f"1 x {GPU}"]
    assert world.now - datetime(2026, 11, 21, 10, tzinfo=UTC) < timedelta(hours=2)


def test_a_job_that_nobody_made_holds_no_money_for_ever(world: World) -> None:
    """The item of its dataset was deleted, say."""
    stage(world, budget_month_usd=1.0)
    enter(world, "pigeonhole-local-lost-0123456789ab-1", replace(entry(0.99), estimated=0.01))
    world.put("a.csv", good(1))
    world.ready()
    world.until("Training")
    for _ in range(5):
        world.step()
    assert "waits: jobs under way may still cost $0.99" in world.status()["message"]
    world.later(86400)
    world.settle()
    assert world.status()["outcome"] == "Live"


def test_no_dead_function_leaves_a_job_in_the_ledger_that_never_was() -> None:
    """Other data comes just when it dies, at any effect."""
    for at in count(1):
        world = stage(World(), budget_month_usd=100.0)
        world.put("a.csv", good(1))
        world.ready()

        def dies(world: World = world) -> None:
            world.tick.muted = True
            world.put("a.csv", good(2))
            world.tick.muted = False
            die()

        world.tick.at, world.tick.then = world.tick.count + at, dies
        world.settle()
        if world.tick.then is not None:
            break  # nothing happens any more at that number
        assert set(month(world).jobs) == set(world.jobs), f"killed after effect {at}"
    assert at > 20
