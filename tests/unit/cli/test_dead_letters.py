"""What a dead letter was about, for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.dead_letters import about

EVENTS = Path(__file__).parents[2] / "events"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"reconcile": "dataset/x"}', "reconcile dataset/x"),
        ('{"retrain": "dataset/x", "id": "monday"}', "retrain dataset/x"),
        ('{"sweep": true}', "sweep"),
        ('{"preflight": {"dataset": "x", "version": "v"}}', "preflight x"),
        ('{"results": {"batch": "b", "run": "r"}}', "results b"),
        ("not JSON", "not JSON"),
        ("[1]", "[1]"),
        ("{}", "{}"),
    ],
)
def test_our_own_messages(body: str, told: str) -> None:
    assert about(body) == told


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        ("s3-object-created", "s3 ObjectCreated:Put datasets/fashion-mnist/"),
        ("training-job-failed", "SageMaker Training Job State Change pigeonhole-"),
        ("endpoint-in-service", "SageMaker Endpoint State Change pigeonhole-"),
    ],
)
def test_messages_of_aws(recorded: str, told: str) -> None:
    assert about((EVENTS / f"{recorded}.json").read_text()).startswith(told)
