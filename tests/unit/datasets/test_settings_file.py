"""dataset.json: what SageMaker or the training script would not take is refused beforehand."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.datasets.settings.service_settings import Rate, ServiceSettings
from chalicelib.datasets.settings.settings_file import (
    HYPERPARAMETERS,
    PRESETS,
    DatasetSettings,
    Instances,
    Shape,
    read_settings,
)

TRAINING_JOB = Path(__file__).parents[3] / "training_job"


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
        ("task", "judge", "the service sets it"),
        ("quantize", "int4", "one of none, fp16, int8, auto"),
        ("quantize", 8, "one of none"),
        ("mixed_precision", "yes", "one of auto, on, off"),
    ],
)
def test_hyperparameters_that_cannot_train_are_refused(name: str, value: Any, reason: str) -> None:
    assert reason in reasons(**{name: value})
    text = json.dumps({"hyperparameters": {name: value, "good": 1}}).encode()
    assert read_settings(text).hyperparameters == {"good": 1}  # no report holds the bad ones


def test_hyperparameters_that_can_train_pass() -> None:
    assert (
        reasons(
            epochs=1000,
            batch_size=1,
            learning_rate=1e-3,
            seed=0,
            quantize="int8",
            note="as, usual é",
        )
        == ""
    )


def test_more_hyperparameters_than_sagemaker_takes_are_refused() -> None:
    assert reasons(**{f"h{i}": i for i in range(90)}) == ""
    assert "90 are taken at most" in reasons(**{f"h{i}": i for i in range(91)})


def read(**settings: Any) -> DatasetSettings:
    return read_settings(json.dumps(settings).encode())


def test_all_settings_are_read() -> None:
    settings = read(
        classes=["a", "b"],
        preset="resnet50",
        hyperparameters={"epochs": 3, "fine_tune_epochs": 0},
        shape={"height": 48, "width": 32, "channels": 3},
        label=" emotion ",
        instances={"type": "ml.g5.xlarge", "count": 2, "spot": True},
        bad_rows=0.01,
        schedule="rate(7 days)",
    )
    assert settings.problems == ()
    assert settings == DatasetSettings(
        ("a", "b"),
        "resnet50",
        {"epochs": 3, "fine_tune_epochs": 0},
        Shape(48, 32, 3),
        "emotion",
        Instances(("ml.g5.xlarge",), 2, True),
        0.01,
        ServiceSettings(schedule=Rate("rate(7 days)", 7 * 86400)),
    )
    two = ["ml.g5.xlarge", "ml.g4dn.xlarge"]
    assert read(instances={"type": two}).instances == Instances(tuple(two))
    assert read(instances={"count": 2}).instances == Instances(count=2)
    assert read(preset=None, shape=None, instances=None) == DatasetSettings()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"classes": ["a", "b "]}, "classes cannot be used: name 'b ' has spaces around it"),
        ({"classes": ["a", "b\nc"]}, "control characters"),
        ({"presets": "x"}, "'presets' is no setting; classes, preset, hyperparameters, shape"),
        ({"preset": "resnet"}, "preset must be one of default, default-large, dense-256-128-32,"),
        ({"preset": 3}, "not 3"),
        ({"preset": ["dense-128"]}, "preset must be one of"),
        ({"hyperparameters": {"preset": "dense-128"}}, "it stands beside the hyperparameters"),
        ({"hyperparameters": {"fine_tune_epochs": -1}}, "whole number from 0 to 1000"),
        ({"shape": [28, 28]}, "shape must be a JSON object with height, width, channels"),
        ({"shape": {"height": 28, "width": 28}}, "shape lacks channels"),
        ({"shape": {"height": 28, "wide": 28}}, "shape has 'wide'; it takes height, width"),
        ({"shape": {"height": 4, "width": 28, "channels": 1}}, "shape has a height of 4"),
        ({"shape": {"height": 28, "width": 28.5, "channels": 1}}, "shape has a width of 28.5"),
        ({"shape": {"height": 28, "width": 28, "channels": 2}}, "1 is grey, 3 is RGB"),
        ({"shape": {"height": 28, "width": 28, "channels": True}}, "1 is grey, 3 is RGB"),
        ({"label": 3}, "label must be the name of a column, not 3"),
        ({"label": " "}, "label must be the name of a column"),
        ({"instances": "ml.g5.xlarge"}, "instances must be a JSON object with type, count, spot"),
        ({"instances": {"type": "g5.xlarge"}}, "SageMaker's are like ml.g5.xlarge"),
        ({"instances": {"count": 0}}, "instances has a count of 0"),
        ({"instances": {"count": True}}, "instances has a count of True"),
        ({"instances": {"spot": "yes"}}, "instances has spot 'yes': true or false"),
        ({"instances": {"kind": "x"}}, "instances has 'kind'"),
        ({"instances": {"type": []}}, "instances has 0 types"),
        ({"instances": {"type": ["ml.m5.large"] * 2}}, "1 to 10 different ones are taken"),
        ({"instances": {"type": ["ml.m5.large", 5]}}, "instances has the type 5"),
        ({"bad_rows": 0.2}, "bad_rows must be a share from 0 to 0.1"),
        ({"bad_rows": True}, "bad_rows must be a share"),
        ({"bad_rows": float("nan")}, "bad_rows must be a share"),
    ],
)
def test_what_is_no_setting_says_what_is(settings: dict[str, Any], reason: str) -> None:
    [problem] = read_settings(json.dumps(settings).encode()).problems
    assert problem.file == "dataset.json"
    assert reason in problem.reason


def test_a_hyperparameter_that_nobody_knows_is_noted() -> None:
    [note] = read(hyperparameters={"epoch": 3, "epochs": 3}).notes
    assert "hyperparameter epoch is none that the training job is known to take (epochs," in note


def test_fine_tuning_where_nothing_is_fine_tuned_is_noted() -> None:
    tuned = {"fine_tune_epochs": 3}
    for other in ({}, {"preset": "default"}, {"preset": "resnet50-random"}):
        [note] = read(hyperparameters=tuned, **other).notes
        assert "fine_tune_epochs changes nothing" in note
    assert not read(hyperparameters=tuned, preset="resnet50").notes


def test_the_known_hyperparameters_are_the_training_jobs_flags() -> None:
    source = (TRAINING_JOB / "train.py").read_text()
    flags = set(re.findall(r'add_argument\("--([a-z_]+)"', source))
    ours = {"preset", "dataset_version", "code_version", "dataset", "task"}
    assert flags - ours == set(HYPERPARAMETERS)


def test_the_presets_are_those_of_the_training_job() -> None:
    models = TRAINING_JOB / "pigeonhole_training" / "models"
    names = {
        node.args[0].value
        for path in models.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Preset"
        and isinstance(node.args[0], ast.Constant)
    }
    assert names == set(PRESETS)
