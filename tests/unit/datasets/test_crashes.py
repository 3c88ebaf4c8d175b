"""Functions die half-way, run twice at once, and the table can be lost: it ends the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import names
from chalicelib.datasets.cost import budget
from tests.unit.datasets.enduring import survives_company, survives_deaths
from tests.unit.datasets.world import LIVE, NEXT, Broken, Trained, World, good


def first_drop(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()


def second_drop(world: World) -> None:
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()


def worse(world: World) -> None:
    world.results = [Trained(), Trained(accuracy=0.7, difference=-0.1)]
    second_drop(world)


def unlike_keras(world: World) -> None:
    second_drop(world)
    world.runtime.apart[NEXT] = 0.1


def failing(world: World) -> None:
    world.results = [Broken("CapacityError"), Broken("bad luck")]
    first_drop(world)


def taken_back(world: World) -> None:
    """The data is what it was again before its job is through."""
    second_drop(world)
    world.until("Training")
    world.put("a.csv", good(1))


def scheduled(world: World) -> None:
    world.put("dataset.json", b'{"schedule": "rate(7 days)"}')
    world.drop(good(1))
    world.later(7 * 86400)


def set_stage(world: World, **changes: Any) -> None:
    parts = world.datasets._parts
    world.datasets._parts = replace(parts, settings=replace(parts.settings, **changes))


def without_gpus(world: World) -> None:
    """A quota of 0, then no capacity, then the last resort, under caps that hold."""
    set_stage(
        world,
        training_instance_type="ml.g4dn.xlarge,ml.g5.xlarge",
        training_cpu_instance_type="ml.m5.xlarge",
        budget_job_usd=1.0,
        budget_month_usd=2.0,
    )
    world.training.limits["ml.g4dn.xlarge"] = (
        "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, "
        "with current utilization of 0 Instances and a request delta of 1 Instances."
    )
    world.results = [Broken("CapacityError"), Trained()]
    first_drop(world)


def approved_at_any_cost(world: World) -> None:
    """Stopped at its cap; a person lets it go on."""
    set_stage(world, budget_job_usd=0.1)
    world.results = [Broken("", status="Stopped", secondary="MaxRuntimeExceeded"), Trained()]
    first_drop(world)
    world.settle()
    state = budget.approve(world.datasets._parts, world.state(), "anna", "go on")
    revision, _ = world.table.held[names.dataset_id(state.dataset)]
    world.table.put(names.dataset_id(state.dataset), state.to_json(), revision)


def spent(world: World) -> dict[str, Any]:
    """What the month's ledger says."""
    jobs = world.datasets._parts.ledger.month("2026-11").jobs
    return {job: (entry.spent, entry.seconds) for job, entry in jobs.items()}


def outcome(world: World) -> dict[str, Any]:
    """Everything that must not depend on who died when."""
    status = world.status()
    champion = status["champion"] or {}
    told = world.notifications.sent
    return {
        "status": {k: status[k] for k in ("phase", "outcome", "version", "attempt", "settled")},
        "champion": champion.get("training_job"),
        "jobs": world.jobs,
        "instances": (status["instances"], status["instances_refused"]),
        "spent": spent(world),
        "packages": [(p.arn, p.approval) for p in world.registry.packages.values()],
        "endpoints": {n: (e.status, e.config) for n, e in world.endpoints.endpoints.items()},
        "history": world.happened(),
        "notices": sorted({m.document["id"]: m.document["kind"] for m in told}.values()),
        "owes something": world.state().owes_something,
    }


SCENES = [
    first_drop,
    second_drop,
    worse,
    unlike_keras,
    failing,
    without_gpus,
    approved_at_any_cost,
    taken_back,
    scheduled,
]


@pytest.mark.parametrize("scene", SCENES)
def test_killed_after_any_effect_it_ends_the_same(scene: Callable[[World], None]) -> None:
    survives_deaths(scene, outcome, effects=15)


@pytest.mark.parametrize("scene", SCENES)
def test_two_at_once_end_the_same(scene: Callable[[World], None]) -> None:
    survives_company(scene, lambda world: (outcome(world), world.queues.sent))


def test_a_check_that_could_not_be_asked_for_is_asked_for_when_the_event_comes_again() -> None:
    world = World()
    first_drop(world)
    world.queues.refusals = 1
    with pytest.raises(ConnectionError):
        world.reconcile()
    start = world.now
    assert world.status()["phase"] == "Checking"
    world.reconcile()  # as SQS delivers it again
    assert world.queues.sent["preflight"] == 1
    assert world.now == start
    assert world.settle()["outcome"] == "Live"


def test_a_lost_item_is_rebuilt_from_what_is_live() -> None:
    world = World()
    world.drop(good(1))
    champion = world.status()["champion"]
    world.table.held.clear()
    status = world.settle()
    assert status["outcome"] == "AlreadyTrained"
    rebuilt = {k: v for k, v in status["champion"].items() if k != "since"}
    assert rebuilt == {k: v for k, v in champion.items() if k != "since"}
    assert len(world.jobs) == len(world.registry.packages) == 1


@pytest.mark.parametrize("phase", ["Checking", "Training", "Verifying", "Deploying"])
def test_an_item_lost_on_the_way_costs_no_second_job(phase: str) -> None:
    world = World()
    second_drop(world)
    world.until(phase)
    world.table.held.clear()
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[1]
    assert len(world.jobs) == len(world.registry.packages) == 2
    assert world.endpoints.endpoints[LIVE].config == world.jobs[1]
    assert NEXT not in world.endpoints.endpoints
