"""Jobs in the background: a thread each, which can be stopped and, when the cloud closes,
abandoned.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.s3data import Interrupted

_log = logging.getLogger(__name__)

INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
LOST_PROCESS = (
    "InternalServerError: The local cloud ended while the job ran, and its process with it. "
    "Please try again."
)


@dataclass
class Control:
    """How a running job hears of the world.

    stop: it was asked to stop, or the cloud closes
    closing: the cloud closes: leave without recording an end (the next start tells the truth)
    changed: set whenever something may have happened
    """

    stop: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises Interrupted when the job must stop."""
        if self.stop.is_set():
            raise Interrupted

    def wait(self, clock: Clock, done: Callable[[], bool], deadline: float | None = None) -> bool:
        """Wait for `done()`, a stop or the deadline (epoch seconds); says whether it was `done`."""
        while not done():
            left = None if deadline is None else deadline - clock.now()
            if self.stop.is_set() or (left is not None and left <= 0):
                return False
            self.changed.clear()
            if not done() and not self.stop.is_set():
                clock.wait(self.changed, left)
        return True


class Jobs:
    """The running jobs of one kind; `run(name, control)` is one job from start to end."""

    def __init__(self, kind: str, run: Callable[[str, Control], None]) -> None:
        self._kind = kind
        self._run = run
        self._lock = threading.Lock()
        self._running: dict[str, tuple[threading.Thread, Control]] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def start(self, name: str) -> None:
        """Run a job in the background."""
        control = Control()
        thread = threading.Thread(
            target=self._work, args=(name, control), name=f"{self._kind}-{name}", daemon=True
        )
        with self._lock:
            self._running[name] = (thread, control)
        thread.start()

    def stop(self, name: str) -> None:
        """Ask a job to stop; one that does not run any more is left alone."""
        with self._lock:
            _, control = self._running.get(name, (None, None))
        if control is not None:
            control.stop.set()
            control.changed.set()

    def when_over(self, name: str, call: Callable[[], None]) -> None:
        """Call `call` as soon as the job does not run: at its end, or now."""
        with self._lock:
            if name in self._running:
                self._waiting.setdefault(name, []).append(call)
                return
        call()

    def close(self, timeout: float = 15.0) -> None:
        """Abandon all jobs and wait until their processes are gone."""
        with self._lock:
            running = list(self._running.values())
        for _, control in running:
            control.closing.set()
            control.stop.set()
            control.changed.set()
        for thread, _ in running:
            thread.join(timeout)

    def _work(self, name: str, control: Control) -> None:
        try:
            self._run(name, control)
        except Exception:
            _log.exception("%s %s", self._kind, name)
        finally:
            with self._lock:
                self._running.pop(name, None)
                waiting = self._waiting.pop(name, [])
            for call in waiting:
                call()


def client_error(error: Exception) -> str:
    """The FailureReason for what is wrong with a job's data, image or role."""
    text = str(error)
    return text if text.startswith("ClientError") else f"ClientError: {text}"
