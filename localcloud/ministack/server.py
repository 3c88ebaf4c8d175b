"""MiniStack as a child process of the cloud: started, watched, started again, stopped."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import urllib3

from localcloud import processes
from localcloud.home import HOST, Home, Ports
from localcloud.ministack import launch

_log = logging.getLogger(__name__)

_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_RESTARTS, _WITHIN = 3, 60.0  # more ends than this within so many seconds: it is given up


class MiniStackFailed(Exception):
    """MiniStack ended, or did not answer in time; the message has its last words."""


class MiniStack:
    """One MiniStack at a time. When it ends by itself it is started again, with the state of two
    seconds before at worst; `on_give_up` is called with a message when that does not help.
    """

    def __init__(
        self,
        home: Home,
        ports: Ports,
        *,
        command: list[str],
        environment: dict[str, str],
        on_give_up: Callable[[str], None],
        start: processes.Starter = processes.start,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        """start_seconds: how long a process may take until it answers"""
        self._home = home
        self._ports = ports
        self._command = command
        self._environment = environment
        self._on_give_up = on_give_up
        self._start = start
        self._start_seconds = start_seconds
        self._output = logging.getLogger("ministack.output")
        self._last: deque[str] = deque(maxlen=15)
        self._ends: deque[float] = deque(maxlen=_RESTARTS + 1)
        self._process: processes.Process | None = None
        self._stopping = False
        self._ready = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it and wait until it answers. Raises MiniStackFailed."""
        process = self._launch()
        if process is not None:
            self._wait_until_ready(process)
        self._ready = True

    def stop(self) -> None:
        """Let it save its state and end."""
        with self._lock:
            self._stopping = True
            process = self._process
        if process is not None:
            process.stop(_STOP_SECONDS)

    def _launch(self) -> processes.Process | None:
        """The new process; None when MiniStack is being stopped."""
        with self._lock:
            if self._stopping:
                return None
            launch.prepare(self._home)
            self._process = self._start(
                self._command,
                env=self._environment,
                cwd=self._home.ministack,
                on_line=self._line,
                on_exit=self._exited,
                orphan_grace=5.0,
            )
            return self._process

    def _line(self, line: str) -> None:
        self._last.append(line)
        self._output.info("%s", line)

    def _exited(self, status: int) -> None:
        with self._lock:
            if self._stopping or not self._ready:
                return
            self._ends.append(time.monotonic())
            ends = len(self._ends)
            hopeless = ends > _RESTARTS and self._ends[-1] - self._ends[0] < _WITHIN
        if hopeless:
            self._on_give_up(f"MiniStack ended {ends} times (status {status})")
            return
        _log.error("MiniStack ended by itself (status %d); starting it again", status)
        process = self._launch()
        if process is None:
            return
        try:
            self._wait_until_ready(process)
        except MiniStackFailed as error:
            # A process that ended has a call of this of its own, which counts the end.
            if process.poll() is None and process is self._process and not self._stopping:
                self._on_give_up(str(error))
        else:
            _log.info("MiniStack is back")

    def _wait_until_ready(self, process: processes.Process) -> None:
        pool = urllib3.HTTPConnectionPool(HOST, self._ports.gateway, retries=False)
        deadline = time.monotonic() + self._start_seconds
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if pool.request("GET", "/_ministack/health", timeout=2).status == 200:
                    return
            with contextlib.suppress(TimeoutError):
                process.wait(0.1)
        status = process.poll()
        why = f"ended with status {status}" if status is not None else "did not answer in time"
        raise MiniStackFailed("\n  ".join([f"MiniStack {why}; its last lines:", *self._last]))
