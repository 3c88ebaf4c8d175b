"""Old endpoint configs and models go after a deployment; what is needed stays."""

from __future__ import annotations

import json

from chalicelib.aws.endpoints import Serverless
from chalicelib.errors import AccessDenied
from tests.unit.datasets.world import DATASET, LIVE, NEXT, Trained, World, good


def dropped(versions: int) -> World:
    world = World()
    for value in range(versions):
        assert world.drop(good(value + 1))["outcome"] == "Live"
    return world


def test_the_last_five_champions_keep_theirs() -> None:
    world = dropped(8)
    assert world.endpoints.configs("") == world.jobs[2:]
    assert list(world.endpoints.models) == world.jobs[2:]


def test_how_many_are_kept_is_a_setting() -> None:
    world = dropped(3)
    world.put("dataset.json", json.dumps({"keep_versions": 1}).encode())
    world.drop(good(9))
    assert world.endpoints.configs("") == world.jobs[2:]


def test_a_rollback_beyond_them_makes_config_and_model_anew() -> None:
    world = dropped(8)
    assert world.jobs[0] not in world.endpoints.models
    world.datasets.rollback(DATASET, world.jobs[0], "anna", "")
    world.settle()
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert {world.jobs[0], *world.jobs[3:]} == set(world.endpoints.models)


def test_what_never_went_live_leaves_nothing() -> None:
    world = dropped(1)
    world.put("a.csv", good(2))
    world.ready()
    world.runtime.apart[NEXT] = 0.1
    assert world.settle()["outcome"] == "Failed"
    assert world.endpoints.configs("") == list(world.endpoints.models) == world.jobs[:1]
    assert NEXT not in world.endpoints.endpoints


def test_nobody_elses_are_touched() -> None:
    world = dropped(1)
    others = [
        f"pigeonhole-local-{DATASET}-two-0123456789ab-1",  # a dataset whose name begins like ours
        f"pigeonhole-local-{DATASET}-by-hand",
        "pigeonhole-dev-fm-0123456789ab-1",
    ]
    for name in others:
        world.endpoints.ensure_model(name, "arn", "role", {})
        world.endpoints.ensure_config(name, name, Serverless(1024, 1), {})
    world.drop(good(2))
    assert set(others) <= set(world.endpoints.models) & set(world.endpoints.hostings)


def test_a_job_that_trains_while_old_ones_go_keeps_its_turn() -> None:
    world = dropped(2)
    world.results = [Trained(accuracy=0.7, difference=-0.1)]
    assert world.drop(good(3))["outcome"] == "Rejected"
    assert world.drop(good(4))["outcome"] == "Live"


def test_what_may_not_be_deleted_stops_nothing() -> None:
    world = dropped(1)
    world.endpoints.no_delete = AccessDenied("not authorized: sagemaker:DeleteModel")
    for value in range(7):
        assert world.drop(good(value + 2))["outcome"] == "Live"
    assert "sagemaker:DeleteModel" in world.log.getvalue()


def test_a_verification_endpoint_that_cannot_go_now_goes_soon_after() -> None:
    world = dropped(1)
    world.endpoints.throttled = 3
    assert world.drop(good(2))["outcome"] == "Live"
    assert world.endpoints.throttled == 0
    assert NEXT not in world.endpoints.endpoints
