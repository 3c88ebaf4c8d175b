"""Who may go live."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.datasets.gate.gate import (
    Comparison,
    Evaluation,
    PairedClass,
    Verdict,
    by_chance,
    judge,
)

SAME = {"0": PairedClass(499, 5, 5), "1": PairedClass(499, 5, 5)}
FIRST = Evaluation("b", 1000, 0.5, 0.85, None)
COMPARED = Comparison("a", True, 998, 0.0, 0.01, SAME)
SECOND = replace(FIRST, comparison=COMPARED)
EVALUATION: dict[str, Any] = {
    "format": 1,
    "dataset_version": "v",
    "training_job": "b",
    "heldout": {
        "rows": 1000,
        "source": "test files",
        "majority_share": 0.1,
        "excluded_duplicates_of_training_rows": 0,
    },
    "challenger": {"accuracy": 0.85, "recall": {"Bag": 0.97}},
    "champion": {
        "training_job": "a",
        "dataset_version": "u",
        "same_classes": True,
        "same_shape": True,
        "accuracy": 0.84,
        "recall": {"Bag": 0.96},
    },
    "paired": {
        "rows": 998,
        "only_challenger_right": 31,
        "only_champion_right": 20,
        "difference": 0.011,
        "standard_error": 0.0071,
        "classes": {"Bag": {"rows": 98, "only_challenger_right": 3, "only_champion_right": 2}},
    },
}


@pytest.mark.parametrize(
    ("accuracy", "majority", "rows", "verdict"),
    [
        (0.85, 0.1, 1000, Verdict.APPROVE),
        (0.1, 0.1, 1000, Verdict.REJECT),  # shuffled labels
        (0.53, 0.5, 1000, Verdict.REJECT),  # 0.53 - 1.96 * 0.0158 = 0.499
        (0.54, 0.5, 1000, Verdict.APPROVE),  # 0.54 - 1.96 * 0.0158 = 0.509
        (0.95, 0.95, 1000, Verdict.REJECT),  # always says the commonest class
        (0.85, 0.1, 199, Verdict.ASK),
        (0.12, 0.1, 199, Verdict.REJECT),
        (1.0, 0.5, 200, Verdict.APPROVE),
        (0.0, 0.0, 0, Verdict.REJECT),
    ],
)
def test_a_first_model_must_clearly_beat_the_commonest_class(
    accuracy: float, majority: float, rows: int, verdict: Verdict
) -> None:
    evaluation = replace(FIRST, accuracy=accuracy, majority_share=majority, rows=rows)
    assert judge(evaluation, None).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.APPROVE),
        ({"difference": 0.2}, Verdict.APPROVE),
        ({"difference": -0.01}, Verdict.APPROVE),  # by exactly one standard error
        ({"difference": -0.010001}, Verdict.REJECT),
        ({"difference": 0.0, "standard_error": 0.0}, Verdict.APPROVE),
        ({"rows": 200}, Verdict.APPROVE),
        ({"rows": 199}, Verdict.ASK),
        ({"rows": 199, "difference": -0.5}, Verdict.ASK),
        ({"rows": 0, "standard_error": 0.0, "classes": {}}, Verdict.ASK),
        ({"comparable": False}, Verdict.ASK),
        ({"champion_job": "z"}, Verdict.COMPARE),
        ({"classes": {"0": PairedClass(100, 0, 11)}}, Verdict.REJECT),
        ({"classes": {"0": PairedClass(100, 0, 10)}}, Verdict.APPROVE),  # by exactly 0.10
        ({"classes": {"0": PairedClass(20, 0, 5)}}, Verdict.REJECT),
        ({"classes": {"0": PairedClass(20, 0, 4)}}, Verdict.APPROVE),  # one of sixteen
        ({"classes": {"0": PairedClass(20, 5, 9)}}, Verdict.APPROVE),  # the noise of few rows
        ({"classes": {"0": PairedClass(20, 9, 0)}}, Verdict.APPROVE),  # much better
        ({"classes": {"0": PairedClass(0, 0, 0)}}, Verdict.APPROVE),
        ({"classes": {"0": PairedClass(9000, 900, 2100)}}, Verdict.REJECT),
    ],
)
def test_a_challenger_must_not_be_worse_than_the_champion(
    changes: dict[str, object], verdict: Verdict
) -> None:
    evaluation = replace(SECOND, comparison=replace(COMPARED, **changes))  # type: ignore[arg-type]
    assert judge(evaluation, "a").verdict is verdict


def test_the_class_that_lost_the_most_is_named() -> None:
    classes = {"a": PairedClass(100, 0, 11), "b": PairedClass(100, 0, 30), "c": SAME["0"]}
    decision = judge(replace(SECOND, comparison=replace(COMPARED, classes=classes)), "a")
    assert "the class b got much worse: its recall fell by 0.3000 on 100" in decision.reason


def test_chance_is_that_of_a_fair_coin() -> None:
    assert by_chance(0, 0) == by_chance(0, 9) == 1
    assert by_chance(5, 0) == 1 / 32
    assert by_chance(2, 1) == 0.5
    assert by_chance(560, 440) == pytest.approx(by_chance(561, 440), rel=0.2)  # exact and normal


def test_a_challenger_below_the_commonest_class_is_rejected_whatever_the_champion() -> None:
    evaluation = replace(SECOND, accuracy=0.5, comparison=replace(COMPARED, difference=0.3))
    assert judge(evaluation, "a").verdict is Verdict.REJECT


def test_without_a_comparison_it_is_made_and_where_it_cannot_be_a_person_is_asked() -> None:
    assert judge(FIRST, "a").verdict is Verdict.COMPARE
    decision = judge(FIRST, "a", cannot_compare="the job failed: no memory")
    assert decision.verdict is Verdict.ASK
    assert "the job failed: no memory" in decision.reason
    few = replace(FIRST, rows=199)  # a person is asked whatever the comparison says
    assert judge(few, "a").verdict is Verdict.ASK


@pytest.mark.parametrize("difference", [0.1, -0.1])
def test_a_model_that_was_live_comes_back_with_its_data(difference: float) -> None:
    compared = replace(COMPARED, difference=difference)
    decision = judge(replace(SECOND, comparison=compared), "a", returns=True)
    assert decision.verdict is Verdict.APPROVE
    assert f"{difference:+.4f}" in decision.reason
    assert judge(SECOND, "z", returns=True).compared_with is None


def test_the_decision_says_whom_it_was_compared_with_and_the_numbers() -> None:
    decision = judge(SECOND, "a")
    for part in ("to a ", "0.8500", "998", "+0.0000", "0.0100"):
        assert part in decision.reason
    assert decision.numbers["paired_rows"] == 998
    assert decision.compared_with == "a"


def test_evaluation_of_the_contract_is_read() -> None:
    compared = Evaluation.from_json(EVALUATION).comparison
    assert compared == Comparison("a", True, 998, 0.011, 0.0071, {"Bag": PairedClass(98, 3, 2)})
    without = Evaluation.from_json(EVALUATION | {"paired": None}).comparison
    assert without is not None
    assert not without.comparable


def test_the_comparison_turned_round_is_the_former_champions() -> None:
    turned = Evaluation.from_json(EVALUATION | {"judging_job": "b-j1"}).reversed()
    expected = {"Bag": PairedClass(98, 2, 3)}
    assert turned == Comparison("b", True, 998, -0.011, 0.0071, expected, "b-j1")


def test_a_comparison_without_classes_is_made_again() -> None:
    paired = {name: value for name, value in EVALUATION["paired"].items() if name != "classes"}
    older = Evaluation.from_json(EVALUATION | {"paired": paired})
    assert judge(older, "a").verdict is Verdict.COMPARE
