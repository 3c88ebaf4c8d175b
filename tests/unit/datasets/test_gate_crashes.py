"""Functions die half-way while a model is compared again or a person decides: it ends the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from tests.fakes.ticks import die, survived
from tests.unit.datasets.enduring import survives_company, survives_deaths
from tests.unit.datasets.test_crashes import outcome
from tests.unit.datasets.world import DATASET, Broken, Trained, World, good

WORSE = Trained(accuracy=0.8, difference=-0.05)
BETTER = Trained(accuracy=0.9, difference=0.05)


def judged_again(world: World) -> None:
    """The data of a model that was rejected is back, and another champion live since."""
    world.drop(good(1))
    world.results = [WORSE, BETTER]
    world.drop(good(2))
    world.drop(good(3))
    world.put("a.csv", good(2))
    world.ready()


def not_comparable(world: World) -> None:
    judged_again(world)
    world.judgings = [Broken("no memory")]


def approved_elsewhere(world: World) -> None:
    waiting(world)
    world.registry.decide(list(world.registry.packages)[-1], "Approved", "fine")


def rejected_on_its_way(world: World) -> None:
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    world.until("Deploying")
    world.registry.decide(list(world.registry.packages)[-1], "Rejected", "odd")


def of_older_times(world: World) -> None:
    waiting(world)
    world.drop(good(3))
    item = world.table.get("dataset/fm")
    assert item is not None
    past = {v: note for v, note in item.state["past"].items() if v[:12] not in world.jobs[1]}
    world.table.put("dataset/fm", {**item.state, "past": past}, item.revision)
    world.registry.decide(list(world.registry.packages)[1], "Approved", "fine")


def waiting(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(rows=100)]
    world.drop(good(2))


SCENES = [
    judged_again,
    not_comparable,
    approved_elsewhere,
    rejected_on_its_way,
    of_older_times,
]


@pytest.mark.parametrize("scene", SCENES)
def test_killed_after_any_effect_it_ends_the_same(scene: Callable[[World], None]) -> None:
    survives_deaths(scene, outcome, effects=4)


@pytest.mark.parametrize("scene", [judged_again, rejected_on_its_way, of_older_times])
def test_two_at_once_end_the_same(scene: Callable[[World], None]) -> None:
    survives_company(scene, outcome)


def approve(world: World) -> None:
    world.datasets.approve(DATASET, "anna", "fine", world.jobs[1])


def reject(world: World) -> None:
    world.datasets.reject(DATASET, "anna", "odd", world.jobs[1])


def forgotten(world: World) -> None:
    of_older_times(world)
    world.registry.decide(list(world.registry.packages)[1], "PendingManualApproval", "")


@pytest.mark.parametrize(
    ("scene", "call"),
    [(waiting, approve), (waiting, reject), (forgotten, approve), (forgotten, reject)],
)
def test_a_call_that_dies_and_is_made_again_ends_the_same(
    scene: Callable[[World], None], call: Callable[[World], None]
) -> None:
    model = World()
    scene(model)
    start = model.tick.count
    call(model)
    model.settle()
    for n in count(start + 1):
        world = World()
        scene(world)
        world.tick.at, world.tick.then = n, die
        while not survived(lambda w=world: call(w)):  # type: ignore[misc]
            pass
        world.settle()
        assert outcome(world) == outcome(model), f"killed after effect {n}"
        if world.tick.then is not None:
            return
