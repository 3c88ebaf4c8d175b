"""What a model runs on is a setting: it changes without a training and without a gap in service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.aws.endpoints import Instances, Serverless
from chalicelib.errors import LimitReached, RequestRefused
from tests.unit.datasets.enduring import survives_deaths
from tests.unit.datasets.world import DATASET, LIVE, NEXT, World, good

M5 = {"instance_type": "ml.m5.large", "count": 2}


def setting(endpoint: dict[str, Any] | None) -> bytes:
    return json.dumps({} if endpoint is None else {"endpoint": endpoint}).encode()


def change(world: World, endpoint: dict[str, Any] | None) -> dict[str, Any]:
    world.put("dataset.json", setting(endpoint))
    return world.settle()


def runs_on(world: World) -> object:
    live = world.endpoints.endpoints[LIVE]
    assert live.status == "InService"
    assert live.config == world.status()["champion"]["config"]
    return world.endpoints.hostings[live.config][1]


@pytest.fixture
def world() -> World:
    world = World()
    world.drop(good(1))
    return world


def test_serverless_as_the_stage_is_set_by_default(world: World) -> None:
    assert runs_on(world) == Serverless(2048, 5)
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (M5, Instances("ml.m5.large", 2)),
        ({"instance_type": "ml.m5.large"}, Instances("ml.m5.large", 1)),
        ({"memory_mb": 3072, "max_concurrency": 10}, Serverless(3072, 10)),
        ({"max_concurrency": 10}, Serverless(2048, 10)),
    ],
)
def test_a_change_moves_the_live_model_without_a_training(
    world: World, endpoint: dict[str, Any], expected: object
) -> None:
    since = world.status()["champion"]["since"]
    status = change(world, endpoint)
    assert runs_on(world) == expected
    assert (status["phase"], status["outcome"], status["settled"]) == ("Live", "Live", True)
    assert status["champion"]["since"] == since  # the same model all the time
    assert status["champion"]["config"].startswith(f"{world.jobs[0]}-h")
    assert (status["former"], world.jobs) == ([], world.jobs[:1])
    assert NEXT not in world.endpoints.endpoints
    assert world.endpoints.configs("") == [status["champion"]["config"]]  # the old one is gone


def test_the_model_is_verified_before_and_after(world: World) -> None:
    world.put("dataset.json", setting(M5))
    world.until("Verifying")
    world.runtime.asked.clear()
    world.settle()
    config = world.endpoints.endpoints[LIVE].config
    assert {(NEXT, world.jobs[0]), (LIVE, config)} <= set(world.runtime.asked)


def test_a_new_model_goes_live_where_the_setting_says(world: World) -> None:
    world.put("dataset.json", setting(M5))
    world.drop(good(2))
    assert runs_on(world) == Instances("ml.m5.large", 2)
    assert world.status()["champion"]["training_job"] == world.jobs[1]


def test_what_was_refused_is_shown_again_after_a_move(world: World) -> None:
    refused = world.drop(b"nonsense\n")
    assert refused["outcome"] == "Refused"
    status = change(world, M5)
    assert {k: status[k] for k in ("phase", "outcome", "message", "version", "report")} == {
        k: refused[k] for k in ("phase", "outcome", "message", "version", "report")
    }
    assert runs_on(world) == Instances("ml.m5.large", 2)


@pytest.mark.parametrize(
    "broken", [b"{", b"[]", b'{"endpoint": {"instance_type": 5}}', b" " * 2_000_000]
)
def test_a_dataset_json_that_cannot_be_used_moves_nothing(world: World, broken: bytes) -> None:
    change(world, M5)
    config = world.endpoints.endpoints[LIVE].config
    world.put("dataset.json", broken)
    world.ready()
    status = world.settle()
    assert (status["outcome"], status["champion"]["config"]) == ("Refused", config)
    assert runs_on(world) == Instances("ml.m5.large", 2)
    assert LIVE in {name for name, live in world.endpoints.endpoints.items() if not live.serverless}


def test_a_new_model_goes_where_the_champion_is_while_dataset_json_cannot_be_used(
    world: World,
) -> None:
    change(world, M5)
    world.put("a.csv", good(2))
    world.ready()
    world.until("Training")
    while not world.training.running():
        assert world.step()
    world.put("dataset.json", b"{")
    assert world.settle()["outcome"] == "Refused"
    assert runs_on(world) == Instances("ml.m5.large", 2)
    assert world.status()["champion"]["training_job"] == world.jobs[1]


def test_from_instances_to_serverless_without_a_gap(world: World) -> None:
    change(world, M5)
    world.put("dataset.json", setting(None))
    world.reconcile()
    stood_in = False
    while True:
        named = world.status()["endpoint"]
        serving = world.endpoints.endpoints[named]
        assert serving.status in ("InService", "Updating"), named
        stood_in |= named == NEXT
        if not world.step():
            break
    assert stood_in
    assert runs_on(world) == Serverless(2048, 5)
    assert world.status()["endpoint"] == LIVE
    assert NEXT not in world.endpoints.endpoints


@pytest.mark.parametrize(
    "refusal", [LimitReached("0 ml.m5.large for endpoint usage"), RequestRefused("no such type")]
)
def test_hosting_that_cannot_be_had_changes_nothing_and_says_why(
    world: World, refusal: Exception
) -> None:
    world.endpoints.none_of = {"ml.m5.large": refusal}
    status = change(world, M5)
    assert runs_on(world) == Serverless(2048, 5)
    assert status["outcome"] == "Live"
    assert status["change"]["outcome"] == "Failed"
    assert str(refusal) in status["change"]["message"]
    for _ in range(3):  # it is not tried with every event
        world.reconcile()
        world.settle()
    assert runs_on(world) == Serverless(2048, 5)
    assert world.drop(good(2))["outcome"] == "Live"  # nor does a new model wait for it
    assert runs_on(world) == Serverless(2048, 5)
    world.endpoints.none_of.clear()
    world.later(3700)
    world.settle()
    assert runs_on(world) == Instances("ml.m5.large", 2)


def test_hosting_that_cannot_be_had_for_days_is_told_once(world: World) -> None:
    world.endpoints.none_of = {"ml.m5.large": LimitReached("0 ml.m5.large for endpoint usage")}
    change(world, M5)
    told, kinds = len(world.notifications.sent), world.happened()
    [version] = world.datasets.history(DATASET, 20, None)["versions"]
    assert (version["outcome"], version["is_live"]) == ("Live", True)
    assert world.notifications.kinds[-1] == "Failed"
    for _ in range(5):
        world.later(3700)
        world.settle()
    assert (len(world.notifications.sent), world.happened()) == (told, kinds)
    world.endpoints.none_of = {"ml.m5.large": LimitReached("1 ml.m5.large for endpoint usage")}
    world.later(3700)
    world.settle()
    assert len(world.notifications.sent) == told + 1  # another reason is news
    world.endpoints.none_of.clear()
    world.later(3700)
    world.settle()
    [(_, events)] = world.happened().items()
    assert events[-1][0] == "Hosted"


def test_a_new_model_does_not_wait_for_hosting_that_cannot_be_had(world: World) -> None:
    world.endpoints.none_of = {"ml.m5.large": LimitReached("0 ml.m5.large for endpoint usage")}
    world.put("dataset.json", setting(M5))
    status = world.drop(good(2))
    assert runs_on(world) == Serverless(2048, 5)
    assert status["champion"]["training_job"] == world.jobs[1]
    assert (status["outcome"], status["change"]["outcome"]) == ("Live", "Failed")
    assert "0 ml.m5.large" in status["change"]["message"]


def test_a_live_endpoint_that_cannot_be_made_anew_comes_back_as_it_was(world: World) -> None:
    change(world, M5)
    world.put("dataset.json", setting(None))
    world.until("Deploying")
    while world.endpoints.endpoints[LIVE].status != "Deleting":
        assert world.step()
    world.endpoints.refusals = [RequestRefused("no")]
    status = world.settle()
    assert runs_on(world) == Instances("ml.m5.large", 2)
    assert (status["endpoint"], status["change"]["outcome"]) == (LIVE, "Failed")


def test_instances_that_do_not_come_up_leave_the_champion(world: World) -> None:
    world.put("dataset.json", setting(M5))
    world.until("Deploying")
    wanted = next(name for name in world.endpoints.hostings if "-h" in name)
    world.endpoints.fail_on.add(wanted)
    status = world.settle()
    assert runs_on(world) == Serverless(2048, 5)
    assert (status["outcome"], status["change"]["outcome"]) == ("Live", "Failed")


def test_a_config_of_other_content_under_the_name_is_left_alone() -> None:
    """The stage was set otherwise when it was made."""
    world = World()
    world.put("a.csv", good(1))
    world.ready()
    world.until("Training")
    job = world.jobs[0]
    world.endpoints.ensure_model(job, "", "role", {})
    world.endpoints.models.clear()
    world.endpoints.hostings[job] = (job, Serverless(1024, 1))
    world.settle()
    assert runs_on(world) == Serverless(2048, 5)
    assert world.status()["champion"]["config"].startswith(f"{job}-h")


def to_instances(world: World) -> None:
    world.drop(good(1))
    world.put("dataset.json", setting(M5))


def to_serverless(world: World) -> None:
    to_instances(world)
    world.settle()
    world.put("dataset.json", setting(None))


def outcome(world: World) -> dict[str, Any]:
    status = world.status()
    return {
        "status": {k: status[k] for k in ("phase", "outcome", "version", "settled", "endpoint")},
        "champion": (status["champion"]["training_job"], status["champion"]["config"]),
        "jobs": world.jobs,
        "endpoints": {n: (e.status, e.config) for n, e in world.endpoints.endpoints.items()},
    }


@pytest.mark.parametrize("scene", [to_instances, to_serverless])
def test_killed_after_any_effect_it_ends_the_same(scene: Callable[[World], None]) -> None:
    survives_deaths(scene, outcome, effects=8)
