"""Ask again what may pass, within the time that a caller of the API has.

Exponential backoff with full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015): the pause before try n is drawn from 0 to `BASE * 2**n` s, `MOST` at most,
so that callers who were refused together do not come back together.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from chalicelib.errors import ModelError, Unavailable

T = TypeVar("T")

# API Gateway gives up after 29 s, of which a cold function takes one or two.
SECONDS = 26.0
SHORTEST = 2.0  # s that a try needs at least
BASE, MOST = 0.1, 2.0  # s
FEW = 4  # tries where a request may itself be what the model fails on


@dataclass(frozen=True)
class Patience:
    """`seconds` in all; the clock, the pause and the dice are handed in by tests."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    dice: Callable[[float, float], float] = random.uniform

    def ask(self, call: Callable[[float], T]) -> T:
        """What `call` gives, which gets the seconds that are left. Raises the last Unavailable."""
        end = self.clock() + self.seconds
        for tries in count(1):
            try:
                return call(end - self.clock())
            except Unavailable as error:
                wait = self.dice(0, min(MOST, BASE * 2**tries))
                late = self.clock() + wait + SHORTEST > end
                if late or (tries >= FEW and isinstance(error.__cause__, ModelError)):
                    raise
                self.pause(wait)
        raise AssertionError("count ends never")
