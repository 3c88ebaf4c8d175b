"""What a search tries next."""

from __future__ import annotations

import statistics

import pytest

from localcloud.sagemaker.tuning.bayesian import BayesianSearch
from localcloud.sagemaker.tuning.ranges import Categorical, Continuous, Integer, Space
from localcloud.sagemaker.tuning.search import GridSearch, Observation, RandomSearch, Search

PLANE = Space((Continuous("x", 0.0, 1.0), Continuous("y", 0.0, 1.0)))
SMALL = Space((Categorical("k", ("a", "b")), Integer("i", 1, 3)))


def run(search: Search, count: int, *, sign: float = 1.0) -> list[float]:
    """The objectives that a search finds on a hill whose top, 0.0, is at (0.3, 0.7)."""
    seen: list[Observation] = []
    for number in range(1, count + 1):
        values = search.suggest(number, seen)
        assert values is not None
        hill = -((float(values["x"]) - 0.3) ** 2) - (float(values["y"]) - 0.7) ** 2
        seen.append(Observation(values, sign * hill))
    return [sign * seen_one.value for seen_one in seen if seen_one.value is not None]


@pytest.mark.parametrize("maximize", [True, False])
def test_bayesian_search_comes_closer_to_the_top_than_random(maximize: bool) -> None:
    sign = 1.0 if maximize else -1.0
    best: dict[str, list[float]] = {"bayesian": [], "random": []}
    for seed in range(10):
        bayesian = BayesianSearch(PLANE, str(seed), maximize)
        best["bayesian"].append(max(run(bayesian, 25, sign=sign)))
        best["random"].append(max(run(RandomSearch(PLANE, str(seed)), 25)))
    assert statistics.median(best["bayesian"]) > statistics.median(best["random"])


def test_bayesian_search_reads_scales_types_and_what_others_learned() -> None:
    space = Space(
        (
            Continuous("rate", 0.0001, 1.0, "Logarithmic"),
            Integer("depth", 1, 100, "Logarithmic"),
            Categorical("kind", ("good", "bad")),
        )
    )
    seen = [
        Observation({"rate": "0.01", "depth": "10", "kind": "good"}, 1.0),
        Observation({"rate": "0.5", "depth": "90", "kind": "bad"}, 0.1),
        Observation({"rate": "0.02", "depth": "12", "kind": "good"}, None, running=True),
        Observation({"rate": "0.9", "depth": "12", "kind": "good"}, None),
        Observation({"rate": "7", "depth": "12", "kind": "good"}, 3.0),  # outside the range
        Observation({"rate": "0.5"}, 3.0),
    ]
    values = BayesianSearch(space, "1", True).suggest(7, seen)
    assert values is not None
    assert 0.0001 <= float(values["rate"]) <= 1.0
    assert int(values["depth"]) in range(1, 101)
    assert values["kind"] in ("good", "bad")


@pytest.mark.parametrize(
    "search",
    [RandomSearch(SMALL, "s"), BayesianSearch(SMALL, "s", True), RandomSearch(PLANE, "s")],
    ids=["random", "bayesian", "plane"],
)
def test_the_same_seed_and_trials_give_the_same_values(search: Search) -> None:
    seen = [Observation({"k": "a", "i": "1", "x": "0.5", "y": "0.5"}, 1.0)]
    assert search.suggest(2, seen) == search.suggest(2, seen)
    assert RandomSearch(PLANE, "a").suggest(1, []) != RandomSearch(PLANE, "b").suggest(1, [])


@pytest.mark.parametrize(
    "search",
    [RandomSearch(SMALL, "s"), BayesianSearch(SMALL, "s", True), GridSearch(SMALL)],
    ids=["random", "bayesian", "grid"],
)
def test_a_small_space_is_used_up_and_then_over(search: Search) -> None:
    seen: list[Observation] = []
    for number in range(1, 7):
        values = search.suggest(number, seen)
        assert values is not None
        assert values not in [observation.values for observation in seen]
        seen.append(Observation(values, float(number)))
    assert search.suggest(7, seen) is None
