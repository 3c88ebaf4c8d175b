"""Instance-backed variants: as many containers as instances, which stay."""

from __future__ import annotations

import random

from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.hosting.fleet import Fleet, Lease, NewServer, end

RANDOM, LEAST_BUSY = "RANDOM", "LEAST_OUTSTANDING_REQUESTS"


class InstanceFleet(Fleet):
    """The containers of a variant with instances.

    routing: RoutingConfig.RoutingStrategy, RANDOM (AWS's default) or LEAST_OUTSTANDING_REQUESTS
    """

    def __init__(
        self, new_server: NewServer, clock: Clock, *, count: int, routing: str = RANDOM
    ) -> None:
        super().__init__(new_server, clock)
        self._routing = routing
        self._slots = [self._new_slot() for _ in range(count)]

    def start(self) -> None:
        with self._lock:
            slots = list(self._slots)
        self._start(slots)

    def lease(self) -> Lease:
        """Only an asynchronous variant may be without instances; its queue waits for one."""
        with self._lock:
            # One that died is being started again: the others take its requests.
            candidates = [s for s in self._slots if s.server.running] or self._slots
            if self._routing == LEAST_BUSY:
                fewest = min(slot.busy for slot in candidates)
                candidates = [slot for slot in candidates if slot.busy == fewest]
            return self._taken(random.choice(candidates))

    def resize(self, count: int, patience: float) -> None:
        """Have `count` instances: new ones take requests once they are healthy, old ones end after
        those that they work on (`patience` seconds at most).

        Raises one of CANNOT_START when a new one does not come up; nothing has changed then.
        """
        with self._lock:
            missing = max(0, count - len(self._slots))
        fresh = self._grow(missing)
        with self._lock:
            self._slots += fresh
            leaving, self._slots = self._slots[count:], self._slots[:count]
            self._pending += leaving
            self._lock.wait_for(lambda: not any(slot.busy for slot in leaving), patience)
        end(leaving)
        with self._lock:
            self._pending = [slot for slot in self._pending if slot not in leaving]

    def tend(self, now: float) -> None:
        with self._lock:
            slots = list(self._slots)
        self._revive(now, slots)
