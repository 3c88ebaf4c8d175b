from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.errors import ArtifactError, SettingsError
from serving.model import CALL_VALUES, CHUNK, Model, model_version
from serving.settings import cpus, read
from tests.unit.serving import artifact


def test_signature_is_what_model_json_says(model: Model) -> None:
    signature = model.signature
    assert signature.shape == (28, 28, 1)
    assert signature.classes == ("Tall", "Wide")
    assert signature.model_version == "0123456789ab-2"


@pytest.mark.parametrize(
    ("job", "version"),
    [
        ("pigeonhole-prod-fashion-mnist-abcdef012345-12", "abcdef012345-12"),
        ("somebody-elses-job", "somebody-elses-job"),
    ],
)
def test_model_version_is_the_end_of_the_jobs_name(job: str, version: str) -> None:
    assert model_version(job) == version


def test_many_rows_are_answered_as_one_by_one_and_in_order(model: Model) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (3 * CHUNK + 5, 28, 28, 1), np.uint8)
    at_once = model.probabilities(rows)
    one_by_one = np.concatenate([model.probabilities(row[np.newaxis]) for row in rows])
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-6)
    np.testing.assert_allclose(at_once.sum(axis=1), 1, atol=1e-6)


def test_large_images_go_through_a_few_at_a_time(tmp_path: Path) -> None:
    onnx = artifact.linear_onnx(np.zeros((150_528, 2)), np.zeros(2), (224, 224, 3))
    shape = {"height": 224, "width": 224, "channels": 3}
    large = Model(artifact.write(tmp_path, onnx, input=shape), workers=1)
    rows = np.zeros((20, 224, 224, 3), np.uint8)
    large.probabilities(rows[:1])
    tracemalloc.start()
    try:
        assert large.probabilities(rows).tolist() == [[0.5, 0.5]] * 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 4 * CALL_VALUES  # all rows at once would take 12 MB as float32


def test_an_older_artifacts_temperature_is_applied(tmp_path: Path, model: Model) -> None:
    warm = Model(artifact.write(tmp_path, format=1, temperature=2.0), workers=1)
    rows = np.asarray(artifact.bar("Wide")).reshape(1, 28, 28, 1)
    plain = model.probabilities(rows)[0]
    roots = np.sqrt(plain)  # p^(1/2), normalised
    np.testing.assert_allclose(warm.probabilities(rows)[0], roots / roots.sum(), rtol=1e-6)


def test_a_temperature_that_is_inside_the_model_is_not_applied_twice(
    tmp_path: Path, model: Model
) -> None:
    calibrated = Model(artifact.write(tmp_path, format=2, temperature=2.0), workers=1)
    rows = np.asarray(artifact.bar("Wide")).reshape(1, 28, 28, 1)
    np.testing.assert_array_equal(calibrated.probabilities(rows), model.probabilities(rows))


def test_a_probability_of_zero_survives_the_temperature(tmp_path: Path) -> None:
    onnx = artifact.linear_onnx(np.zeros((784, 2)), np.array([0.0, 500.0]), (28, 28, 1))
    warm = Model(artifact.write(tmp_path, onnx, format=1, temperature=0.5), workers=1)
    answer = warm.probabilities(np.zeros((1, 28, 28, 1)))
    np.testing.assert_allclose(answer, [[0, 1]], atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, "serves 1 and 2"),
        ({"classes": ["a", "b", "c"]}, "promises"),
        ({"classes": ["a", "a"]}, "at least two classes"),
        ({"input": {"height": 32}}, "model.json promises one float32 input"),
        ({"input": {"channels": 2}}, "no grey"),
        ({"input": {"range": [0, 1]}}, "range"),
        ({"input": {"foreground": "green"}}, "foreground"),
        ({"format": 1, "temperature": 0}, "temperature"),
    ],
)
def test_an_artifact_that_does_not_hold_together_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = artifact.write(tmp_path, **changes)
    with pytest.raises(ArtifactError, match=message):
        Model(folder, workers=1)


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.json is missing.*SM_MODEL_DIR"):
        Model(tmp_path, workers=1)


def test_broken_files_are_named(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"model\.onnx cannot be loaded"):
        Model(folder, workers=1)
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        Model(folder, workers=1)
    (folder / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"model\.json is no JSON"):
        Model(folder, workers=1)


def test_an_output_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    onnx = artifact.linear_onnx(np.zeros((784, 2)), np.ones(2), (28, 28, 1))
    onnx = onnx.replace(b"Softmax", b"Sigmoid")
    with pytest.raises(ArtifactError, match="sum to 1"):
        Model(artifact.write(tmp_path, onnx), workers=1)


def test_settings_come_from_the_environment() -> None:
    plain = read({})
    assert (str(plain.model_dir), plain.host, plain.port) == ("/opt/ml/model", "127.0.0.1", 8080)
    assert not plain.batch
    assert read({"SAGEMAKER_BATCH": "True"}).batch
    assert not read({"SAGEMAKER_BATCH": "1"}).batch
    with pytest.raises(SettingsError, match="SAGEMAKER_BIND_TO_PORT"):
        read({"SAGEMAKER_BIND_TO_PORT": "http"})


@pytest.mark.parametrize(("quota", "most"), [("50000 100000", 1), ("100000 100000", 1)])
def test_threads_follow_the_cgroups_quota(tmp_path: Path, quota: str, most: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cpus(file) == most
    file.write_text("max 100000")
    assert cpus(file) == cpus(tmp_path / "none") >= 1
