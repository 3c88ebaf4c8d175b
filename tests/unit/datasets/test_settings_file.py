"""dataset.json: what SageMaker or the training script would not take is refused beforehand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.datasets.settings_file import read_settings


def reasons(**hyperparameters: Any) -> str:
    text = json.dumps({"hyperparameters": hyperparameters}).encode()
    return "\n".join(str(problem) for problem in read_settings(text).problems)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("note", "a\nb", "control characters"),
        ("note", "a\x01", "control characters"),
        ("note", "a\u2028b", "control characters"),
        ("note", "\ud800", "control characters"),
        ("note", " ", "blank"),
        ("note", "", "blank"),
        ("note", "x" * 257, "256 characters"),
        ("note", 10**300, "256 characters"),
        ("note", float("inf"), "finite"),
        ("n" * 257, "1", "its name"),
        ("a\nb", "1", "its name"),
        ("\ud800", "1", "its name"),
        ("epochs", 1.5, "whole number from 1 to 1000"),
        ("epochs", 1001, "whole number from 1 to 1000"),
        ("epochs", "8", "whole number from 1 to 1000"),
        ("epochs", float("inf"), "whole number from 1 to 1000"),
        ("batch_size", 0.5, "whole number from 1 to 65536"),
        ("batch_size", 65537, "whole number"),
        ("seed", -1, "whole number from 0"),
        ("learning_rate", 0, "above 0"),
        ("learning_rate", 11, "to 10"),
        ("learning_rate", float("nan"), "above 0"),
        ("learning_rate", "0.1", "above 0"),
    ],
)
def test_hyperparameters_that_cannot_train_are_refused(name: str, value: Any, reason: str) -> None:
    assert reason in reasons(**{name: value})
    text = json.dumps({"hyperparameters": {name: value, "good": 1}}).encode()
    assert read_settings(text).hyperparameters == {"good": 1}  # no report holds the bad ones


def test_hyperparameters_that_can_train_pass() -> None:
    assert reasons(epochs=1000, batch_size=1, learning_rate=1e-3, seed=0, note="as, usual é") == ""


def test_more_hyperparameters_than_sagemaker_takes_are_refused() -> None:
    assert reasons(**{f"h{i}": i for i in range(90)}) == ""
    assert "90 are taken at most" in reasons(**{f"h{i}": i for i in range(91)})
