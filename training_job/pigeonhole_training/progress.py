"""One line in the log for each step, how long each took, and a way to be stopped between them."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pigeonhole_training.errors import Stopped


def say(line: str) -> None:
    """Prints at once: the log is followed while the job runs."""
    print(line, flush=True)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what libraries write to stderr, and lets it out only if the block fails.

    TensorFlow's C++ code greets on file descriptor 2 before any of its log settings count.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


class StopFlag:
    """Set by SIGTERM or SIGINT, looked at where the job can end without leaving anything half-done.

    SageMaker sends SIGTERM on StopTrainingJob and kills the container 120 seconds later.
    """

    def __init__(self) -> None:
        self._set = False

    def install(self) -> None:
        """Takes over SIGTERM and SIGINT of this process."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._set = True

    def set(self) -> None:
        """Asks the job to stop."""
        self._set = True

    @property
    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._set

    def check(self) -> None:
        """Raises `Stopped` once a stop was asked for."""
        if self._set:
            raise Stopped


class Progress:
    """Says what the job does and remembers the seconds of each step by its name."""

    def __init__(self, stop: StopFlag) -> None:
        self.stop = stop
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, sentence: str) -> Iterator[None]:
        """Prints `sentence`, runs the block, notes how long it took."""
        self.stop.check()
        say(sentence)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)

    def close(self) -> None:
        """Prints the seconds of all steps in one line."""
        steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.seconds.items())
        say(f"Done; seconds by step: {steps}")
