"""What dataset.json says of the service: read, refused with what to do, no part of a version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.datasets.content import look
from chalicelib.datasets.settings.service_settings import (
    Budget,
    Hosting,
    Rate,
    ServiceSettings,
    read_service,
)
from chalicelib.datasets.settings.settings_file import read_settings
from tests.unit.datasets.world import DATASET, World, good


def test_all_settings_of_the_service_are_read() -> None:
    raw = {
        "quiet_seconds": 5,
        "schedule": "rate(12 hours)",
        "endpoint": {"instance_type": "ml.m5.large", "count": 2},
        "budget": {"job_usd": 5, "month_usd": 50.5},
        "keep_versions": 7,
        "preset": "default",
    }
    expected = ServiceSettings(
        5, Rate("rate(12 hours)", 43200), Hosting("ml.m5.large", 2), Budget(5, 50.5), 7
    )
    assert read_service(raw) == (expected, {})
    serverless, wrong = read_service({"endpoint": {"memory_mb": 3072, "max_concurrency": 10}})
    assert serverless.endpoint == Hosting(memory_mb=3072, max_concurrency=10)
    assert read_service({"quiet_seconds": None}) == (ServiceSettings(), wrong)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"quiet_seconds": 3601}, "0 to 3600"),
        ({"quiet_seconds": "60"}, "whole number of seconds"),
        ({"quiet_seconds": True}, "whole number of seconds"),
        ({"schedule": "rate(30 minutes)"}, "from an hour to ten years"),
        ({"schedule": "rate(99999999 days)"}, "from an hour to ten years"),
        ({"schedule": "rate(1 days)"}, "must be a rate like rate(7 days)"),
        ({"schedule": "rate(2 day)"}, "must be a rate like"),
        ({"schedule": "cron(0 12 * * ? *)"}, "docs/retraining.md"),
        ({"schedule": 7}, "must be a rate like"),
        ({"endpoint": {"instance_type": "m5.large"}}, "SageMaker's are like ml."),
        ({"endpoint": {"instance_type": "ml.m5.large", "memory_mb": 2048}}, "the one or the other"),
        ({"endpoint": {"count": 2}}, "a count without an instance_type"),
        ({"endpoint": {"instance_type": "ml.m5.large", "count": 0}}, "1 to 16 are taken"),
        ({"endpoint": {"memory_mb": 1000}}, "SageMaker takes 1024, 2048"),
        ({"endpoint": {"max_concurrency": 201}}, "1 to 200 are taken"),
        ({"endpoint": {"memory": 1024}}, "endpoint has 'memory'; it takes instance_type, count"),
        ({"budget": 5}, "budget must be a JSON object with job_usd, month_usd"),
        ({"budget": {"job_usd": "5"}}, "budget has a job_usd of '5'"),
        ({"budget": {"month_usd": -1}}, "US dollars, 0 to"),
        ({"budget": {"month_usd": float("inf")}}, "US dollars, 0 to"),
        ({"keep_versions": 0}, "whole number from 1 to 100"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_says_what_can(
    raw: dict[str, Any], reason: str
) -> None:
    settings, wrong = read_service(raw)
    assert settings == ServiceSettings()
    assert reason in wrong[next(iter(raw))]
    [problem] = read_settings(json.dumps(raw).encode()).problems
    assert reason in problem.reason


def version_with(settings: bytes | None) -> str:
    world = World()
    world.put("a.csv", good())
    if settings is not None:
        world.put("dataset.json", settings)
    return look(world.storage, DATASET).version


def test_settings_of_the_service_are_no_part_of_the_version() -> None:
    plain = version_with(None)
    for said in (b"{}", b'{"quiet_seconds": 5}', b'{"keep_versions": 3, "quiet_seconds": null}'):
        assert version_with(said) == plain
    trained = version_with(b'{"preset": "dense-128", "label": "target"}')
    assert trained != plain
    also = b'{ "label":"target",\n "preset": "dense-128", "schedule": "rate(1 day)"}'
    assert version_with(also) == trained
    assert len({version_with(text) for text in (b"[]", b"{", b"\xff", b"[" * 9999)}) == 4


def test_a_setting_of_the_service_that_is_wrong_is_refused_and_put_right_costs_nothing() -> None:
    world = World()
    world.drop(good())
    world.put("dataset.json", b'{"budget": {"job_usd": "5"}}')
    world.ready()
    status = world.settle()
    assert status["outcome"] == "Refused"
    assert "budget has a job_usd of '5'" in status["message"]
    world.put("dataset.json", b'{"budget": {"job_usd": 5}}')
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("AlreadyTrained", 1)


def test_a_setting_of_the_service_takes_effect_without_a_training() -> None:
    world = World()
    world.drop(good())
    before = world.status()
    world.put("dataset.json", b'{"keep_versions": 3}')
    world.settle()
    assert len(world.jobs) == 1
    assert world.status()["version"] == before["version"]
    assert look(world.storage, DATASET).service.keep_versions == 3


def test_a_settings_file_that_changes_while_it_is_read_is_read_as_it_is_then() -> None:
    world = World()
    world.put("a.csv", good())
    world.put("dataset.json", b'{"keep_versions": 3}')
    listed = world.storage.list
    listings: list[str] = []

    def changing(prefix: str) -> Any:
        found = list(listed(prefix))
        if not listings:
            world.put("dataset.json", b'{"keep_versions": 4}')
        listings.append(prefix)
        return iter(found)

    world.storage.list = changing  # type: ignore[method-assign]
    assert look(world.storage, DATASET).service.keep_versions == 4
