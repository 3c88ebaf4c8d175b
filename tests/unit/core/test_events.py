"""Messages of the events queue, in tests/events as AWS sends them, beside what they mean."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from chalicelib.events import Rubbish, api_spelling, parse

EVENTS = Path(__file__).parents[2] / "events"
RECORDED = sorted(EVENTS.glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_events(path: Path) -> None:
    expected = json.loads(Path(f"{path}.expected").read_text())
    got = [{"type": type(e).__name__, **asdict(e)} for e in parse(path.read_text())]
    assert got == expected


def test_there_are_recorded_events() -> None:
    assert len(RECORDED) >= 8


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"sweep": 1}',
        '{"reconcile": 5}',
        '{"Records": [{}]}',
        '{"Records": [null]}',
        '{"Records": [{"eventName": "x", "s3": {"bucket": {"name": "b"}, "object": {"key": 5}}}]}',
        '{"source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change"}',
        '{"source": "aws.sagemaker", "detail-type": "Something else", "detail": {}}',
        '{"source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change", '
        '"detail": {}}',
        '{"source": "aws.ec2"}',
    ],
)
def test_rubbish_is_known_as_rubbish(body: str) -> None:
    [event] = parse(body)
    assert isinstance(event, Rubbish)
    assert event.reason


@pytest.mark.parametrize(
    ("event", "api"),
    [
        ("IN_SERVICE", "InService"),
        ("FAILED", "Failed"),
        ("OUT_OF_SERVICE", "OutOfService"),
        ("InService", "InService"),
        ("PendingManualApproval", "PendingManualApproval"),
        ("", ""),
    ],
)
def test_statuses_are_spelled_as_the_api_does(event: str, api: str) -> None:
    assert api_spelling(event) == api
