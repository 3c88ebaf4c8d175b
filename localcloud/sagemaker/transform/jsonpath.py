"""The part of JSONPath that the filters of a transform job may use.

    $                    the whole value; every path begins with it
    .name                a member
    .*  [*]              every member or element
    ['a','b']            one member, or an object of several
    [1,-1]  [2:5]  [0,5:]   one element, or a list of several; negative numbers count from the end

A slice has its last element too: "`$[1:4]` specifies the second through fifth columns". What a path
names and a value lacks is an error; of a missing member no document tells, so we treat it as AWS
treats an index "not within the dimension size".

Source: "Supported JSONPath Operators" and the examples below it, in "Associate Prediction Results
with Input Records" of the developer guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


class BadPath(ValueError):
    """The expression is none of the above."""


class NoSuchElement(LookupError):
    """The value has not what the path names."""


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]

    many = False  # several names give one object

    def take(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise NoSuchElement(f"no member {self.names[0]!r}: the value is no object")
        for name in self.names:
            if name not in value:
                raise NoSuchElement(f"no member {name!r}")
        if len(self.names) == 1:
            return value[self.names[0]]
        return {name: value[name] for name in self.names}


@dataclass(frozen=True)
class _Slice:
    start: int | None
    end: int | None


@dataclass(frozen=True)
class _Positions:
    parts: tuple[int | _Slice, ...]

    @property
    def many(self) -> bool:
        return len(self.parts) > 1 or isinstance(self.parts[0], _Slice)

    def take(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise NoSuchElement("no elements: the value is no array")
        found: list[Any] = []
        for part in self.parts:
            if isinstance(part, int):
                found.append(value[_place(part, value)])
            else:
                first = 0 if part.start is None else _place(part.start, value)
                last = len(value) - 1 if part.end is None else _place(part.end, value)
                found += value[first : last + 1]
        return found if self.many else found[0]


@dataclass(frozen=True)
class _Every:
    many = True

    def take(self, value: Any) -> Any:
        if isinstance(value, dict):
            return list(value.values())
        if isinstance(value, list):
            return value
        raise NoSuchElement("no elements: the value is no array and no object")


_Step = _Names | _Positions | _Every


@dataclass(frozen=True)
class Path:
    """A parsed expression."""

    text: str
    steps: tuple[_Step, ...]

    @property
    def whole(self) -> bool:
        """Whether it is `$`, which changes nothing."""
        return not self.steps

    @property
    def names_members(self) -> bool:
        """Whether it names members, which rows of a CSV do not have."""
        return any(isinstance(step, _Names) for step in self.steps)

    def select(self, value: Any) -> Any:
        """What it names of a JSON value. Raises NoSuchElement."""
        return _select(value, self.steps)


def _select(value: Any, steps: tuple[_Step, ...]) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    found = step.take(value)
    return [_select(item, rest) for item in found] if step.many and rest else _select(found, rest)


def _place(number: int, value: list[Any]) -> int:
    place = number + len(value) if number < 0 else number
    if not 0 <= place < len(value):
        raise NoSuchElement(f"index {number} is not within the {len(value)} elements")
    return place


_STEP = re.compile(
    r"""\.(?P<every>\*)
      | \.(?P<name>[^.\[\]*'"?@(),:\s$]+)
      | \.?\[\s*(?:
            (?P<all>\*)
          | (?P<names>(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*)
          | (?P<places>-?\d+|[-\d:,\s]+)
        )\s*\]""",
    re.VERBOSE,
)
_PLACE = re.compile(r"\s*(?:(-?\d+)|(-?\d+)?\s*:\s*(-?\d+)?)\s*")


def parse(text: str) -> Path:
    """Raises BadPath."""
    if not text.startswith("$"):
        raise BadPath(f"{text!r} does not begin with $")
    steps: list[_Step] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise BadPath(f"{text!r} is not supported from {text[at:]!r} on")
        steps.append(_step(found, text))
        at = found.end()
    for step in steps[:-1]:
        if isinstance(step, _Names) and len(step.names) > 1:
            raise BadPath(f"{text!r}: nothing can follow several names")
    return Path(text, tuple(steps))


def _step(found: re.Match[str], text: str) -> _Step:
    if found["every"] or found["all"]:
        return _Every()
    if found["name"]:
        return _Names((found["name"],))
    if found["names"]:
        return _Names(tuple(quoted[1:-1] for quoted in re.findall(r"'[^']*'|\"[^\"]*\"", found[0])))
    parts: list[int | _Slice] = []
    for written in found["places"].split(","):
        place = _PLACE.fullmatch(written)
        if place is None:
            raise BadPath(f"{text!r}: {written!r} is no index and no slice")
        if place[1] is not None:
            parts.append(int(place[1]))
        else:
            parts.append(_Slice(_number(place[2]), _number(place[3])))
    return _Positions(tuple(parts))


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
