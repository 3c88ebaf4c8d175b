"""Serverless variants: containers that come with the requests and go when there are none.

As on AWS: more requests at once than MaxConcurrency are throttled, not queued; a request that finds
no free container waits for one to start (a cold start); after a time without requests the
containers end. ProvisionedConcurrency keeps that many running; what comes beyond them spills over
to containers that come and go.

How many requests one container gets at a time is not documented. The developer guide says that the
service stands on Lambda, recommends one worker in a container, and counts a cold start when
concurrent requests exceed those the endpoint is used to: so we give a container one request at a
time. One machine has its limits: when as many containers run as it has CPUs (and one more than the
provisioned ones), further requests share the least busy container; on AWS each would have its own.

After how long without requests a container ends is not documented either: see
`Timeouts.serverless_idle`.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace

from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.hosting.fleet import (
    Fleet,
    FleetView,
    Lease,
    NewServer,
    Slot,
    Throttled,
    end,
)

_FEWEST = 2  # containers that a machine with one CPU may run, too


class ServerlessFleet(Fleet):
    """A serverless variant's containers; the provisioned ones stand first.

    idle: seconds without a request after which a container ends
    cpus: of this machine, if it is to count as another
    """

    def __init__(
        self,
        new_server: NewServer,
        clock: Clock,
        *,
        max_concurrency: int,
        provisioned: int,
        idle: float,
        cpus: int | None = None,
    ) -> None:
        super().__init__(new_server, clock)
        self._limit = max_concurrency
        self._provisioned = provisioned
        self._idle = idle
        self._most = max(_FEWEST, cpus or os.cpu_count() or 1)
        self._slots = [self._new_slot() for _ in range(provisioned)]

    def start(self) -> None:
        """Start the provisioned containers; without any, one, to see that it is healthy."""
        with self._lock:
            if not self._slots:
                self._slots.append(self._new_slot())
            slots = list(self._slots)
        self._start(slots)

    def lease(self) -> Lease:
        with self._lock:
            if self._busy >= self._limit:
                raise Throttled(f"{self._limit} invocations are under way")
            slot = self._choose()
            return self._taken(slot, provisioned=slot in self._kept)

    def _choose(self) -> Slot:
        free = [slot for slot in self._slots if slot.busy == 0]
        kept = [slot for slot in free if slot in self._kept]
        if free:
            # Among the others the one used last, so that the rest can end.
            running = [slot for slot in free if slot.server.running]
            return kept[0] if kept else max(running or free, key=lambda slot: slot.used)
        if len(self._slots) < max(self._most, self._provisioned + 1):
            self._slots.append(self._new_slot())
            return self._slots[-1]
        return min(self._slots, key=lambda slot: slot.busy)

    def resize(self, max_concurrency: int, provisioned: int) -> None:
        """Raises one of CANNOT_START when further provisioned containers do not come up; nothing
        has changed then.
        """
        with self._lock:
            missing = max(0, provisioned - self._provisioned)
        fresh = self._grow(missing)
        with self._lock:
            self._slots = [*self._kept, *fresh, *self._slots[self._provisioned :]]
            self._limit, self._provisioned = max_concurrency, provisioned

    def tend(self, now: float) -> None:
        with self._lock:
            kept = self._kept
            others = self._slots[self._provisioned :]
            cold = [s for s in others if s.busy == 0 and now - s.used >= self._idle]
            self._slots = [slot for slot in self._slots if slot not in cold]
        if cold:
            threading.Thread(target=end, args=(cold,), name="scale-in", daemon=True).start()
        self._revive(now, kept)

    @property
    def _kept(self) -> list[Slot]:
        return self._slots[: self._provisioned]

    def _view(self) -> FleetView:
        return replace(
            super()._view(),
            limit=self._limit,
            provisioned=self._provisioned,
            provisioned_busy=sum(slot.busy for slot in self._kept),
        )
