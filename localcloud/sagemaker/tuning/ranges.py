"""Ranges of hyperparameters, as requests write them: numbers as text, with a scale to search on.

Scales (developer guide, "Define Hyperparameter Ranges"): Linear; Logarithmic, for values above 0;
ReverseLogarithmic, for continuous values in [0, 1). With Auto, SageMaker chooses, it is not
documented how; we take Logarithmic for positive ranges over three orders of magnitude or more, and
Linear otherwise.

A position is where a value lies on its scale, from 0.0 to 1.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.errors import ValidationException

_WIDE = 1000.0  # the ratio of the ends from which Auto searches on a logarithmic scale


@dataclass(frozen=True)
class Continuous:
    """Floating-point values from `low` to `high`, both included."""

    name: str
    low: float
    high: float
    scale: str = "Linear"

    @property
    def count(self) -> float:
        """How many values there are."""
        return math.inf if self.high > self.low else 1

    def all(self) -> list[str]:
        """Every value, where there is one alone."""
        return [repr(self.low)]

    def at(self, position: float) -> str:
        """The value at a position."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = self._unscaled(low + position * (high - low))
        return repr(min(max(value, self.low), self.high))

    def position(self, text: str) -> float | None:
        """Where a value lies; None when it is no number of this range."""
        value = _number(text)
        if value is None or not self.low <= value <= self.high:
            return None
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low) if high != low else 0.0

    def _scaled(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.log(value)
        if self.scale == "ReverseLogarithmic":
            return -math.log1p(-value)
        return value

    def _unscaled(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.exp(value)
        if self.scale == "ReverseLogarithmic":
            return -math.expm1(-value)
        return value


@dataclass(frozen=True)
class Integer:
    """Whole numbers from `low` to `high`, both included."""

    name: str
    low: int
    high: int
    scale: str = "Linear"

    @property
    def count(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1

    def all(self) -> list[str]:
        """Every value."""
        return [str(value) for value in range(self.low, self.high + 1)]

    def at(self, position: float) -> str:
        """The value at a position: each has its share of the scale."""
        if self.scale == "Logarithmic":
            low, high = math.log(self.low), math.log(self.high + 1)
            value = math.floor(math.exp(low + position * (high - low)))
        else:
            value = self.low + math.floor(position * (self.high - self.low + 1))
        return str(min(max(value, self.low), self.high))

    def value(self, text: str) -> int | None:
        """The number; None when it is none of this range."""
        value = _number(text)
        if value is None or value != int(value) or not self.low <= value <= self.high:
            return None
        return int(value)


@dataclass(frozen=True)
class Categorical:
    """One of `values`."""

    name: str
    values: tuple[str, ...]

    @property
    def count(self) -> float:
        """How many values there are."""
        return len(set(self.values))

    def all(self) -> list[str]:
        """Every value, once."""
        return list(dict.fromkeys(self.values))

    def at(self, position: float) -> str:
        """The value at a position."""
        return self.values[min(int(position * len(self.values)), len(self.values) - 1)]


Range = Continuous | Integer | Categorical
Values = dict[str, str]  # what a trial is given: names and values, as text


@dataclass(frozen=True)
class Space:
    """All ranges that a search goes over."""

    ranges: tuple[Range, ...]

    @property
    def count(self) -> float:
        """How many combinations there are; infinite with a continuous range."""
        return math.prod((r.count for r in self.ranges), start=1.0)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each hyperparameter, by name."""
        return {r.name: type(r).__name__ for r in self.ranges}


def parse(ranges: dict[str, Any]) -> Space:
    """The `ParameterRanges` of a request. Raises ValidationException."""
    found: list[Range] = []
    for given in ranges.get("IntegerParameterRanges", []):
        found.append(_integer(given))
    for given in ranges.get("ContinuousParameterRanges", []):
        found.append(_continuous(given))
    for given in ranges.get("CategoricalParameterRanges", []):
        found.append(Categorical(given["Name"], tuple(given["Values"])))
    names = [r.name for r in found]
    for name in names:
        if names.count(name) > 1:
            raise ValidationException(f"The hyperparameter {name} has more than one range.")
    return Space(tuple(found))


def _integer(given: dict[str, Any]) -> Integer:
    low, high = _ends(given)
    if low != int(low) or high != int(high):
        raise ValidationException(
            f"MinValue and MaxValue of the integer hyperparameter {given['Name']} must be integers."
        )
    scale = given.get("ScalingType", "Auto")
    if scale == "ReverseLogarithmic":
        raise ValidationException(
            f"ReverseLogarithmic scaling of {given['Name']} is not supported: it works for "
            "continuous hyperparameters alone."
        )
    return Integer(given["Name"], int(low), int(high), _scale(given["Name"], scale, low, high))


def _continuous(given: dict[str, Any]) -> Continuous:
    low, high = _ends(given)
    scale = given.get("ScalingType", "Auto")
    if scale == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValidationException(
            f"ReverseLogarithmic scaling of {given['Name']} works only for ranges that lie "
            "entirely within 0 <= x < 1.0."
        )
    return Continuous(given["Name"], low, high, _scale(given["Name"], scale, low, high))


def _scale(name: str, scale: str, low: float, high: float) -> str:
    if scale == "Logarithmic" and low <= 0:
        raise ValidationException(
            f"Logarithmic scaling of {name} works only for ranges that have only values greater "
            "than 0."
        )
    if scale == "Auto":
        return "Logarithmic" if low > 0 and high / low >= _WIDE else "Linear"
    return scale


def _ends(given: dict[str, Any]) -> tuple[float, float]:
    low, high = _number(given["MinValue"]), _number(given["MaxValue"])
    if low is None or high is None:
        raise ValidationException(
            f"MinValue and MaxValue of the hyperparameter {given['Name']} must be numbers."
        )
    if low > high:
        raise ValidationException(
            f"MinValue of the hyperparameter {given['Name']} is greater than its MaxValue."
        )
    return low, high


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
