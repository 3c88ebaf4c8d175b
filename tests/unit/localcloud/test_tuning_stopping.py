"""Which trials are stopped, and when a tuning job has had enough."""

from __future__ import annotations

from collections import Counter

import pytest

from localcloud.sagemaker.tuning.criteria import progress, reaches
from localcloud.sagemaker.tuning.stopping import Curve, Hyperband, below_median


def test_the_median_rule_compares_with_running_averages_up_to_the_same_epoch() -> None:
    earlier = [[0.2, 0.4, 0.9], [0.1, 0.3, 0.9], [0.3, 0.5, 0.9]]  # averages of two: .3 .2 .4
    assert below_median([0.5, 0.29], earlier, maximize=True)
    assert not below_median([0.0, 0.31], earlier, maximize=True)
    assert below_median([0.0, 0.31], earlier, maximize=False)
    assert not below_median([0.5, 0.29], earlier, maximize=False)


def test_the_median_rule_waits_for_three_that_got_as_far() -> None:
    earlier = [[0.9, 0.9], [0.9, 0.9], [0.9]]
    assert below_median([0.1], earlier, maximize=True)
    assert not below_median([0.1, 0.1], earlier, maximize=True)
    assert not below_median([], earlier, maximize=True)


@pytest.mark.parametrize(
    ("least", "most", "rungs"),
    [
        (1, 27, [[1, 3, 9], [3, 9], [9], []]),
        (1, 2, [[1]]),
        (2, 20, [[2, 6, 18], [6, 18], [18]]),
        (5, 5, [[]]),
    ],
)
def test_the_rungs_of_each_bracket(least: int, most: int, rungs: list[list[int]]) -> None:
    band = Hyperband(least, most)
    assert [band.rungs(bracket) for bracket in range(band.brackets)] == rungs


def test_brackets_get_the_shares_that_hyperband_gives_them() -> None:
    band = Hyperband(1, 27)
    assert Counter(band.bracket(n) for n in range(1, 50)) == {0: 27, 1: 12, 2: 6, 3: 4}
    assert band.bracket(1) == band.bracket(50) == 0


def test_the_best_third_of_a_rung_goes_on() -> None:
    band = Hyperband(1, 2)  # one bracket, one rung
    curves: dict[int, Curve] = {1: [0.5], 2: [0.4], 3: [0.6], 4: [0.55]}

    def stopped(number: int, *, maximize: bool) -> bool:
        return band.stops(number, curves, 0, maximize=maximize)

    assert [stopped(n, maximize=True) for n in curves] == [True, True, False, False]
    assert [stopped(n, maximize=False) for n in curves] == [False, False, True, True]


def test_a_first_trial_has_nobody_to_fear_and_a_rung_is_looked_at_once() -> None:
    band = Hyperband(1, 2)
    assert not band.stops(1, {1: [0.1]}, 0, maximize=True)
    curves: dict[int, Curve] = {1: [0.1], 2: [0.9], 3: [0.8]}
    assert not band.stops(1, curves, 1, maximize=True)


def test_a_trial_beyond_the_greatest_resource_is_stopped_in_any_case() -> None:
    band = Hyperband(3, 3)
    assert not band.stops(1, {1: [1.0, 1.0, 1.0]}, 2, maximize=True)
    assert band.stops(1, {1: [1.0, 1.0, 1.0, 1.0]}, 3, maximize=True)


@pytest.mark.parametrize(
    ("values", "maximize", "stalled"),
    [
        ([], True, 0),
        ([1.0], True, 0),
        ([1.0, 1.005, 1.009], True, 2),
        ([1.0, 1.005, 1.02], True, 0),
        ([1.0, 0.5, 0.6], False, 1),
        ([-1.0, -1.005, -0.9], True, 0),
        ([0.0, 0.0], True, 1),
    ],
)
def test_less_than_one_percent_is_no_improvement(
    values: list[float], maximize: bool, stalled: int
) -> None:
    assert progress(values, maximize=maximize).stalled == stalled


def test_ten_trials_without_improvement_are_convergence() -> None:
    assert not progress([1.0] * 10, maximize=True).converged
    assert progress([1.0] * 11, maximize=True).converged


def test_a_target_is_reached_from_its_side() -> None:
    assert reaches(0.9, 0.9, maximize=True)
    assert not reaches(0.8, 0.9, maximize=True)
    assert reaches(0.8, 0.9, maximize=False)
