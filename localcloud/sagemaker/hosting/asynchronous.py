"""Asynchronous endpoints: takes requests from the queue, has them answered, writes and tells.

How many requests a container gets at once when MaxConcurrentInvocationsPerInstance is not given
the service chooses; four are ours. Whether a failed request is tried again is not documented: ours
is not, but one that finds no healthy container goes back to the queue until its time is over.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.hosting.carrier import Carrier, NotNow
from localcloud.sagemaker.hosting.host import EndpointHost
from localcloud.sagemaker.hosting.measures import backlog
from localcloud.sagemaker.hosting.queue import AsyncQueue, AsyncRequest

_log = logging.getLogger(__name__)

_DEFAULT_CONCURRENCY = 4
_LOOK_EVERY = 1.0  # seconds, for requests that expire and instances that come
_TELL_EVERY = 60.0  # seconds between two values of the backlog's metrics while it stays the same
_PAUSE = 1.0  # seconds before a request that found no container is tried again


class Asynchronous:
    """The queues of all asynchronous endpoints, and a worker for each."""

    def __init__(self, cloud: Cloud, path: Path) -> None:
        self._cloud = cloud
        self._queue = AsyncQueue(path)
        self._lock = threading.Lock()
        self._workers: dict[str, _Worker] = {}

    def put(self, request: AsyncRequest) -> AsyncRequest:
        """Take a request; it is not lost any more."""
        queued = self._queue.put(request)
        with self._lock:
            worker = self._workers.get(request.endpoint)
        if worker is not None:
            worker.wake()
        return queued

    def serve(self, name: str, host: EndpointHost) -> None:
        """Work on the requests of this endpoint from now on."""
        with self._lock:
            if name not in self._workers:
                self._workers[name] = _Worker(self._cloud, self._queue, name, host)

    def forget(self, name: str) -> None:
        """The endpoint is gone: so are its requests (what the service does is not documented)."""
        with self._lock:
            worker = self._workers.pop(name, None)
        if worker is not None:
            worker.stop()
        self._queue.forget(name)

    def close(self) -> None:
        """The cloud closes: what is under way is done again after the next start."""
        with self._lock:
            workers = list(self._workers.values())
            self._workers = {}
        for worker in workers:
            worker.stop()
        self._queue.close()


class _Worker:
    """One endpoint's."""

    def __init__(self, cloud: Cloud, queue: AsyncQueue, name: str, host: EndpointHost) -> None:
        self._cloud = cloud
        self._queue = queue
        self._name = name
        self._host = host
        self._carrier = Carrier(cloud, name, host)
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[threading.Thread] = set()
        self._told = (-1, 0.0)
        self._thread = threading.Thread(target=self._run, name=f"async-{name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._changed.set()

    def stop(self) -> None:
        """Start nothing more, and let the requests under way go: their containers end."""
        self._stopped.set()
        self._changed.set()
        self._thread.join(5.0)
        with self._lock:
            busy = list(self._busy)
        for thread in busy:
            thread.join(5.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.clear()
            try:
                self._look()
            except Exception:
                _log.exception("the queue of endpoint %s", self._name)
            self._cloud.clock.wait(self._changed, _LOOK_EVERY)

    def _look(self) -> None:
        """Start what there is room for."""
        now = self._cloud.clock.now()
        while not self._stopped.is_set():
            request = self._queue.take_expired(self._name, now)
            if request is None:
                break
            self._begin(request)
        while not self._stopped.is_set():
            with self._lock:
                full = len(self._busy) >= self._room
            request = None if full else self._queue.take(self._name)
            if request is None:
                break
            self._begin(request)
        self._measure(now)

    @property
    def _room(self) -> int:
        """How many requests may be under way."""
        deployment = self._host.deployment
        if deployment is None or deployment.asynchronous is None:
            return 0
        client = deployment.asynchronous.get("ClientConfig", {})
        each = client.get("MaxConcurrentInvocationsPerInstance", _DEFAULT_CONCURRENCY)
        return int(each) * sum(variant.instances for variant in deployment.variants)

    def _begin(self, request: AsyncRequest) -> None:
        thread = threading.Thread(target=self._work, args=(request,), name="async", daemon=True)
        with self._lock:
            self._busy.add(thread)
        thread.start()

    def _work(self, request: AsyncRequest) -> None:
        try:
            self._carrier.carry_out(request)
        except NotNow as error:
            # A container of a cloud or an endpoint that goes is no failure of the request.
            _log.info("endpoint %s, inference %s: %s", self._name, request.inference_id, error)
            self._try_later(request)
        except Exception:
            _log.exception("endpoint %s, inference %s", self._name, request.inference_id)
            self._try_later(request)
        else:
            self._queue.done(request)
        finally:
            with self._lock:
                self._busy.discard(threading.current_thread())
            self._changed.set()

    def _try_later(self, request: AsyncRequest) -> None:
        if not self._cloud.clock.wait(self._stopped, _PAUSE):
            self._queue.put_back(request)

    def _measure(self, now: float) -> None:
        deployment = self._host.deployment
        if deployment is None:
            return
        count, oldest = self._queue.backlog(self._name)
        if count == self._told[0] and now - self._told[1] < _TELL_EVERY:
            return
        self._told = (count, now)
        instances = sum(variant.instances for variant in deployment.variants)
        backlog(self._cloud.metrics, self._name, count, instances, now - (oldest or now))
