"""Runs one command in a session of its own, and ends it when whoever asked for it is gone.

    python -I -S keeper.py GRACE COMMAND [ARGUMENT ...] < pipe

The keeper's standard input is a pipe that only its master holds open for writing. What comes over
it:

    T             send SIGTERM to the command
    K             send SIGKILL to its process group
    end of file   the master is gone, kill -9 included: SIGTERM, and after GRACE seconds SIGKILL

As in a container, SIGTERM goes to the first process alone, and when that has ended the rest is
killed: its group and, on Linux, whatever else it has started, daemons in sessions of their own
included, which become children of the keeper when their parents end.

The command gets the keeper's standard output and error and an empty standard input. The keeper
leaves with the command's exit status (128 + N when signal N ended it). It needs the standard
library alone and starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable

# prctl(2)
_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36

_LONGEST_DEATH = 5.0  # seconds; what hangs in the kernel is left behind


def main(arguments: list[str]) -> int:
    """Run `arguments[1:]` under guard, `arguments[0]` being the grace; returns its status."""
    grace, command = float(arguments[0]), arguments[1:]
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    prctl = _prctl()
    prctl(_SET_CHILD_SUBREAPER, 1)
    child = _spawn(command, prctl)
    _give_up_output()

    watched = [0, wake]
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if wake in ready:
            rung = os.read(wake, 512)
            status = _reap(child)
            if status is not None:
                _kill_group(child)
                _kill_adopted()
                return _exit_status(status)
            if set(rung) - {signal.SIGCHLD} and deadline is None:
                deadline = _end(child, grace)
        if 0 in ready:
            orders = os.read(0, 64)
            if not orders:
                watched.remove(0)
                deadline = deadline or _end(child, grace)
            if b"T" in orders:
                _terminate(child)
            if b"K" in orders:
                _kill_group(child)
        if deadline is not None and time.monotonic() >= deadline:
            _kill_group(child)
            deadline = time.monotonic() + grace


def _prctl() -> Callable[[int, int], object]:
    """prctl(2); elsewhere than on Linux, a call that does nothing."""
    if sys.platform.startswith("linux"):
        import ctypes  # noqa: PLC0415  (a third of the start-up time; not needed elsewhere)

        with contextlib.suppress(OSError, AttributeError):
            return ctypes.CDLL(None).prctl
    return lambda _option, _value: None


def _spawn(command: list[str], prctl: Callable[[int, int], object]) -> int:
    """Start the command in a new session; returns its process id, which is its group's too.

    Returns once the command itself runs (the pipe closes on exec): an order that came before would
    find no group yet, or be swallowed by the handlers that the fork has from the keeper.
    """
    keeper = os.getpid()
    executed, running = os.pipe()
    child = os.fork()
    if child:
        os.close(running)
        os.read(executed, 1)
        os.close(executed)
        return child
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        prctl(_SET_PDEATHSIG, signal.SIGKILL)  # for when the keeper itself is killed
        if os.getppid() != keeper:
            os._exit(128 + signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _give_up_output() -> None:
    """Let the command alone hold the output, so that readers see its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _reap(child: int) -> int | None:
    """Take the status of everything that has ended; returns that of `child` when it has."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                found = status
    return found


def _kill_adopted() -> None:
    """Kill what is left of the command's descendants, and theirs as they are adopted in turn."""
    children = f"/proc/self/task/{os.getpid()}/children"
    deadline = time.monotonic() + _LONGEST_DEATH
    while time.monotonic() < deadline:
        try:
            with open(children, encoding="ascii") as file:
                left = file.read().split()
        except OSError:
            return
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
        _reap(0)
        time.sleep(0.001)


def _end(child: int, grace: float) -> float:
    _terminate(child)
    return time.monotonic() + grace


def _terminate(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _kill_group(group: int) -> None:
    # macOS answers EPERM, not ESRCH, for a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
