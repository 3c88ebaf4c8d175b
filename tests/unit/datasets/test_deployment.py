"""What can go wrong between approval and traffic: the champion stays, no leftovers remain."""

from __future__ import annotations

from itertools import count

import pytest

from chalicelib.aws.endpoints import Serverless
from chalicelib.errors import LimitReached, ModelError, ModelNotReady, ResourceNotFound
from tests.fakes.ticks import die
from tests.unit.datasets.world import DATASET, LIVE, NEXT, World, good


@pytest.fixture
def world() -> World:
    """With a champion, and the next version dropped."""
    world = World()
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    return world


def stays(world: World) -> None:
    status = world.status()
    assert (status["outcome"], status["settled"]) == ("Failed", True)
    assert status["champion"]["training_job"] == world.jobs[0]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert world.endpoints.endpoints[LIVE].status == "InService"
    assert NEXT not in world.endpoints.endpoints


def test_a_container_that_does_not_start_never_sees_traffic(world: World) -> None:
    world.until("Verifying")
    world.endpoints.fail_on.add(world.jobs[1])
    assert "/ping" in world.settle()["message"]
    stays(world)


def test_answers_unlike_keras_never_see_traffic(world: World) -> None:
    world.runtime.apart[NEXT] = 0.002
    assert "0.0020" in world.settle()["message"]
    stays(world)
    assert (LIVE, world.jobs[1]) not in world.runtime.asked


def test_answers_nearly_like_keras_go_live(world: World) -> None:
    world.runtime.apart[NEXT] = 0.0005
    assert world.settle()["outcome"] == "Live"


def unlike_live(world: World) -> None:
    """The challenger answers as it should, but not on the live endpoint."""
    world.until("Deploying")
    world.runtime.apart[f"{LIVE} {world.jobs[1]}"] = 0.1


def test_a_live_endpoint_that_answers_otherwise_goes_back(world: World) -> None:
    unlike_live(world)
    message = world.settle()["message"]
    stays(world)
    assert "0.1000 apart" in message
    assert f"{world.jobs[0]} is live as before" in message
    assert world.runtime.asked[-1] == (LIVE, world.jobs[0])  # and it was asked


def test_a_silent_rollback_is_noticed_and_the_champion_verified(world: World) -> None:
    world.until("Deploying")
    world.endpoints.fail_on.add(world.jobs[1])
    message = world.settle()["message"]
    assert f"went back to {world.jobs[0]} by itself" in message
    assert f"{world.jobs[0]} is live as before" in message
    stays(world)
    assert world.runtime.asked[-1] == (LIVE, world.jobs[0])


