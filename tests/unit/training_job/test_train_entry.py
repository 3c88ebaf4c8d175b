"""What flags and environment come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pigeonhole_training.config import Hyperparameters
from pigeonhole_training.errors import BadRequest
from train import choose_backend, parse_config


def test_flags_of_others_are_ignored_and_never_taken_for_ours() -> None:
    config = parse_config(
        ["--epochs", "3", "--model_dir", "None/job/model", "--seed_all", "9", "--dataset", "f"],
        {"SM_MODEL_DIR": "/m", "TRAINING_JOB_NAME": "job-1"},
    )
    assert config.hyperparameters == Hyperparameters(epochs=3, seed=0)
    assert (config.model_dir, config.training_job) == (Path("/m"), "job-1")


def test_without_the_toolkit_the_folders_are_sagemakers() -> None:
    config = parse_config([], {})
    assert config.train_dir == Path("/opt/ml/input/data/train")
    assert config.version_dir == Path("/opt/ml/input/data/version")
    assert config.model_dir == Path("/opt/ml/model")
    assert config.output_data_dir == Path("/opt/ml/output/data")
    assert config.champion_dir is None


def test_another_base_folder_moves_them_all() -> None:
    config = parse_config([], {"SAGEMAKER_BASE_DIR": "/b", "SM_MODEL_DIR": "/m"})
    assert config.train_dir == Path("/b/input/data/train")
    assert config.model_dir == Path("/m")


def test_a_champion_channel_is_judged_even_if_it_is_empty() -> None:
    assert parse_config([], {"SM_CHANNEL_CHAMPION": "/c"}).champion_dir == Path("/c")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--epochs", "many"),
        ("--epochs", "0"),
        ("--batch_size", "-1"),
        ("--learning_rate", "nan"),
        ("--learning_rate", "0"),
        ("--seed", "-1"),
        ("--quantize", "int4"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(flag: str, value: str) -> None:
    with pytest.raises(BadRequest, match=flag.lstrip("-")):
        parse_config([f"{flag}={value}"], {})


@pytest.mark.parametrize(("gpus", "flag"), [(0, "1"), (1, None), (4, None)])
def test_tensorflow_is_deterministic_where_xla_does_not_compile(
    gpus: int, flag: str | None
) -> None:
    environment: dict[str, str] = {}
    choose_backend(environment, gpus)
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert environment.get("TF_DETERMINISTIC_OPS") == flag


def test_the_backend_that_is_asked_for_is_taken() -> None:
    environment = {"KERAS_BACKEND": "jax"}
    choose_backend(environment, 0)
    assert environment["KERAS_BACKEND"] == "jax"
