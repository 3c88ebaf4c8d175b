"""A scene is played again for each of its effects, and disturbed right behind it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from tests.fakes.ticks import die
from tests.unit.datasets.world import World

Scene = Callable[[World], None]
Outcome = Callable[[World], Any]


def undisturbed(scene: Scene) -> tuple[World, int]:
    """How it ends by itself, and how many effects the scene took to set."""
    world = World()
    scene(world)
    start = world.tick.count
    world.settle()
    return world, start


def survives_deaths(scene: Scene, outcome: Outcome, effects: int) -> None:
    """Killed after any effect, it ends the same. There must be more than so many `effects`."""
    model, start = undisturbed(scene)
    expected = outcome(model)
    for n in count(start + 1):
        world = World()
        scene(world)
        world.tick.at, world.tick.then = n, die
        world.settle()
        assert outcome(world) == expected, f"killed after effect {n}"
        if world.tick.then is not None:
            assert n > start + effects
            return


def survives_company(scene: Scene, outcome: Outcome) -> None:
    """Where another reconciler cuts in after any effect, it ends the same."""
    model, start = undisturbed(scene)
    expected = outcome(model)
    for n in count(start + 1):
        world = World()
        scene(world)
        world.tick.at, world.tick.then = n, world.reconcile
        world.settle()
        assert outcome(world) == expected, f"another one cut in after effect {n}"
        if world.tick.then is not None:
            return
