"""Who may go live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.datasets.gate import Comparison, Evaluation, Verdict, judge

FIRST = Evaluation("b", 1000, 0.5, 0.85, {"0": 0.85, "1": 0.85}, None)
COMPARED = Comparison("a", True, 998, 0.0, 0.01, {"0": 0.85, "1": 0.85})
SECOND = replace(FIRST, comparison=COMPARED)


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
        ({"difference": -0.01}, Verdict.APPROVE),
        ({"difference": -0.0101}, Verdict.REJECT),
        ({"rows": 199}, Verdict.ASK),
        ({"rows": 199, "difference": -0.5}, Verdict.ASK),
        ({"comparable": False}, Verdict.ASK),
        ({"champion_job": "z"}, Verdict.ASK),
        ({"champion_recall": {"0": 0.99, "1": 0.71}}, Verdict.REJECT),
        ({"champion_recall": {"0": 0.94, "1": 0.76}}, Verdict.APPROVE),
    ],
)
def test_a_challenger_must_not_be_worse_than_the_champion(
    changes: dict[str, object], verdict: Verdict
) -> None:
    evaluation = replace(SECOND, comparison=replace(COMPARED, **changes))  # type: ignore[arg-type]
    assert judge(evaluation, "a").verdict is verdict


def test_a_drop_within_the_noise_of_few_rows_is_no_collapse() -> None:
    few = replace(SECOND, rows=30 * 2)
    compared = replace(COMPARED, champion_recall={"0": 0.97, "1": 0.7})
    enough = replace(few, rows=1000, comparison=compared)
    assert judge(enough, "a").verdict is Verdict.REJECT
    many_classes = {str(i): 0.85 for i in range(100)}  # ten rows a class
    noisy = replace(
        SECOND,
        recall=many_classes,
        comparison=replace(COMPARED, champion_recall=many_classes | {"0": 0.97}),
    )
    assert judge(noisy, "a").verdict is Verdict.APPROVE


def test_a_challenger_below_the_commonest_class_is_rejected_whatever_the_champion() -> None:
    evaluation = replace(SECOND, accuracy=0.5, comparison=replace(COMPARED, difference=0.3))
    assert judge(evaluation, "a").verdict is Verdict.REJECT


def test_the_reason_says_whom_it_was_compared_with_and_the_numbers() -> None:
    decision = judge(SECOND, "a")
    for part in ("to a ", "0.8500", "998", "+0.0000", "0.0100"):
        assert part in decision.reason
    assert decision.numbers["paired_rows"] == 998


def test_evaluation_of_the_contract_is_read() -> None:
    raw = {
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
        },
    }
    compared = Evaluation.from_json(raw).comparison
    assert compared == Comparison("a", True, 998, 0.011, 0.0071, {"Bag": 0.96})
    without = Evaluation.from_json(raw | {"paired": None}).comparison
    assert without is not None
    assert not without.comparable
