"""Numbers that the gate relies on, against worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from pigeonhole_training.judging.evaluate import (
    Confusion,
    PairedClass,
    commonest_confusions,
    compare,
    confusion_matrix,
    majority_share,
    most_wrong,
    score,
    top_accuracy,
    wilson_interval,
)
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix
from sklearn.metrics import precision_recall_fscore_support


def booleans(*runs: tuple[bool, int]) -> np.ndarray:
    return np.concatenate([np.full(count, value) for value, count in runs])


def test_the_example_of_the_architecture_page() -> None:
    # 998 rows: 31 only the challenger got right, 20 only the champion, the rest both
    challenger = booleans((True, 31), (False, 20), (True, 947))
    champion = booleans((False, 31), (True, 20), (True, 947))
    paired = compare(challenger, champion, np.arange(998) % 2, ("a", "b"))
    assert (paired.rows, paired.only_challenger_right, paired.only_champion_right) == (998, 31, 20)
    assert paired.difference == pytest.approx(0.011, abs=5e-5)
    assert paired.standard_error == pytest.approx(0.0071, abs=1e-4)


def test_the_standard_error_is_that_of_the_mean_of_differences() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(500) < 0.8, rng.random(500) < 0.7
    differences = a.astype(float) - b.astype(float)
    paired = compare(a, b, np.zeros(500, int), ("a",))
    assert paired.difference == pytest.approx(differences.mean(), abs=1e-6)
    assert paired.standard_error == pytest.approx(differences.std() / np.sqrt(500), abs=1e-6)


def test_without_rows_to_compare_nothing_differs() -> None:
    none = np.empty(0, bool)
    paired = compare(none, none, np.empty(0, int), ("a", "b"))
    assert (paired.rows, paired.standard_error, paired.classes) == (0, 0.0, {})


def test_rows_that_one_model_alone_gets_right_are_counted_by_class() -> None:
    challenger = booleans((True, 3), (False, 2), (True, 5))
    champion = booleans((False, 3), (True, 2), (True, 5))
    labels = np.array([0, 0, 2, 2, 2, 0, 0, 0, 0, 2])
    paired = compare(challenger, champion, labels, ("a", "none of it", "b"))
    assert paired.classes == {"a": PairedClass(6, 2, 0), "b": PairedClass(4, 1, 2)}


def test_each_class_is_scored_by_name_where_it_has_rows() -> None:
    labels = np.array([0, 0, 0, 0, 2], np.int32)
    answers = np.array([0, 0, 0, 1, 0])
    result = score(answers, labels, ("bag", "coat", "shirt"))
    assert result.accuracy == 0.6
    assert result.recall == {"bag": 0.75, "shirt": 0.0}
    assert result.precision == {"bag": 0.75, "coat": 0.0}  # no answer was a shirt
    assert result.f1 == {"bag": 0.75, "shirt": 0.0}
    assert result.macro_f1 == 0.375
    assert majority_share(labels) == 0.8


def test_the_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 900).astype(np.int32)
    answers = np.where(rng.random(900) < 0.7, labels, rng.integers(0, 7, 900))
    names = tuple("abcdefg")
    result = score(answers, labels, names)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, answers)
    for ours, theirs in (
        (result.precision, precision),
        (result.recall, recall),
        (result.f1, f1),
    ):
        assert list(ours) == list(names)
        assert list(ours.values()) == pytest.approx(theirs.tolist(), abs=1e-6)
    assert result.macro_f1 == pytest.approx(f1.mean(), abs=1e-6)
    counts = confusion_matrix(answers, labels, 7)
    assert counts.tolist() == sklearn_confusion_matrix(labels, answers).tolist()


def test_an_answer_that_is_none_of_the_classes_is_wrong() -> None:
    labels = np.array([0, 1], np.int32)
    result = score(np.array([0, -1]), labels, ("bag", "coat"))
    assert result.recall == {"bag": 1.0, "coat": 0.0}
    assert result.precision == {"bag": 1.0}


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(29, 29) == pytest.approx((0.8830, 1.0), abs=1e-4)


def test_the_commonest_mistakes_come_first() -> None:
    counts = np.array([[9, 1, 0], [4, 7, 0], [0, 2, 8]])
    found = commonest_confusions(counts, ("bag", "coat", "shirt"))
    assert found == [
        Confusion("coat", "bag", 4),
        Confusion("shirt", "coat", 2),
        Confusion("bag", "coat", 1),
    ]


def test_the_truth_counts_when_it_is_among_the_first_five() -> None:
    probabilities = np.tile(np.arange(12, 0, -1, dtype=np.float32) / 78, (3, 1))
    assert top_accuracy(probabilities, np.array([0, 4, 5], np.int32)) == pytest.approx(
        2 / 3, abs=1e-6
    )
    assert top_accuracy(probabilities[:, :10], np.array([0, 4, 5], np.int32)) is None


def test_the_most_wrong_rows_are_mistakes_alone_the_worst_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)
    labels = np.array([1, 1, 1, 0], np.int32)
    assert most_wrong(probabilities, labels, 5).tolist() == [0, 3, 2]
    assert most_wrong(probabilities, labels, 1).tolist() == [0]
