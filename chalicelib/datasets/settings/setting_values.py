"""What any value in a dataset.json is held to."""

from __future__ import annotations

import math
import re
from typing import Any

_INSTANCE = re.compile(r"ml\.[a-z0-9-]{1,20}\.[a-z0-9]{1,20}")


class Wrong(Exception):
    """The value of a setting cannot be used; the text says why."""


def shown(value: Any) -> str:
    """The value as a message shows it."""
    return repr(value)[:40]


def is_whole(value: Any, least: int, most: int) -> bool:
    """A whole number from `least` to `most`? true is no number."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: Any, least: float, most: float) -> bool:
    """A finite number from `least` to `most`? true is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return least <= value <= most and math.isfinite(value)


def is_utf8(text: str) -> bool:
    """No lone surrogates, which JSON can write and UTF-8 cannot?"""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def check_members(value: Any, known: tuple[str, ...]) -> None:
    """Raises Wrong for what is no JSON object, or has members besides the known ones."""
    if not isinstance(value, dict):
        raise Wrong(f"must be a JSON object with {', '.join(known)}")
    if unknown := sorted(value.keys() - set(known)):
        raise Wrong(f"has {unknown[0]!r}; it takes {', '.join(known)}")


def instance_type(value: Any, called: str = "type") -> str:
    """A SageMaker instance type. Raises Wrong."""
    if not (isinstance(value, str) and _INSTANCE.fullmatch(value)):
        raise Wrong(f"has the {called} {shown(value)}: SageMaker's are like ml.g5.xlarge")
    return value
