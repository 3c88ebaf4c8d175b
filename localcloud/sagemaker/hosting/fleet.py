"""What serves one variant: its containers, and which of them takes a request.

A fleet is used from many threads: those of the invocations, of changes to the endpoint, and of the
keeper, which calls `tend` again and again.
"""

from __future__ import annotations

import abc
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.server import ModelServer, NotHealthy

_log = logging.getLogger(__name__)

CANNOT_START = (NotHealthy, UnknownImage, AccessDenied)
_STARTS_AT_ONCE = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds before a container is started again

NewServer = Callable[[threading.Event], ModelServer]  # told what cancels its start


class Throttled(Exception):
    """A serverless variant works on as many requests as its MaxConcurrency allows."""


@dataclass(eq=False)
class Slot:
    """One container's place: it may run, start, or have died.

    gone: set when the place is given up: no container is started in it any more
    busy: requests under way; used: when one was last (epoch seconds)
    starting, failures, retry: what `revive` remembers
    """

    server: ModelServer
    gone: threading.Event
    used: float
    busy: int = 0
    starting: bool = False
    failures: int = 0
    retry: float = 0.0


@dataclass(frozen=True)
class FleetView:
    """How a fleet stands.

    limit: MaxConcurrency of a serverless variant, else None
    provisioned, provisioned_busy: its ProvisionedConcurrency, and how much of it works
    last_setup: seconds that the last cold start took, None before the first
    """

    containers: int
    running: int
    busy: int
    limit: int | None = None
    provisioned: int = 0
    provisioned_busy: int = 0
    last_setup: float | None = None


@dataclass(frozen=True)
class Lease:
    """A container for one request.

    view: how the fleet stood then, this request included
    provisioned: it is one of those that ProvisionedConcurrency keeps
    """

    slot: Slot = field(repr=False)
    view: FleetView
    provisioned: bool = False

    @property
    def server(self) -> ModelServer:
        """The container."""
        return self.slot.server


class Fleet(abc.ABC):
    """The containers of one variant; `new_server` makes one more."""

    def __init__(self, new_server: NewServer, clock: Clock) -> None:
        self._new_server = new_server
        self._clock = clock
        self._lock = threading.Condition()
        self._slots: list[Slot] = []
        self._pending: list[Slot] = []
        self._stopped = False
        self.last_setup: float | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Start what must run before traffic comes. Raises one of CANNOT_START."""

    @abc.abstractmethod
    def lease(self) -> Lease:
        """Take a container for one request. Raises Throttled."""

    @abc.abstractmethod
    def tend(self, now: float) -> None:
        """Look after the containers: start those that died, end those that nobody needs."""

    @property
    def view(self) -> FleetView:
        """How it stands."""
        with self._lock:
            return self._view()

    @contextlib.contextmanager
    def returned(self, lease: Lease) -> Iterator[Lease]:
        """Give the container back at the end."""
        try:
            yield lease
        finally:
            with self._lock:
                lease.slot.busy -= 1
                lease.slot.used = self._clock.now()
                self._lock.notify_all()

    def retire(self, patience: float) -> None:
        """Wait for the requests under way, `patience` seconds at most, then end everything."""
        with self._lock:
            self._lock.wait_for(lambda: self._busy == 0 or self._stopped, patience)
        self.stop()

    def stop(self, grace: float | None = None) -> None:
        """End everything now."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()
            slots = [*self._slots, *self._pending]
        end(slots, grace)

    @property
    def _busy(self) -> int:
        return sum(slot.busy for slot in self._slots)

    def _view(self) -> FleetView:
        running = sum(slot.server.running for slot in self._slots)
        return FleetView(len(self._slots), running, self._busy, last_setup=self.last_setup)

    def _new_slot(self) -> Slot:
        gone = threading.Event()
        return Slot(self._new_server(gone), gone, self._clock.now())

    def _taken(self, slot: Slot, *, provisioned: bool = False) -> Lease:
        """Count a request. The lock is held."""
        slot.busy += 1
        slot.used = self._clock.now()
        return Lease(slot, self._view(), provisioned)

    def _start(self, slots: Sequence[Slot]) -> None:
        """Start these and wait until each is healthy. Raises what the first failure raised."""
        with ThreadPoolExecutor(_STARTS_AT_ONCE, thread_name_prefix="start") as pool:
            for started in [pool.submit(slot.server.ensure) for slot in slots]:
                started.result()

    def _grow(self, count: int) -> list[Slot]:
        """That many more healthy containers, not yet in use. Raises one of CANNOT_START, and leaves
        none then.
        """
        with self._lock:
            fresh = [self._new_slot() for _ in range(count)]
            if self._stopped:
                raise NotHealthy("the endpoint was stopped")
            self._pending += fresh
        try:
            self._start(fresh)
        except BaseException:
            end(fresh)
            raise
        finally:
            with self._lock:
                self._pending = [slot for slot in self._pending if slot not in fresh]
        return fresh

    def _revive(self, now: float, wanted: Sequence[Slot]) -> None:
        """Start in the background those that do not run, after a failure with a pause."""
        with self._lock:
            if self._stopped:
                return
            dead = [s for s in wanted if not s.starting and not s.server.running and now >= s.retry]
            for slot in dead:
                slot.starting = True
        for slot in dead:
            threading.Thread(
                target=self._start_again, args=(slot,), name="revive", daemon=True
            ).start()

    def _start_again(self, slot: Slot) -> None:
        try:
            slot.server.ensure()
            slot.failures = 0
        except CANNOT_START as error:
            if not slot.gone.is_set():
                _log.warning("a model's container does not start: %s", error)
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**slot.failures)
            slot.failures += 1
            slot.retry = self._clock.now() + pause
        except Exception:
            _log.exception("a model's container does not start")
            slot.retry = self._clock.now() + _LONGEST_PAUSE
        finally:
            slot.starting = False


def end(slots: Sequence[Slot], grace: float | None = None) -> None:
    """Give up several places and their containers, at the same time."""
    for slot in slots:
        slot.gone.set()
    if slots:
        with ThreadPoolExecutor(len(slots), thread_name_prefix="stop") as pool:
            for stopped in [pool.submit(slot.server.stop, grace) for slot in slots]:
                stopped.result()
