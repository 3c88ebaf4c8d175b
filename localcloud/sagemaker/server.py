"""A model server: the container that answers /ping and /invocations, for endpoints and transform
jobs.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import IO

import urllib3

from localcloud.processes import Process
from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.containers import Containers, Spec

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25  # seconds between two pings
_PAUSE_SHARE = 0.1  # of the time since the start: what a cold start may take longer by pausing
_NO_START = 0.005  # seconds: a shorter wait was for no container
PORTS = range(20_000, 32_768)  # by default Linux gives its own from 32768 on, others from 49152
_PORTS_IN_TURN = itertools.cycle(random.sample(PORTS, len(PORTS)))
_CHUNK = 1024 * 1024  # bytes read at once from an answer that goes to a file


class NotHealthy(Exception):
    """The container ended, or did not answer /ping with 200, within its time."""


class NoAnswer(Exception):
    """The container did not answer an invocation; `timed_out` tells why."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True)
class Answer:
    """What the container answered; header names are lower-case.

    seconds: from sending the request until the whole answer was there
    setup: seconds of a container's start that the request waited for; 0 when one ran
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    setup: float = 0.0


class ModelServer:
    """One container at a time, started when first needed and again when it has died.

    spec: what to run
    on_exit: told when a container ends
    before_start: called before each start of a container, within its `start_timeout`
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
        before_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._containers = containers
        self._clock = clock
        self._spec = spec
        self._start_timeout = start_timeout
        self._ping_timeout = ping_timeout
        self._grace = grace
        self._cancelled = cancelled or threading.Event()
        self._on_exit = on_exit
        self._before_start = before_start
        self._starting = threading.Lock()
        self._process: Process | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._generation = itertools.count(1)

    @property
    def log_stream(self) -> str:
        """Where its containers log to."""
        return self._spec.log_stream

    @property
    def running(self) -> bool:
        """Whether its container lives."""
        return self._process is not None and self._process.poll() is None

    def ensure(self) -> urllib3.HTTPConnectionPool:
        """Start the container unless it runs; returns connections to it. Raises NotHealthy,
        UnknownImage.
        """
        if self._pool is not None and self.running and not self._cancelled.is_set():
            return self._pool
        with self._starting:
            if self._cancelled.is_set():
                raise NotHealthy("the container was stopped")
            if self._pool is None or not self.running:
                self._pool = self._launch()
            return self._pool

    def _launch(self) -> urllib3.HTTPConnectionPool:
        begun = self._clock.now()
        deadline = begun + self._start_timeout
        self._before_start()
        if self._cancelled.is_set():
            raise NotHealthy("the container was stopped")
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
        while not self._answers_ping(pool):
            if ended.is_set():
                raise NotHealthy("the container ended before it answered /ping")
            if self._cancelled.is_set() or self._clock.now() >= deadline:
                process.stop(self._grace)
                raise NotHealthy(f"no answer to /ping within {self._start_timeout:g} s")
            waited = self._clock.now() - begun
            self._clock.wait(
                ended, max(_SHORTEST_PAUSE, min(_LONGEST_PAUSE, _PAUSE_SHARE * waited))
            )
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
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float,
        sink: IO[bytes] | None = None,
    ) -> Answer:
        """One request; a container that has died is started again first, and once when it dies
        meanwhile.

        body: an open file is sent from its beginning, and told with its length unless `headers` has
        `Transfer-Encoding: chunked`
        timeout: seconds until the whole answer must be there; a container that does not take the
        request, or breaks off within the headers of its answer, has as many for each wait
        sink: where the body of an answer below 400 goes, so that it need not fit into memory

        Raises NoAnswer, NotHealthy.
        """
        request = _Request(method, path, body, dict(headers or {}), timeout, sink)
        for last in (False, True):
            begun = time.perf_counter()
            pool = self.ensure()
            started = time.perf_counter()
            try:
                status, found, content = request.exchange(pool)
            except urllib3.exceptions.ReadTimeoutError as error:
                raise NoAnswer(str(error), timed_out=True) from error
            except urllib3.exceptions.HTTPError as error:
                if last:
                    raise NoAnswer(str(error), timed_out=False) from error
                self._settle()
            else:
                seconds = time.perf_counter() - started
                waited = started - begun
                setup = waited if waited > _NO_START else 0.0
                return Answer(status, found, content, seconds, setup)
        raise AssertionError("unreachable")

    def _settle(self) -> None:
        """A connection broke: give the end of its container a moment to be noticed."""
        process = self._process
        if process is not None:
            with contextlib.suppress(TimeoutError):
                process.wait(1.0)

    def stop(self, grace: float | None = None) -> None:
        """End the container; a later request starts one again."""
        with self._starting:
            process, self._process, self._pool = self._process, None, None
        if process is not None:
            process.stop(self._grace if grace is None else grace)
        shutil.rmtree(self._spec.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Request:
    """What goes to the container; see `ModelServer.send`."""

    method: str
    path: str
    body: bytes | IO[bytes] | None
    headers: dict[str, str]
    timeout: float
    sink: IO[bytes] | None

    def exchange(self, pool: urllib3.HTTPConnectionPool) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        deadline = time.monotonic() + self.timeout
        body, headers = self.body, dict(self.headers)
        if body is not None and not isinstance(body, bytes):
            if "Transfer-Encoding" not in headers:
                headers["Content-Length"] = str(body.seek(0, io.SEEK_END))
            body.seek(0)
        response = pool.request(
            self.method,
            self.path,
            body=body,
            headers=headers,
            timeout=self.timeout,
            preload_content=False,
        )
        found = {name.lower(): value for name, value in response.headers.items()}
        whole = False
        try:
            pieces = self._pieces(response, pool, deadline)
            if self.sink is None or response.status >= HTTPStatus.BAD_REQUEST:
                content = b"".join(pieces)
            else:
                content = b""
                self.sink.seek(0)
                self.sink.truncate()
                for piece in pieces:
                    self.sink.write(piece)
            whole = True
        finally:
            if not whole:
                response.close()  # nobody else must read the rest of it
            response.release_conn()
        return response.status, found, content

    def _pieces(
        self,
        response: urllib3.BaseHTTPResponse,
        pool: urllib3.HTTPConnectionPool,
        deadline: float,
    ) -> Iterator[bytes]:
        """The body as it comes. Raises ReadTimeoutError when the deadline passes before its end."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                message = f"the answer was not whole within {self.timeout:g} s"
                raise urllib3.exceptions.ReadTimeoutError(pool, self.path, message)
            connection = response.connection
            sock = getattr(connection, "sock", None)  # None: the response alone has it now
            if sock is not None:
                sock.settimeout(left)
            piece = response.read1(_CHUNK)
            if not piece:
                return
            yield piece


def free_port() -> int:
    """A port of the loopback address on which nobody listens now.

    It is none of those that systems, unless set up otherwise, give to whoever asks for any port or
    calls somebody: one of these could be taken before a container that starts has it. And no two
    calls give the same.
    """
    for _ in PORTS:
        port = next(_PORTS_IN_TURN)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"all ports from {PORTS[0]} to {PORTS[-1]} are taken")
