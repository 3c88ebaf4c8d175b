"""Runs one command in a session of its own, and ends it when whoever asked for it is gone.

    python -I -S keeper.py GRACE COMMAND [ARGUMENT ...] < pipe

The keeper's standard input is a pipe that only its master holds open for writing. What comes over
it:

    T             send SIGTERM to the command
    K             send SIGKILL to its process group
    end of file   the master is gone, kill -9 included: SIGTERM, and after GRACE seconds SIGKILL

As in a container, SIGTERM goes to the first process alone, and when that has ended the rest of its
group is killed. The command gets the keeper's standard output and error and an empty standard
input. The keeper leaves with the command's exit status (128 + N when signal N ended it). It needs
the standard library alone and starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time


def main(arguments: list[str]) -> int:
    """Run `arguments[1:]` under guard, `arguments[0]` being the grace; returns its status."""
    grace, command = float(arguments[0]), arguments[1:]
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    child = _spawn(command)
    _give_up_output()

    watched = [0, wake]
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if wake in ready:
            rung = os.read(wake, 512)
            finished, status = os.waitpid(child, os.WNOHANG)
            if finished:
                _kill_group(child)
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


def _spawn(command: list[str]) -> int:
    """Start the command in a new session; returns its process id, which is its group's too."""
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        _die_with_parent(keeper)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _die_with_parent(keeper: int) -> None:
    """Where the kernel offers it (Linux): have the command killed when the keeper itself is."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415  (a third of the start-up time; not needed elsewhere)

    set_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(128 + signal.SIGKILL)


def _give_up_output() -> None:
    """Let the command alone hold the output, so that readers see its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


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
