"""A judging job as SageMaker runs it: two served models in, evaluation.json out."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pigeonhole_training.data.rows import digests_of
from pigeonhole_training.export.artifact import write_trained_rows

from .container import CLASSES, Job, images, new_job, read

FLAGS = ("--task", "judge", "--dataset_version", "ab" * 32, "--champion", "job-a")
TEST_ROWS = digests_of(images(60, 2)[0])  # the first two are training rows of the dataset, too


def archive(
    folder: Path, job: str, seen: np.ndarray, *, blind_to: int | None = None, **changes: Any
) -> Path:
    """A model that tells the bars of `images` apart; it never answers the class `blind_to`."""
    folder.mkdir()
    weights = np.zeros((6, 9, 3, 3), np.float32)
    for label in range(3):
        weights[1:5, 3 * label + 1, :, label] = 1e-4
    if blind_to is not None:
        weights[..., blind_to] = 0
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "bars",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 6, 9, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [162, 3], weights.reshape(-1))],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    document = {
        "format": 2,
        "input": {"height": 6, "width": 9, "channels": 3},
        "classes": CLASSES,
        "training_job": job,
        "dataset_version": "ab" * 32,
    } | changes
    (folder / "model.json").write_text(json.dumps(document))
    write_trained_rows(folder / "trained_rows.bin", seen)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        for name in ("model.onnx", "model.json", "trained_rows.bin"):
            tar.add(folder / name, name)
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return new_job(tmp_path / "job-b-j1")


def test_two_served_models_are_compared_on_rows_that_neither_has_seen(
    job: Job, tmp_path: Path
) -> None:
    labels = images(60, 2)[1]
    challenger = archive(tmp_path / "b", "job-b", TEST_ROWS[:5], blind_to=0)
    champion = archive(tmp_path / "a", "job-a", TEST_ROWS[50:])
    result = job.run(*FLAGS, champion=champion, challenger=challenger)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Training" not in result.stdout
    assert "champion_accuracy=1.0000;" in result.stdout
    assert result.stderr == ""
    evaluation = read(job.data / "evaluation.json")
    lost = int((labels[5:50] == 0).sum())
    assert (evaluation["training_job"], evaluation["judging_job"]) == ("job-b", "job-b-j1")
    assert evaluation["heldout"]["rows"] == 55
    assert evaluation["challenger"]["recall"]["left"] == 0
    assert evaluation["champion"]["training_job"] == "job-a"
    paired = evaluation["paired"]
    assert (paired["rows"], paired["only_champion_right"]) == (45, lost)
    assert paired["difference"] == pytest.approx(-lost / 45, abs=1e-6)
    assert paired["classes"]["left"] == {
        "rows": lost,
        "only_challenger_right": 0,
        "only_champion_right": lost,
    }
    assert [p.name for p in job.data.iterdir()] == ["evaluation.json"]
    assert not job.model.exists() or not list(job.model.iterdir())


def test_other_classes_are_told_not_compared(job: Job, tmp_path: Path) -> None:
    challenger = archive(tmp_path / "b", "job-b", TEST_ROWS[:0])
    champion = archive(tmp_path / "a", "job-a", TEST_ROWS[:0], classes=["left", "middle", "up"])
    result = job.run(*FLAGS, champion=champion, challenger=challenger)
    assert result.returncode == 0, result.stdout + result.stderr
    evaluation = read(job.data / "evaluation.json")
    assert (evaluation["champion"]["same_classes"], evaluation["paired"]) == (False, None)


def test_what_cannot_be_compared_fails_with_the_reason(job: Job, tmp_path: Path) -> None:
    champion = archive(tmp_path / "a", "job-a", TEST_ROWS[:0])
    challenger = archive(tmp_path / "b", "job-b", TEST_ROWS)
    assert job.run(*FLAGS, champion=champion, challenger=challenger).returncode == 1
    assert job.failure == "there is no held-out row that the challenger was not trained on"


def test_a_champion_that_cannot_be_read_fails_with_the_reason(job: Job, tmp_path: Path) -> None:
    challenger = archive(tmp_path / "b", "job-b", TEST_ROWS[:0])
    champion = tmp_path / "a"
    champion.mkdir()
    (champion / "model.tar.gz").write_bytes(b"no archive")
    assert job.run(*FLAGS, champion=champion, challenger=challenger).returncode == 1
    assert job.failure.startswith("the champion's model.tar.gz cannot be read: ")
    assert not job.data.exists()
