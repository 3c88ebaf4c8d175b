"""People decide by the API, the CLI or any client of the registry: it ends the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.errors import Conflict, DatasetNotFound, VersionNotFound
from tests.unit.datasets.world import DATASET, LIVE, NEXT, Trained, World, good

WORSE = Trained(accuracy=0.8, difference=-0.05)
FEW = Trained(rows=100)


@pytest.fixture
def world() -> World:
    return World()


def approve(world: World, version: str | None = None, why: str = "fine", who: str = "anna") -> None:
    world.datasets.approve(DATASET, who, why, version)


def reject(world: World, version: str | None = None, why: str = "odd", who: str = "anna") -> None:
    world.datasets.reject(DATASET, who, why, version)


def by_registry(world: World, status: str) -> None:
    world.registry.caller = "anna"
    world.registry.decide(list(world.registry.packages)[-1], status, "fine")


@pytest.mark.parametrize("decide", [approve, lambda world: by_registry(world, "Approved")])
@pytest.mark.parametrize("result", [FEW, WORSE, Trained(same_classes=False)])
def test_whatever_the_client_what_waits_or_was_turned_down_goes_live(
    world: World, decide: Callable[[World], None], result: Trained
) -> None:
    world.drop(good(1))
    world.results = [result]
    assert world.drop(good(2))["outcome"] in ("PendingApproval", "Rejected")
    decide(world)
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[1])
    package = world.registry.packages[status["champion"]["model_package_arn"]]
    assert (package.approval, package.properties["decided_by"]) == ("Approved", "anna")
    assert package.description == "Approved by anna: fine"
    assert package.properties["accuracy"]  # what the gate measured stays
    assert (world.state().decided_by, world.state().decided_why) == ("anna", "fine")


def test_the_status_speaks_of_the_approval_at_once(world: World) -> None:
    world.results = [FEW]
    world.drop(good())
    status = world.datasets.approve(DATASET, "anna", "the bags look fine", None)
    assert (status["phase"], status["settled"]) == ("Verifying", False)
    assert "anna approved" in status["message"]
    assert "the bags look fine" in status["message"]


def test_rejected_by_a_person_it_is_not_brought_back_by_the_same_data(world: World) -> None:
    world.results = [FEW]
    world.drop(good())
    reject(world)
    status = world.settle()
    assert status["outcome"] == "Rejected"
    assert status["message"].startswith("rejected: anna rejected it: odd")
    world.ready()
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Rejected", 1)
    [package] = world.registry.packages.values()
    assert (package.approval, package.properties["decided_by"]) == ("Rejected", "anna")


def test_what_a_person_rejected_a_person_may_approve(world: World) -> None:
    world.results = [FEW]
    world.drop(good())
    reject(world)
    world.settle()
    approve(world, who="bert")
    assert world.settle()["outcome"] == "Live"
    assert world.state().decided_by == "bert"


def test_an_approval_before_the_gate_is_through_is_not_overruled_by_it(world: World) -> None:
    world.drop(good(1))
    world.results = [WORSE, Trained(accuracy=0.9, difference=0.05)]
    world.drop(good(2))
    world.drop(good(3))
    world.put("a.csv", good(2))
    world.ready()
    world.until("Judging")
    while not world.training.running():
        assert world.step()
    world.judgings = [WORSE]
    approve(world)
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[1])


@pytest.mark.parametrize("phase", ["Verifying", "Deploying"])
@pytest.mark.parametrize("decide", [reject, lambda world: by_registry(world, "Rejected")])
def test_what_is_on_its_way_can_be_rejected(
    world: World, phase: str, decide: Callable[[World], None]
) -> None:
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    world.until(phase)
    decide(world)
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[0]
    assert (status["outcome"], status["decided_by"]) == ("Rejected", "anna")
    assert "anna rejected it" in status["message"]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert NEXT not in world.endpoints.endpoints
    world.ready()
    assert world.settle()["outcome"] == "Rejected"


@pytest.mark.parametrize("decide", [reject, lambda world: by_registry(world, "Rejected")])
def test_rejected_while_the_live_endpoint_takes_it_is_rejected(
    world: World, decide: Callable[[World], None]
) -> None:
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    world.until("Deploying")
    while world.endpoints.endpoints[LIVE].status != "Updating":
        assert world.step()
    decide(world)
    status = world.settle()
    assert (status["phase"], status["outcome"], status["decided_by"]) == (
        "Rejected",
        "Rejected",
        "anna",
    )
    assert f"{world.jobs[0]} is live as before" in status["message"]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    told = world.happened()[status["version"]]
    assert ("Failed", world.jobs[1]) not in told
    assert told.count(("Rejected", world.jobs[1])) == 1
    world.ready()
    assert world.settle()["outcome"] == "Rejected"


def test_a_first_model_rejected_while_it_comes_up_is_rejected(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Deploying")
    while LIVE not in world.endpoints.endpoints:
        assert world.step()
    world.endpoints.advance()
    reject(world)
    assert (world.settle()["outcome"], world.endpoints.endpoints) == ("Rejected", {})


def test_a_first_model_can_be_rejected_on_its_way(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Verifying")
    reject(world)
    status = world.settle()
    assert (status["outcome"], status["champion"]) == ("Rejected", None)
    assert world.endpoints.endpoints == {}


def test_what_is_live_is_not_rejected_but_rolled_back(world: World) -> None:
    world.drop(good())
    with pytest.raises(Conflict, match="pigeonhole rollback fm"):
        reject(world)
    assert world.settle()["outcome"] == "Live"
    approve(world, world.state().version)  # says nothing new
    [package] = world.registry.packages.values()
    assert package.properties["decided_by"] == "gate"


def test_a_live_model_that_is_rejected_in_the_registry_stays_live_and_the_status_says_so(
    world: World,
) -> None:
    world.drop(good())
    by_registry(world, "Rejected")
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[0]
    assert "anna rejected it: fine, but it is live" in status["message"]
    assert "pigeonhole rollback fm" in status["message"]
    by_registry(world, "Approved")
    assert "rejected" not in world.settle()["message"]


@pytest.mark.parametrize("which", ["version", "short", "job", "model_version"])
def test_a_model_is_named_by_version_or_job(world: World, which: str) -> None:
    world.results = [FEW, Trained()]
    world.drop(good(1))
    version = world.state().version or ""
    world.drop(good(2))
    named = {
        "version": version,
        "short": version[:6],
        "job": world.jobs[0],
        "model_version": f"{version[:12]}-1",
    }
    approve(world, named[which])
    assert world.settle()["champion"]["training_job"] == world.jobs[0]


@pytest.mark.parametrize("rolled_back", [False, True])
def test_an_earlier_attempt_of_the_same_data_can_be_approved_in_the_registry(
    world: World, rolled_back: bool
) -> None:
    world.results = [Trained()] if rolled_back else [FEW]
    world.drop(good(1))
    world.datasets.retrain(DATASET)
    world.settle()
    wanted = world.jobs[0]
    if rolled_back:  # from the second to the first: the second is approved again
        world.datasets.rollback(DATASET, None, "bert", "")
        world.settle()
        wanted = world.jobs[1]
    assert world.status()["champion"]["training_job"] != wanted
    world.registry.caller = "anna"
    arn = list(world.registry.packages)[world.jobs.index(wanted)]
    world.registry.decide(arn, "Approved", "fine")
    status = world.settle()
    assert (status["champion"]["training_job"], status["decided_by"]) == (wanted, "anna")


def test_what_is_not_there_cannot_be_decided_on(world: World) -> None:
    with pytest.raises(DatasetNotFound):
        approve(world)
    world.drop(good())
    for call in (approve, reject):
        with pytest.raises(VersionNotFound, match="pigeonhole history fm"):
            call(world, "fedcba98")
    with pytest.raises(Conflict, match="no model of fm waits"):
        approve(world)


def test_what_has_no_model_cannot_be_approved(world: World) -> None:
    world.put("a.csv", b"no,numbers\n")
    world.ready()
    world.settle()
    assert world.state().outcome == "Refused"
    with pytest.raises((Conflict, VersionNotFound)):
        approve(world, world.state().version)
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    with pytest.raises(Conflict, match="still on its way"):
        approve(world, world.state().version)


def test_of_two_people_who_approve_the_first_ones_word_stays(world: World) -> None:
    world.results = [FEW]
    world.drop(good())
    approve(world, who="anna")
    approve(world, who="bert")
    world.settle()
    [package] = world.registry.packages.values()
    assert package.properties["decided_by"] == "anna"


def test_of_two_people_who_disagree_the_last_word_counts_until_it_is_live(world: World) -> None:
    world.results = [FEW]
    world.drop(good())
    approve(world, who="anna")
    reject(world, who="bert")
    status = world.settle()
    assert (status["outcome"], status["champion"]) == ("Rejected", None)
    assert "bert rejected it" in status["message"]


def forgotten(world: World) -> str:
    """A model that waited for a person, of a version that the item no longer remembers."""
    world.drop(good(1))
    world.results = [FEW]
    world.drop(good(2))
    waiting = world.jobs[1]
    world.drop(good(3))
    item = world.table.get("dataset/fm")
    assert item is not None
    past = {v: note for v, note in item.state["past"].items() if v[:12] not in waiting}
    world.table.put("dataset/fm", {**item.state, "past": past}, item.revision)
    return waiting


@pytest.mark.parametrize("client", ["api", "registry"])
def test_a_model_of_older_times_is_found_in_the_registry(world: World, client: str) -> None:
    waiting = forgotten(world)
    if client == "api":
        approve(world, waiting)
    else:
        world.registry.caller = "anna"
        world.registry.decide(list(world.registry.packages)[1], "Approved", "fine")
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", waiting)
    assert world.state().decided_by == "anna"
    assert len(world.jobs) == 3


def test_an_approval_that_is_known_does_not_bring_a_forgotten_model_back(world: World) -> None:
    waiting = forgotten(world)
    approve(world, waiting)
    world.settle()
    world.drop(good(4))
    item = world.table.get("dataset/fm")
    assert item is not None
    past = {v: note for v, note in item.state["past"].items() if v[:12] not in waiting}
    world.table.put("dataset/fm", {**item.state, "past": past}, item.revision)
    assert world.settle()["champion"]["training_job"] == world.jobs[3]


def test_a_decision_while_something_else_is_under_way_waits_for_it(world: World) -> None:
    world.results = [FEW, Trained()]
    world.drop(good(1))
    waiting = world.state().version
    world.put("a.csv", good(2))
    world.ready()
    world.until("Training")
    assert world.datasets.approve(DATASET, "anna", "", waiting)["phase"] == "Training"
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[0]
    assert len(world.jobs) == 2


def test_the_status_tells_all_that_waits_with_the_command(world: World) -> None:
    world.results = [FEW, FEW]
    world.drop(good(1))
    first = world.state().version or ""
    status = world.drop(good(2))
    second = world.state().version or ""
    assert status["awaits"] == "model"
    assert [(one["version"], one["what"]) for one in status["waiting"]] == [
        (first, "model"),
        (second, "model"),
    ]
    assert f"pigeonhole approve fm {first[:12]}" in status["waiting"][0]["message"]
    approve(world, first)
    reject(world, second)
    assert world.settle()["waiting"] == []


def failed_to_start(world: World) -> None:
    """A model that the gate let pass, and that did not come up."""
    world.drop(good(1))
    world.runtime.apart[NEXT] = 0.1
    assert world.drop(good(2))["outcome"] == "Failed"
    world.runtime.apart.clear()


def test_what_did_not_come_up_is_tried_again_when_a_person_approves_it(world: World) -> None:
    failed_to_start(world)
    approve(world)
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[1])


def test_so_it_is_after_what_is_under_way(world: World) -> None:
    failed_to_start(world)
    failed = world.state().version
    world.put("a.csv", good(3))
    world.ready()
    world.until("Training")
    approve(world, failed)
    assert world.settle()["champion"]["training_job"] == world.jobs[1]
    assert len(world.jobs) == 3
