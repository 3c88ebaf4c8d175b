"""Ranges of hyperparameters: their scales, and values as text."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.tuning.ranges import Categorical, Continuous, Integer, parse


def continuous(low: str, high: str, scale: str = "Auto") -> Continuous:
    given = {"Name": "c", "MinValue": low, "MaxValue": high, "ScalingType": scale}
    (found,) = parse({"ContinuousParameterRanges": [given]}).ranges
    assert isinstance(found, Continuous)
    return found


def integer(low: str, high: str, scale: str = "Auto") -> Integer:
    given = {"Name": "i", "MinValue": low, "MaxValue": high, "ScalingType": scale}
    (found,) = parse({"IntegerParameterRanges": [given]}).ranges
    assert isinstance(found, Integer)
    return found


@pytest.mark.parametrize(
    ("low", "high", "scale", "middle"),
    [
        ("0", "10", "Linear", 5.0),
        ("0.01", "100", "Logarithmic", 1.0),
        ("0", "0.99", "ReverseLogarithmic", 0.9),
        ("0.0001", "1", "Auto", 0.01),
        ("0.1", "0.5", "Auto", 0.3),
        ("0", "1000", "Auto", 500.0),
    ],
)
def test_the_middle_of_a_scale(low: str, high: str, scale: str, middle: float) -> None:
    found = continuous(low, high, scale)
    assert float(found.at(0.5)) == pytest.approx(middle)
    assert float(found.at(0.0)) == pytest.approx(float(low))
    assert float(found.at(1.0)) == pytest.approx(float(high))


@pytest.mark.parametrize("scale", ["Linear", "Logarithmic", "ReverseLogarithmic"])
def test_positions_and_values_are_inverse_and_stay_in_the_range(scale: str) -> None:
    found = continuous("0.001", "0.999", scale)
    for step in range(101):
        text = found.at(step / 100)
        assert 0.001 <= float(text) <= 0.999
        assert found.position(text) == pytest.approx(step / 100)


@pytest.mark.parametrize("text", ["1.1", "-0.1", "nan", "inf", "word", ""])
def test_what_is_no_value_of_a_range_has_no_position(text: str) -> None:
    assert continuous("0", "1").position(text) is None
    assert integer("0", "1").value(text) is None


@pytest.mark.parametrize("scale", ["Linear", "Logarithmic"])
def test_integers_reach_both_ends_and_nothing_beyond(scale: str) -> None:
    found = integer("1", "64", scale)
    values = {int(found.at(step / 1000)) for step in range(1001)}
    assert min(values) == 1
    assert max(values) == 64


def test_logarithmic_integers_favour_small_ones() -> None:
    found = integer("1", "1000", "Logarithmic")
    small = sum(int(found.at(step / 1000)) <= 31 for step in range(1000))
    assert 480 <= small <= 520


def test_a_space_knows_how_many_combinations_it_has() -> None:
    given: dict[str, Any] = {
        "IntegerParameterRanges": [{"Name": "i", "MinValue": "2", "MaxValue": "4"}],
        "CategoricalParameterRanges": [{"Name": "k", "Values": ["a", "b", "a"]}],
    }
    assert parse(given).count == 6
    given["ContinuousParameterRanges"] = [{"Name": "c", "MinValue": "0", "MaxValue": "1"}]
    assert parse(given).count == float("inf")
    assert parse(given).kinds == {"i": "Integer", "c": "Continuous", "k": "Categorical"}


def test_categories_are_told_as_they_were_given() -> None:
    found = Categorical("k", ('"adam"', "sgd"))
    assert {found.at(0.0), found.at(0.49), found.at(0.5), found.at(1.0)} == {'"adam"', "sgd"}
