"""Processes that cannot outlive the local cloud.

Each one runs under a keeper (`keeper.py`) in a process group of its own. The keeper reads a pipe
whose other end only this process holds: when this process ends, by kill -9 too, the pipe closes
and the keeper ends the whole group. Nothing here needs /proc, so that it works on macOS as well.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

_log = logging.getLogger(__name__)

_KEEPER = Path(__file__).with_name("keeper.py")
_LONGEST_LINE = 256 * 1024  # bytes: what CloudWatch Logs takes as one event


class Process:
    """A running command. Made by `start`."""

    def __init__(
        self,
        keeper: subprocess.Popen[bytes],
        on_line: Callable[[str], None] | None,
        on_exit: Callable[[int], None] | None,
    ) -> None:
        assert keeper.stdout is not None
        self._keeper = keeper
        self._on_line = on_line
        self._on_exit = on_exit
        self._done = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(keeper.stdout,), name=f"output-{keeper.pid}", daemon=True
        )
        reader.start()
        threading.Thread(
            target=self._watch, args=(reader,), name=f"exit-{keeper.pid}", daemon=True
        ).start()

    @property
    def pid(self) -> int:
        """The keeper's process id."""
        return self._keeper.pid

    def poll(self) -> int | None:
        """The exit status (128 + N when signal N ended the command), or None while it runs."""
        return self._keeper.returncode if self._done.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; every line was handed over by then.

        Raises TimeoutError after `timeout` seconds.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return self._keeper.returncode

    def stop(self, grace: float = 120.0) -> int:
        """SIGTERM to the command, `grace` seconds, SIGKILL to its group; returns its status."""
        self.terminate()
        with contextlib.suppress(TimeoutError):
            return self.wait(grace)
        self.kill()
        return self.wait()

    def terminate(self) -> None:
        """Send SIGTERM to the command and return at once."""
        self._order(b"T")

    def kill(self) -> None:
        """Send SIGKILL to the group and return at once."""
        self._order(b"K")

    def _order(self, order: bytes) -> None:
        assert self._keeper.stdin is not None
        # A closed pipe means that the keeper has left, and the command before it.
        with contextlib.suppress(OSError, ValueError):
            self._keeper.stdin.write(order)
            self._keeper.stdin.flush()

    def _read(self, output: IO[bytes]) -> None:
        lost = 0
        with output:
            while raw := output.readline(_LONGEST_LINE):
                if self._on_line is None:
                    continue
                try:
                    self._on_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
                except Exception:  # the reader must go on, or the command blocks on a full pipe
                    if not lost:  # one traceback: there may be a thousand lines a second
                        _log.exception("a line of process %d was not taken", self.pid)
                    lost += 1
        if lost > 1:
            _log.error("%d lines of process %d were not taken", lost, self.pid)

    def _watch(self, reader: threading.Thread) -> None:
        status = self._keeper.wait()
        # What left the group (setsid) may keep the output open: it is not waited for.
        reader.join(timeout=5)
        assert self._keeper.stdin is not None
        with contextlib.suppress(OSError):
            self._keeper.stdin.close()
        self._done.set()
        if self._on_exit is not None:
            try:
                self._on_exit(status)
            except Exception:
                _log.exception("the end of process %d was not taken", self.pid)


class Starter(Protocol):
    """What starts processes: `start` below, or a test's own."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        on_exit: Callable[[int], None] | None = None,
        orphan_grace: float = 10.0,
    ) -> Process: ...


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    on_exit: Callable[[int], None] | None = None,
    orphan_grace: float = 10.0,
) -> Process:
    """Start `command` with exactly `env` as its environment.

    on_line: called with each line of its standard output and error, from one thread
    on_exit: called with the exit status after the last line
    orphan_grace: seconds between SIGTERM and SIGKILL when this process is gone

    A command that cannot be run exits with status 127 and says why on its output.
    """
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_KEEPER), str(orphan_grace), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    return Process(keeper, on_line, on_exit)
