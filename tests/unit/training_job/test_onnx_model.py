"""The guard around the export."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.errors import BadExport
from pigeonhole_training.export.onnx_model import check_export, rows_a_call


def test_an_export_that_answers_otherwise_is_refused() -> None:
    ours = np.array([[0.50002, 0.49998], [0.1, 0.9]], np.float32)
    assert check_export(ours, ours.copy()) == 0.0
    with pytest.raises(BadExport, match="1 of them"):
        check_export(ours, ours[:, ::-1] * [[0, 0], [1, 1]] + ours * [[1, 1], [0, 0]])
    with pytest.raises(BadExport, match=r"0\.001"):
        check_export(ours, ours + np.float32(1e-3))
    with pytest.raises(BadExport):
        check_export(ours, np.full_like(ours, np.nan))
    with pytest.raises(BadExport, match=r"\(2, 1\)"):
        check_export(ours, ours[:, :1])


def test_a_row_between_two_classes_may_fall_on_either_side() -> None:
    ours = np.array([[0.50000001, 0.49999999]], np.float64).astype(np.float32)
    assert check_export(ours, np.array([[0.49999, 0.50001]], np.float32)) < 1e-4


def test_large_images_go_through_a_few_at_a_time() -> None:
    assert rows_a_call((28, 28, 1)) == 512
    assert rows_a_call((224, 224, 3)) == 16
    assert rows_a_call((4000, 4000, 3)) == 1
