"""Batch transform over keys and containers that one would rather not meet."""

from __future__ import annotations

import pytest

from .account import Account
from .transforms import outputs, run


def test_keys_of_any_letters_name_their_outputs(sagemaker: Account) -> None:
    names = ["ü ñ.txt", "a+b%20c.txt", "deep//double.txt", "..dots/…", "q?x=1&y#z", "s", "s/b"]
    job = run(sagemaker, "odd-keys", {name: name for name in names})
    assert job["TransformJobStatus"] == "Completed", job
    assert outputs(sagemaker, job) == {f"{name}.out": f"m:{name}" for name in names}


def test_a_container_that_dies_over_one_object_transforms_the_others(sagemaker: Account) -> None:
    job = run(
        sagemaker,
        "dies",
        {"a": "first", "b": "die", "c": "last"},
        ModelClientConfig={"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 20},
    )
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError")
    assert outputs(sagemaker, job) == {"a.out": "m:first", "c.out": "m:last"}


@pytest.mark.parametrize("order", ["dribble 30", "dribble 30 chunked"])
def test_an_answer_that_dribbles_in_must_be_whole_in_time(sagemaker: Account, order: str) -> None:
    job = run(
        sagemaker,
        "dribbles",
        {"a": order, "b": "dribble 2"},
        ModelClientConfig={"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 2},
    )
    assert job["TransformJobStatus"] == "Failed"
    assert outputs(sagemaker, job) == {"b.out": ".."}
