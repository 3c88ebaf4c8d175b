"""Numbers that the gate relies on, against worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.judging.evaluate import compare, majority_share, score


def booleans(*runs: tuple[bool, int]) -> np.ndarray:
    return np.concatenate([np.full(count, value) for value, count in runs])


def test_the_example_of_the_architecture_page() -> None:
    # 998 rows: 31 only the challenger got right, 20 only the champion, the rest both
    challenger = booleans((True, 31), (False, 20), (True, 947))
    champion = booleans((False, 31), (True, 20), (True, 947))
    paired = compare(challenger, champion)
    assert (paired.rows, paired.only_challenger_right, paired.only_champion_right) == (998, 31, 20)
    assert paired.difference == pytest.approx(0.011, abs=5e-5)
    assert paired.standard_error == pytest.approx(0.0071, abs=1e-4)


def test_the_standard_error_is_that_of_the_mean_of_differences() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(500) < 0.8, rng.random(500) < 0.7
    differences = a.astype(float) - b.astype(float)
    paired = compare(a, b)
    assert paired.difference == pytest.approx(differences.mean(), abs=1e-6)
    assert paired.standard_error == pytest.approx(differences.std() / np.sqrt(500), abs=1e-6)


def test_without_rows_to_compare_nothing_differs() -> None:
    none = np.empty(0, bool)
    assert (compare(none, none).rows, compare(none, none).standard_error) == (0, 0.0)


def test_recall_is_by_name_and_leaves_out_classes_without_rows() -> None:
    labels = np.array([0, 0, 0, 0, 2], np.int32)
    right = np.array([True, True, True, False, False])
    result = score(right, labels, ("bag", "coat", "shirt"))
    assert result.accuracy == 0.6
    assert result.recall == {"bag": 0.75, "shirt": 0.0}
    assert majority_share(labels) == 0.8
