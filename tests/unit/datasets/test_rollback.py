"""Back to any earlier model, by one call, whatever else is under way; it stays there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from chalicelib.errors import Conflict
from tests.fakes.ticks import die
from tests.unit.datasets.world import DATASET, LIVE, NEXT, Trained, World, good

WHO, REASON = "anna", "it takes bags for coats"


def three() -> World:
    """Three champions, one after the other: jobs 0, 1 and 2."""
    world = World()
    for value in (1, 2, 3):
        assert world.drop(good(value))["outcome"] == "Live"
    return world


def back(world: World, to: str | None = None, reason: str = REASON) -> dict[str, Any]:
    return world.datasets.rollback(DATASET, to, WHO, reason)


def live(world: World) -> str:
    """The job that is live: by the item and by the endpoint alike."""
    job: str = world.status()["champion"]["training_job"]
    assert world.endpoints.endpoints[LIVE].config == job
    assert world.endpoints.endpoints[LIVE].status == "InService"
    assert NEXT not in world.endpoints.endpoints
    return job


def approvals(world: World) -> list[str]:
    return [package.approval for package in world.registry.packages.values()]


def test_back_to_the_champion_before() -> None:
    world = three()
    asked = back(world)
    assert (asked["phase"], asked["settled"]) == ("Verifying", False)
    status = world.settle()
    assert live(world) == world.jobs[1]
    assert status["outcome"] == "Live"
    assert WHO in status["message"]
    assert REASON in status["message"]
    assert (status["change"]["outcome"], status["change"]["who"]) == ("Live", WHO)
    assert [one["training_job"] for one in status["former"]] == [world.jobs[2], world.jobs[0]]
    assert (NEXT, world.jobs[1]) in world.runtime.asked[-9:]  # verified before traffic, once more
    assert len(world.jobs) == 3


def test_what_is_no_longer_in_the_registry_is_not_rolled_back_to() -> None:
    world = three()
    del world.registry.packages[list(world.registry.packages)[1]]
    with pytest.raises(Conflict, match="no longer in the model registry"):
        back(world)
    assert world.settle()["outcome"] == "Live"
    assert live(world) == world.jobs[2]


def test_an_attempt_that_was_rolled_back_from_does_not_come_back_with_its_data() -> None:
    world = World()
    world.drop(good(1))
    world.datasets.retrain(DATASET)
    world.settle()
    first = world.jobs[0]
    back(world)
    world.settle()
    assert live(world) == first
    world.drop(good(2))
    status = world.drop(good(1))
    assert (status["outcome"], status["training_job"], live(world)) == ("Live", first, first)
    assert approvals(world) == ["Approved", "Rejected", "Approved"]
    world.datasets.retrain(DATASET)
    world.settle()
    assert world.jobs[3] == f"{first[:-1]}3"  # no number is used twice
    assert live(world) == world.jobs[3]


def test_twice_back_is_two_champions_back() -> None:
    world = three()
    for expected in (world.jobs[1], world.jobs[0]):
        back(world)
        world.settle()
        assert live(world) == expected
    with pytest.raises(Conflict, match="no champion before"):
        back(world)


@pytest.mark.parametrize("how", ["version", "short version", "job", "model_version"])
def test_back_to_any_version(how: str) -> None:
    world = three()
    version = world.status()["former"][-1]["version"]
    job = world.jobs[0]
    to = {
        "version": version,
        "short version": version[:8],
        "job": job,
        "model_version": f"{version[:12]}-1",
    }[how]
    back(world, to)
    world.settle()
    assert live(world) == job


def test_what_was_rolled_back_from_is_rejected_with_reason_and_who() -> None:
    world = three()
    back(world)
    world.settle()
    assert approvals(world) == ["Approved", "Approved", "Rejected"]
    description = list(world.registry.packages.values())[2].description
    assert WHO in description
    assert REASON in description


def test_what_was_rolled_back_from_does_not_come_back_by_itself() -> None:
    world = three()
    back(world)
    world.settle()
    for again in (world.ready, lambda: world.put("a.csv", good(3))):
        again()
        world.settle()
        world.later(60)
        world.settle()
        assert live(world) == world.jobs[1]
    world.table.held.clear()
    world.settle()
    assert live(world) == world.jobs[1]
    assert len(world.jobs) == 3


def test_a_person_may_change_their_mind() -> None:
    world = three()
    back(world)
    world.settle()
    back(world, world.jobs[2])
    world.settle()
    assert live(world) == world.jobs[2]
    assert approvals(world) == ["Approved", "Rejected", "Approved"]


def test_a_changed_mind_that_fails_changes_nothing() -> None:
    world = three()
    back(world)
    world.settle()
    world.runtime.apart[NEXT] = 0.1
    back(world, world.jobs[2])
    status = world.settle()
    assert (live(world), status["change"]["outcome"]) == (world.jobs[1], "Failed")
    assert approvals(world) == ["Approved", "Approved", "Rejected"]
    world.runtime.apart.clear()
    world.ready()
    world.settle()
    assert live(world) == world.jobs[1]


def test_who_rejects_the_model_meanwhile_is_heard() -> None:
    world = three()
    back(world)
    world.until("Deploying")
    world.later(1)
    world.datasets.reject(DATASET, "bert", "that one neither")
    status = world.settle()
    assert live(world) == world.jobs[2]
    assert "bert" in status["change"]["message"]


def test_new_data_is_judged_against_what_is_live_now() -> None:
    world = three()
    back(world)
    world.settle()
    world.drop(good(4))
    channels = world.training.requests[world.jobs[3]]["InputDataConfig"]
    champion = next(c for c in channels if c["ChannelName"] == "champion")
    assert world.jobs[1] in champion["DataSource"]["S3DataSource"]["S3Uri"]
    assert live(world) == world.jobs[3]


def test_back_to_what_is_live_says_so_and_changes_nothing() -> None:
    world = three()
    before = dict(world.table.held)
    assert "is live already: nothing was changed" in back(world, world.jobs[2])["message"]
    assert world.table.held == before


def test_a_model_that_was_never_approved_is_refused_with_what_to_do() -> None:
    world = three()
    world.results = [Trained(accuracy=0.7, difference=-0.1)]
    assert world.drop(good(4))["outcome"] == "Rejected"
    with pytest.raises(Conflict, match="pigeonhole approve"):
        back(world, world.jobs[3])


def test_nonsense_is_refused_with_what_to_do() -> None:
    world = three()
    with pytest.raises(Conflict, match="no model of 'latest'"):
        back(world, "latest")
    fresh = World()
    fresh.put("a.csv", good(1))
    fresh.ready()
    fresh.until("Training")
    with pytest.raises(Conflict, match="no model yet"):
        back(fresh)


@pytest.mark.parametrize("phase", ["Waiting", "Checking", "Training"])
def test_a_run_under_way_is_set_aside_and_goes_on(phase: str) -> None:
    world = three()
    world.put("a.csv", good(4))
    if phase != "Waiting":
        world.ready()
    world.until(phase)
    back(world)
    world.until("Deploying")
    assert len(world.jobs) == (4 if phase == "Training" else 3)
    status = world.settle()
    # Trained once; what it was compared with is no longer live, so it was compared again.
    assert [job for job in world.jobs[3:] if "-j" not in job] == world.jobs[3:4]
    assert live(world) == world.jobs[3]
    assert [one["training_job"] for one in status["former"]][:2] == [world.jobs[1], world.jobs[2]]


def test_a_job_of_hours_is_not_waited_for() -> None:
    world = three()
    world.put("a.csv", good(4))
    world.ready()
    world.until("Training")
    world.reconcile()
    back(world)
    job = world.jobs[3]
    for _ in range(60):
        world.queues.woken.clear()
        world.endpoints.advance()
        world.reconcile()
    assert world.training.jobs[job].status == "InProgress"
    assert live(world) == world.jobs[1]
    status = world.status()
    assert (status["phase"], status["training_job"]) == ("Training", job)
    assert status["change"]["outcome"] == "Live"


def test_what_is_about_to_go_live_is_rolled_back_from_too() -> None:
    world = three()
    world.put("a.csv", good(4))
    world.ready()
    world.until("Deploying")
    back(world)
    world.settle()
    assert live(world) == world.jobs[2]
    assert approvals(world) == ["Approved", "Approved", "Approved", "Rejected"]
    world.ready()
    world.settle()
    assert live(world) == world.jobs[2]


def test_of_two_rollbacks_the_last_one_wins() -> None:
    world = three()
    back(world, world.jobs[0])
    world.until("Deploying")
    back(world, world.jobs[1])
    world.settle()
    assert live(world) == world.jobs[1]
    assert approvals(world) == ["Approved", "Approved", "Rejected"]


def test_a_rollback_that_fails_leaves_the_champion_and_says_why() -> None:
    world = three()
    world.runtime.apart[NEXT] = 0.1
    back(world)
    status = world.settle()
    assert live(world) == world.jobs[2]
    assert status["change"]["outcome"] == "Failed"
    assert "0.1000 apart" in status["change"]["message"]
    assert approvals(world) == ["Approved"] * 3


def test_a_rollback_that_fails_lets_the_run_go_on() -> None:
    world = three()
    world.put("a.csv", good(4))
    world.ready()
    world.until("Training")
    world.endpoints.fail_on.add(world.jobs[1])
    back(world)
    status = world.settle()
    assert live(world) == world.jobs[3]
    assert status["change"]["outcome"] == "Failed"


def test_an_item_that_knows_nothing_finds_the_version_in_the_registry() -> None:
    world = three()
    world.table.held.clear()
    for key in [key for key in world.storage.versions if key.startswith("history")]:
        del world.storage.versions[key]
    world.settle()
    back(world)
    world.settle()
    assert live(world) == world.jobs[1]


def test_the_end_of_a_rollback_that_comes_late_stops_no_later_one() -> None:
    """Two functions end the first rollback; one of them is slow, and people ask once more."""
    world = three()
    back(world)
    world.until("Deploying")

    def meanwhile() -> None:
        world.reconcile()  # the quick one
        assert world.status()["champion"]["training_job"] == world.jobs[1]
        world.later(1)
        back(world, world.jobs[2])
        world.reconcile()

    world.runtime.meanwhile[LIVE] = meanwhile
    status = world.settle()
    assert not world.runtime.meanwhile
    assert (status["change"]["outcome"], live(world)) == ("Live", world.jobs[2])


def rollback_at(phase: str) -> Callable[[World], None]:
    def scene(world: World) -> None:
        world.drop(good(1))
        world.drop(good(2))
        if phase != "Live":
            world.put("a.csv", good(3))
            world.ready()
            world.until(phase)
        back(world)

    return scene


def outcome(world: World) -> dict[str, Any]:
    status = world.status()
    return {
        "status": {k: status[k] for k in ("phase", "outcome", "version", "attempt", "settled")},
        "champion": status["champion"]["training_job"],
        "former": [(one["training_job"], one["rolled_back"]) for one in status["former"]],
        "change": (status["change"]["training_job"], status["change"]["outcome"]),
        "jobs": world.jobs,
        "packages": [(p.arn, p.approval) for p in world.registry.packages.values()],
        "endpoints": {n: (e.status, e.config) for n, e in world.endpoints.endpoints.items()},
    }


@pytest.mark.parametrize(
    ("phase", "trouble"),
    [("Live", "killed"), ("Training", "killed"), ("Deploying", "killed"), ("Training", "another")],
)
def test_whoever_dies_or_cuts_in_it_ends_the_same(phase: str, trouble: str) -> None:
    scene = rollback_at(phase)
    undisturbed = World()
    scene(undisturbed)
    start = undisturbed.tick.count
    undisturbed.settle()
    expected = outcome(undisturbed)
    assert expected["champion"] in undisturbed.jobs
    for n in count(start + 1):
        world = World()
        scene(world)
        world.tick.at = n
        world.tick.then = die if trouble == "killed" else world.reconcile
        world.settle()
        assert outcome(world) == expected, f"{trouble} after effect {n}"
        if world.tick.then is not None:
            assert n > start + 8
            return


@pytest.mark.parametrize("phase", ["Verifying", "Deploying"])
def test_an_item_lost_during_a_rollback_leaves_one_whole_champion(phase: str) -> None:
    """Who asked is forgotten with it; what is live is one of the two, and nothing is trained."""
    world = three()
    back(world)
    world.until(phase)
    world.table.held.clear()
    world.settle()
    assert live(world) in world.jobs[1:]
    assert len(world.jobs) == 3


def test_a_cost_that_waits_is_decided_on_after_the_rollback() -> None:
    world = three()
    world.put("dataset.json", b'{"budget": {"job_usd": 0.0001}}')
    world.drop(good(4))
    assert world.state().awaits == "cost"
    back(world)
    for decide in (world.datasets.approve, world.datasets.reject):
        with pytest.raises(Conflict, match="try again in a few minutes"):
            decide(DATASET, WHO, "")
    world.settle()
    assert (live(world), world.state().awaits) == (world.jobs[1], "cost")
    world.datasets.approve(DATASET, WHO, "")
    world.settle()
    assert live(world) == world.jobs[3]
