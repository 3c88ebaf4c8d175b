"""A model server: the container that answers /ping and /invocations, for endpoints and transform
jobs.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import urllib3

from localcloud.processes import Process
from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.containers import Containers, Spec

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25  # seconds between two pings


class NotHealthy(Exception):
    """The container ended, or did not answer /ping with 200, within its time."""


class NoAnswer(Exception):
    """The container did not answer an invocation; `timed_out` tells why."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True)
class Answer:
    """What the container answered; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ModelServer:
    """One container at a time, started when first needed and again when it has died.

    `spec` says what to run; `on_exit` is told when a container ends.
    """

    def __init__(
        self,
        containers: Containers,
        clock: Clock,
        spec: Spec,
        *,
        start_timeout: float,
        ping_timeout: float,
        grace: float,
        cancelled: threading.Event | None = None,
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        self._containers = containers
        self._clock = clock
        self._spec = spec
        self._start_timeout = start_timeout
        self._ping_timeout = ping_timeout
        self._grace = grace
        self._cancelled = cancelled or threading.Event()
        self._on_exit = on_exit
        self._starting = threading.Lock()
        self._idle = threading.Condition()
        self._in_flight = 0
        self._process: Process | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._generation = itertools.count(1)

    @property
    def running(self) -> bool:
        """Whether its container lives."""
        return self._process is not None and self._process.poll() is None

    def ensure(self) -> urllib3.HTTPConnectionPool:
        """Start the container unless it runs; returns connections to it. Raises NotHealthy,
        UnknownImage.
        """
        with self._starting:
            if self._cancelled.is_set():
                raise NotHealthy("the container was stopped")
            if self._pool is None or not self.running:
                self._pool = self._launch()
            return self._pool

    def _launch(self) -> urllib3.HTTPConnectionPool:
        port = free_port()
        folder = self._spec.folder / str(next(self._generation))
        shutil.rmtree(folder, ignore_errors=True)
        environment = {
            **self._spec.environment,
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
        }
        ended = threading.Event()

        def exited(_: int) -> None:
            ended.set()
            shutil.rmtree(folder, ignore_errors=True)
            self._on_exit()

        process = self._containers.run(
            replace(self._spec, folder=folder, environment=environment), on_exit=exited
        )
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=64, retries=False)
        deadline = self._clock.now() + self._start_timeout
        pause = _FIRST_PAUSE
        while not self._answers_ping(pool):
            if ended.is_set():
                raise NotHealthy("the container ended before it answered /ping")
            if self._cancelled.is_set() or self._clock.now() >= deadline:
                process.stop(self._grace)
                raise NotHealthy(f"no answer to /ping within {self._start_timeout:g} s")
            self._clock.wait(ended, pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        self._process = process
        return pool

    def _answers_ping(self, pool: urllib3.HTTPConnectionPool) -> bool:
        try:
            return pool.request("GET", "/ping", timeout=self._ping_timeout).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> Answer:
        """One request; a container that has died is started again first, and once when it dies
        meanwhile.

        Raises NoAnswer, NotHealthy.
        """
        with self._counted():
            for last in (False, True):
                pool = self.ensure()
                try:
                    answer = pool.request(
                        method, path, body=body, headers=dict(headers or {}), timeout=timeout
                    )
                except urllib3.exceptions.ReadTimeoutError as error:
                    raise NoAnswer(str(error), timed_out=True) from error
                except urllib3.exceptions.HTTPError as error:
                    if last:
                        raise NoAnswer(str(error), timed_out=False) from error
                    self._settle()
                else:
                    found = {name.lower(): value for name, value in answer.headers.items()}
                    return Answer(answer.status, found, answer.data)
        raise AssertionError("unreachable")

    def _settle(self) -> None:
        """A connection broke: give the end of its container a moment to be noticed."""
        process = self._process
        if process is not None:
            with contextlib.suppress(TimeoutError):
                process.wait(1.0)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._idle:
                self._in_flight -= 1
                self._idle.notify_all()

    def drain(self, timeout: float) -> None:
        """Wait until no request is under way, at most `timeout` seconds."""
        with self._idle:
            self._idle.wait_for(lambda: self._in_flight == 0, timeout)

    def stop(self, grace: float | None = None) -> None:
        """End the container; a later request starts one again."""
        with self._starting:
            process, self._process, self._pool = self._process, None, None
        if process is not None:
            process.stop(self._grace if grace is None else grace)
        shutil.rmtree(self._spec.folder, ignore_errors=True)


def free_port() -> int:
    """A port of the loopback address on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