def test_a_silent_rollback_is_noticed_where_who_asked_for_the_update_died(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.until("Verifying")
    update = world.endpoints.update

    def dies_after(name: str, config: str) -> None:
        update(name, config)
        die()

    with monkeypatch.context() as patched:
        patched.setattr(world.endpoints, "update", dies_after)
        while world.endpoints.endpoints[LIVE].status != "Updating":
            world.step()
    world.endpoints.fail_on.add(world.jobs[1])
    world.endpoints.advance()
    world.endpoints.fail_on.clear()
    assert "by itself" in world.settle()["message"]
    stays(world)


def test_a_champion_that_answers_no_more_is_told(world: World) -> None:
    world.until("Deploying")
    world.runtime.apart[LIVE] = 0.1
    message = world.settle()["message"]
    assert f"{world.jobs[0]} could not be brought back" in message
    assert f"/aws/sagemaker/Endpoints/{LIVE}" in message
    stays(world)


def test_a_champion_that_was_lost_can_be_brought_back(world: World) -> None:
    world.until("Deploying")
    world.runtime.apart[LIVE] = 0.1
    status = world.settle()
    assert f"`pigeonhole rollback fm {world.jobs[0]}` brings it back" in status["message"]
    world.later(86400)
    assert "could not be brought back" in world.settle()["message"]
    world.runtime.apart.clear()
    world.datasets.rollback(DATASET, world.jobs[0], "anna", "")
    status = world.settle()
    assert (status["outcome"], status["change"]["outcome"]) == ("Live", "Live")
    assert "brings it back" not in status["message"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_champion_that_was_rejected_while_live_is_brought_back_and_stays_rejected(
    lost: bool,
) -> None:
    world = World()
    world.drop(good(1))
    arn = next(iter(world.registry.packages))
    world.registry.caller = "bert"
    world.registry.decide(arn, "Rejected", "odd")
    world.settle()
    world.put("a.csv", good(2))
    world.ready()
    unlike_live(world)
    if lost:
        world.runtime.apart[LIVE] = 0.1
    message = world.settle()["message"]
    assert ("could not be brought back" if lost else "is live as before") in message
    assert "bert rejected it: odd, but it is live" in message
    stays(world)
    package = world.registry.packages[arn]
    assert (package.approval, package.description) == ("Rejected", "odd")
    assert "approved_until_live" not in package.properties


def test_a_champion_is_waited_for_while_the_account_is_at_its_limit(world: World) -> None:
    unlike_live(world)
    while world.endpoints.endpoints[LIVE].config != world.jobs[1]:
        assert world.step()
    update, refused = world.endpoints.update, [LimitReached("too many")] * 2

    def limited(name: str, config: str) -> None:
        if refused:
            raise refused.pop()
        update(name, config)

    world.endpoints.update = limited  # type: ignore[method-assign]
    assert f"{world.jobs[0]} is live as before" in world.settle()["message"]
    stays(world)


def by_hand(world: World, how: str) -> None:
    """What people do in the console."""
    if how == "deleted":
        world.endpoints.delete(LIVE)
        world.endpoints.advance()
    elif how == "failed":
        world.endpoints.endpoints[LIVE].status = "Failed"
    else:
        world.endpoints.ensure_config("theirs", world.jobs[0], Serverless(1024, 1), {})
        world.endpoints.update(LIVE, "theirs")
        world.endpoints.advance()


@pytest.mark.parametrize("how", ["deleted", "failed", "updated"])
def test_a_live_endpoint_changed_by_hand_is_told_and_brought_back_on_demand(how: str) -> None:
    world = World()
    world.drop(good(1))
    by_hand(world, how)
    message = world.settle()["message"]
    assert {"deleted": "is not there", "failed": "is Failed", "updated": "serves theirs"}[
        how
    ] in message
    assert f"`pigeonhole rollback fm {world.jobs[0]}` brings it back" in message
    world.datasets.rollback(DATASET, world.jobs[0], "anna", "")
    assert "brings it back" not in world.settle()["message"]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert world.endpoints.endpoints[LIVE].status == "InService"
    assert len(world.jobs) == 1


def test_a_live_endpoint_put_right_by_hand_is_not_told_of_any_more() -> None:
    world = World()
    world.drop(good(1))
    by_hand(world, "updated")
    assert "brings it back" in world.settle()["message"]
    world.endpoints.update(LIVE, world.jobs[0])
    world.endpoints.advance()
    assert "brings it back" not in world.settle()["message"]


def test_what_sagemaker_does_not_find_is_asked_for_again_and_then_given_up(world: World) -> None:
    world.until("Verifying")
    world.endpoints.refusals = [ResourceNotFound("Could not find model data")] * 2
    assert world.settle()["outcome"] == "Live"
    world.put("a.csv", good(3))
    world.ready()
    world.until("Verifying")
    world.endpoints.refusals = [ResourceNotFound("Could not find model data")] * 9
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Failed", world.jobs[1])
    assert "Could not find model data" in status["message"]


def test_a_live_endpoint_that_an_update_broke_is_made_anew_for_the_champion(world: World) -> None:
    world.until("Deploying")
    world.reconcile()
    live = world.endpoints.endpoints[LIVE]
    live.status, live.reason = "Failed", "InternalServerError"
    assert "InternalServerError" in world.settle()["message"]
    stays(world)


@pytest.mark.parametrize("trouble", ["killed", "another"])
def test_going_back_ends_the_same_whoever_dies_or_cuts_in(trouble: str) -> None:
    for n in count(1):
        world = World()
        world.drop(good(1))
        world.put("a.csv", good(2))
        world.ready()
        unlike_live(world)
        world.tick.at = world.tick.count + n
        world.tick.then = die if trouble == "killed" else world.reconcile
        world.settle()
        stays(world)
        if world.tick.then is not None:
            assert n > 8
            return


@pytest.mark.parametrize("trouble", ["killed", "another"])
def test_taking_a_rejected_model_back_ends_the_same_whoever_dies_or_cuts_in(trouble: str) -> None:
    """Back to a champion that was itself rejected while it was live."""
    for n in count(1):
        world = World()
        world.drop(good(1))
        world.registry.decide(next(iter(world.registry.packages)), "Rejected", "odd")
        world.settle()
        world.put("a.csv", good(2))
        world.ready()
        world.until("Deploying")
        while world.endpoints.endpoints[LIVE].status != "Updating":
            assert world.step()
        world.datasets.reject(DATASET, "anna", "no")
        world.tick.at = world.tick.count + n
        world.tick.then = die if trouble == "killed" else world.reconcile
        status = world.settle()
        assert (status["outcome"], status["decided_by"]) == ("Rejected", "anna")
        assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
        approvals = [package.approval for package in world.registry.packages.values()]
        assert approvals == ["Rejected", "Rejected"]
        told = [kind for kind, _ in world.happened()[status["version"]]]
        assert told.count("Rejected") == 1
        if world.tick.then is not None:
            assert n > 12
            return


def test_a_first_model_that_fails_live_leaves_no_endpoint() -> None:
    world = World()
    world.runtime.apart[LIVE] = 0.1
    status = world.drop(good())
    assert (status["outcome"], status["champion"]) == ("Failed", None)
    assert world.endpoints.endpoints == {}
    world.runtime.apart.clear()
    world.ready()
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 1)


@pytest.mark.parametrize(
    "refusal",
    [ModelNotReady("starting"), ModelError("no", 503, "starting"), LimitReached("too many")],
)
def test_a_cold_start_is_waited_for(world: World, refusal: Exception) -> None:
    world.runtime.refusals = [refusal] * 3
    assert world.settle()["outcome"] == "Live"


def test_a_model_that_never_answers_fails(world: World) -> None:
    world.until("Verifying")
    world.runtime.refusals = [ModelError("no", 500, "crashed")] * 100
    assert "did not answer" in world.settle()["message"]
    stays(world)


def test_a_golden_image_refused_fails_at_once(world: World) -> None:
    world.until("Verifying")
    world.runtime.refusals = [ModelError("no", 400, "not an image")]
    assert "not an image" in world.settle()["message"]
    stays(world)


def test_leftovers_of_a_dead_run_are_cleared_away(world: World) -> None:
    world.until("Training")
    world.endpoints.create(NEXT, world.jobs[0], {})
    assert world.settle()["outcome"] == "Live"
    assert NEXT not in world.endpoints.endpoints


def test_a_live_endpoint_that_failed_before_is_made_anew() -> None:
    world = World()
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    leftover = "pigeonhole-local-fm-000000000000-1"
    world.endpoints.ensure_model(leftover, "arn", "role", {})
    world.endpoints.ensure_config(leftover, leftover, Serverless(1024, 1), {})
    world.endpoints.create(LIVE, leftover, {})
    world.endpoints.fail_on.add(leftover)
    world.endpoints.advance()
    assert world.endpoints.endpoints[LIVE].status == "Failed"
    assert world.settle()["outcome"] == "Live"


def test_a_live_endpoint_that_cannot_be_made_leaves_none_behind() -> None:
    world = World()
    world.put("a.csv", good())
    world.ready()
    world.until("Deploying")
    world.endpoints.fail_on.add(world.jobs[0])
    assert "/ping" in world.settle()["message"]
    assert world.endpoints.endpoints == {}


def test_the_accounts_limit_is_waited_for(world: World) -> None:
    world.training.refusals = [LimitReached("0 ml.g4dn.xlarge left")] * 2
    assert world.settle()["outcome"] == "Live"
    assert "0 ml.g4dn.xlarge left" in world.log.getvalue()
