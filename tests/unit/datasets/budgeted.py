"""A world with prices, caps and instances that cannot be had."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from chalicelib.datasets.cost import budget
from chalicelib.datasets.cost.ledger import Entry, Month
from chalicelib.datasets.state import State
from tests.unit.datasets.world import DATASET, World

MONTH = "2026-11"
GPU, NEXT_GPU, CPU = "ml.g4dn.xlarge", "ml.g5.xlarge", "ml.m5.xlarge"
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)


def limit(kind: str, count: int = 0, used: int = 0) -> str:
    return (
        f"The account-level service limit '{kind} for training job usage' is {count} Instances, "
        f"with current utilization of {used} Instances and a request delta of 1 Instances. Please "
        "use AWS Service Quotas to request an increase for this quota."
    )


def stage(world: World, **changes: Any) -> World:
    """With other settings."""
    parts = world.datasets._parts
    world.datasets._parts = replace(parts, settings=replace(parts.settings, **changes))
    return world


def gpus(world: World, **changes: Any) -> World:
    """A stage with two types that have a GPU, and a last resort."""
    given = {
        "training_instance_type": f"{GPU}, {NEXT_GPU}",
        "training_cpu_instance_type": CPU,
    }
    return stage(world, **given, **changes)


def says(world: World, **settings: Any) -> None:
    world.put("dataset.json", json.dumps(settings).encode())


def decide(world: World, yes: bool, why: str = "") -> None:
    """As the API writes it: a person's decision on the cost."""
    id = f"dataset/{DATASET}"
    item = world.table.get(id)
    assert item is not None
    decided = budget.approve if yes else budget.turn_down
    state = decided(world.datasets._parts, State.from_json(item.state), "anna", why)
    world.table.put(id, state.to_json(), item.revision)


def month(world: World, name: str = MONTH) -> Month:
    return world.datasets._parts.ledger.month(name)


def enter(world: World, job: str, entry: Entry) -> None:
    world.datasets._parts.ledger.change(MONTH, lambda found: found.with_job(job, entry))


def entry(usd: float, spent: float | None = None) -> Entry:
    seconds = None if spent is None else 60
    return Entry("other", usd, usd, "2026-11-21T09:00:00+00:00", spent, seconds)


def wait_a_while(world: World) -> None:
    """Long enough for a job to be made, if it can be."""
    for _ in range(8):
        if not world.step():
            world.reconcile()


def asked_for(world: World, number: int = -1) -> Any:
    return world.training.requests[world.jobs[number]]
