from __future__ import annotations

from typing import Any

import pytest

from localcloud.events import Undeliverable, backoff, input_of

EVENT: dict[str, Any] = {"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}
QUEUE = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, '{"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}'),
        ({"Input": '{"sweep": true}'}, '{"sweep": true}'),
        (
            {"InputPath": "$"},
            '{"detail": {"name": "a", "deep": {"n": 1}}, "source": "aws.sagemaker"}',
        ),
        ({"InputPath": "$.detail.deep"}, '{"n": 1}'),
        ({"InputPath": "$.source"}, '"aws.sagemaker"'),
        ({"InputPath": "$.nothing.here"}, "null"),
    ],
)
def test_what_a_target_gets(target: dict[str, Any], expected: str) -> None:
    assert input_of({**QUEUE, **target}, EVENT) == expected


@pytest.mark.parametrize(
    "target", [{"InputTransformer": {"InputTemplate": "x"}}, {"InputPath": "$.resources[0]"}]
)
def test_what_is_not_built_is_said(target: dict[str, Any]) -> None:
    with pytest.raises(Undeliverable, match="not built here"):
        input_of({**QUEUE, **target}, EVENT)


def test_pauses_grow_to_a_minute() -> None:
    pauses = [backoff(n) for n in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == backoff(10_000) == 60
