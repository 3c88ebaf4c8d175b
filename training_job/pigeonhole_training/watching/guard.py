"""Watching must never end the run that is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pigeonhole_training.errors import JobError
from pigeonhole_training.progress import say
from pigeonhole_training.watching.observer import Epoch, Observer, Run, StepTimes


class Guarded:
    """An observer around another: when that one fails, it is said once and it hears no more.

    name: what it does, as the subject of the sentence in the log
    tell: where the sentence goes
    """

    def __init__(self, inner: Observer, name: str, tell: Callable[[str], None] = say) -> None:
        self._inner: Observer | None = inner
        self._name = name
        self._tell = tell

    @property
    def ended_early(self) -> bool:
        """Whether it failed."""
        return self._inner is None

    def _call(self, method: str, *arguments: Any) -> None:
        if self._inner is None:
            return
        try:
            getattr(self._inner, method)(*arguments)
        except JobError:
            raise  # a stop, which is no failure of the observer
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Says what went wrong, once; the run goes on."""
        if self._inner is not None:
            self._inner = None
            self._tell(
                f"{self._name} has ended early, the training goes on without it: "
                f"{type(error).__name__}: {error}"
            )

    def started(self, run: Run) -> None:
        """As Observer."""
        self._call("started", run)

    def stepped(self, times: StepTimes) -> None:
        """As Observer."""
        self._call("stepped", times)

    def epoch_ended(self, epoch: Epoch) -> None:
        """As Observer."""
        self._call("epoch_ended", epoch)

    def ended(self) -> None:
        """As Observer."""
        self._call("ended")
