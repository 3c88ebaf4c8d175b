"""A champion is judged by class name, on rows that it has not seen."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pigeonhole_training.data.rows import Pool, Rows
from pigeonhole_training.errors import BadChampion
from pigeonhole_training.export.artifact import write_trained_rows
from pigeonhole_training.judging.champion import judge_champion

CLASSES = ("bag", "coat", "shirt")
# Three pixels; the brightest is the class. A model that passes pixels on is right about all four.
HELDOUT = Pool.of(
    np.array([[9, 0, 0], [0, 9, 1], [0, 0, 9], [8, 1, 0]], np.uint8).reshape(4, 1, 3, 1),
    np.array([0, 1, 2, 0], np.int32),
).rows()


def champion(folder: Path, classes: list[str], seen: Rows | None = None, **changes: Any) -> Path:
    """An archive whose model answers with the pixels themselves, in the order of `classes`."""
    order = [CLASSES.index(c) if c in CLASSES else 0 for c in classes]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gather", ["flat", "order"], ["probabilities"], axis=1),
        ],
        "champion",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, 3, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(order)])],
        [helper.make_tensor("order", TensorProto.INT64, [len(order)], order)],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    document = {
        "input": {"height": 1, "width": 3, "channels": 1},
        "classes": classes,
        "training_job": "job-1",
        "dataset_version": "c" * 64,
    } | changes
    (folder / "model.json").write_text(json.dumps(document))
    digests = HELDOUT.digests[:0] if seen is None else seen.digests
    write_trained_rows(folder / "trained_rows.bin", digests)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        for name in ("model.onnx", "model.json", "trained_rows.bin"):
            tar.add(folder / name, name)
    return folder


def right(*values: bool) -> np.ndarray:
    return np.array(values)


def test_the_same_classes_in_another_order_are_matched_by_name(tmp_path: Path) -> None:
    folder = champion(tmp_path, ["shirt", "bag", "coat"])
    result = judge_champion(folder, HELDOUT, right(True, False, False, True), CLASSES)
    assert (result.training_job, result.dataset_version) == ("job-1", "c" * 64)
    assert (result.same_classes, result.same_shape) == (True, True)
    assert result.answers is not None
    assert result.answers.tolist() == [0, 1, 2, 0]
    assert result.probabilities is not None
    assert result.probabilities.tolist() == HELDOUT.take(slice(None)).reshape(4, 3).tolist()
    assert result.paired is not None
    assert (result.paired.rows, result.paired.only_champion_right) == (4, 2)
    assert result.paired.difference == -0.5


def test_rows_that_it_was_trained_on_are_not_compared(tmp_path: Path) -> None:
    seen = HELDOUT.where(right(False, True, False, False))
    folder = champion(tmp_path, list(CLASSES), seen)
    result = judge_champion(folder, HELDOUT, right(True, False, True, True), CLASSES)
    assert result.paired is not None
    assert (result.paired.rows, result.paired.difference) == (3, 0.0)
    assert result.answers is not None
    assert len(result.answers) == 4


def test_other_classes_are_scored_but_not_compared(tmp_path: Path) -> None:
    folder = champion(tmp_path, ["bag", "coat", "hat"])
    result = judge_champion(folder, HELDOUT, right(True, True, True, True), CLASSES)
    assert (result.same_classes, result.paired) == (False, None)
    assert result.answers is not None
    assert 2 not in result.answers  # shirts it does not know
    assert result.probabilities is not None
    assert not result.probabilities[:, 2].any()


def test_the_temperature_of_an_older_artifact_is_applied(tmp_path: Path) -> None:
    plain = judge_champion(
        champion(tmp_path, list(CLASSES), format=2, temperature=2.0),
        HELDOUT,
        right(True, True, True, True),
        CLASSES,
    )
    older = judge_champion(
        champion(tmp_path, list(CLASSES), format=1, temperature=2.0),
        HELDOUT,
        right(True, True, True, True),
        CLASSES,
    )
    assert plain.probabilities is not None
    assert older.probabilities is not None
    assert plain.probabilities[3].tolist() == [8, 1, 0]
    share = np.sqrt(8) / (np.sqrt(8) + 1)
    assert older.probabilities[3] == pytest.approx([share, 1 - share, 0], abs=1e-6)


def test_another_shape_is_neither_scored_nor_compared(tmp_path: Path) -> None:
    shape = {"height": 3, "width": 1, "channels": 1}
    folder = champion(tmp_path, list(CLASSES), input=shape)
    result = judge_champion(folder, HELDOUT, right(True, True, True, True), CLASSES)
    assert (result.same_classes, result.same_shape) == (True, False)
    assert result.probabilities is None
    assert result.answers is None
    assert result.paired is None


def test_an_archive_that_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    everything = right(True, True, True, True)
    with pytest.raises(BadChampion, match=r"no model\.tar\.gz"):
        judge_champion(tmp_path, HELDOUT, everything, CLASSES)
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(BadChampion, match="cannot be read"):
        judge_champion(tmp_path, HELDOUT, everything, CLASSES)
    folder = champion(tmp_path, list(CLASSES), input={})
    with pytest.raises(BadChampion, match="not as expected"):
        judge_champion(folder, HELDOUT, everything, CLASSES)
