"""The guard around the export."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.errors import BadExport
from pigeonhole_training.export.onnx_model import check_export


def test_an_export_that_answers_otherwise_is_refused() -> None:
    ours = np.array([[0.50002, 0.49998], [0.1, 0.9]], np.float32)
    assert check_export(ours, ours.copy()) == 0.0
    with pytest.raises(BadExport, match="1 of them"):  # within the tolerance, but another class
        check_export(ours, ours[:, ::-1] * [[1, 1], [0, 0]] + ours * [[0, 0], [1, 1]])
    with pytest.raises(BadExport, match=r"0\.001"):
        check_export(ours, ours + np.float32(1e-3))
    with pytest.raises(BadExport):
        check_export(ours, np.full_like(ours, np.nan))
    with pytest.raises(BadExport, match=r"\(2, 1\)"):
        check_export(ours, ours[:, :1])
