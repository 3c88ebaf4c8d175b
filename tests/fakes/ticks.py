"""Sudden death and other people, at any effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Killed(BaseException):
    """The process is gone: no `except Exception` sees it."""


def die() -> None:
    raise Killed


@dataclass
class Ticks:
    """Called after every effect; at the effect number `at`, `then` is called, once."""

    count: int = 0
    at: int = 0
    then: Callable[[], None] | None = None
    muted: bool = False  # what others do is not counted

    def __call__(self) -> None:
        if self.muted:
            return
        self.count += 1
        if self.count == self.at and self.then is not None:
            then, self.then = self.then, None
            then()


def survived(call: Callable[[], object]) -> bool:
    """Did it run to its end?"""
    try:
        call()
    except Killed:
        return False
    return True
