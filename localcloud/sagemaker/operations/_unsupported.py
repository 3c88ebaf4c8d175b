"""Refusals of what AWS has and the local cloud does not (yet): explicit, in SageMaker's error
shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localcloud.sagemaker.errors import ValidationException


def refuse(request: dict[str, Any], members: Iterable[str], where: str = "") -> None:
    """Raises ValidationException when one of these members is set to something (not false, not
    empty).
    """
    for name in members:
        if request.get(name):
            raise unsupported(f"{where}{name}")


def only(value: Any, allowed: tuple[Any, ...], name: str) -> None:
    """Raises ValidationException unless the value is unset or one of `allowed`."""
    if value is not None and value not in allowed:
        raise unsupported(f"{name}={value}")


def unsupported(what: str) -> ValidationException:
    """The error itself."""
    return ValidationException(f"{what} is not supported by the local cloud.")
