"""Starts, finds and stops the local cloud, for `pigeonhole up | down | status`.

    up(home, port, say)   → Running     returns when it answers, or at once when it already runs
    down(home, say)       → bool        False when none ran
    Home.at(home).running() → Running | None

`say` is called with a line of progress at a time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil

from localcloud.home import DEFAULT_PORT, DEFAULT_REGION, Home, Running

_REPOSITORY = Path(__file__).resolve().parents[1]
_START_SECONDS = 180.0
_GONE_SECONDS = 10  # an interpreter's own end
_STOP_SECONDS = 60.0
_LOOK = 0.05  # seconds between two looks at a cloud that starts or stops

Say = Callable[[str], None]


class CloudNotStarted(Exception):
    """The local cloud did not come up; the message has its own words."""


class OtherCloud(Exception):
    """A cloud with other settings already runs on this home."""


class _Ended(Exception):
    """The process that was waited for has ended, or lets go of the home."""


def up(
    home: Home, port: int | None = None, region: str = DEFAULT_REGION, say: Say = lambda _: None
) -> Running:
    """Start the cloud in the background and wait until it answers.

    port: MiniStack's; SageMaker takes the next one. None: the running cloud's, else 4566.
    Returns at once when one already runs on this home. Raises OtherCloud when that one has another
    port, CloudNotStarted when it does not come up.
    """
    found = _holder(home)
    if found is not None:
        return _join(home, found, port, say)
    home.make()
    at = home.log.stat().st_size if home.log.exists() else 0
    start_log = home.logs / "start.log"
    start_log.unlink(missing_ok=True)  # another `up` at this moment keeps its own
    with start_log.open("w+", errors="replace") as output:
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "localcloud", "--home", str(home.root)),
                *("--port", str(port or DEFAULT_PORT), "--region", region),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=_REPOSITORY,
            start_new_session=True,
        )
        try:
            return _wait(home, child.pid, child, say, at)
        except _Ended:
            other = _holder(home)
            if other is None or other.pid == child.pid:
                raise CloudNotStarted(_last_words(output)) from None
        except BaseException:  # Ctrl-C above all: nobody could find a cloud that is half started
            child.terminate()
            child.wait()
            raise
    return _join(home, other, port, say)  # another `up` was faster


def down(home: Home, say: Say = lambda _: None) -> bool:
    """Stop the cloud and wait until everything that it started has ended. False when none ran."""
    found = _holder(home)
    if found is None:
        return False
    say(f"stopping the local cloud (process {found.pid})")
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while home.running() is not None:
        if time.monotonic() > deadline:
            say("it does not end by itself: killing it (at most two seconds of changes are lost)")
            os.kill(found.pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(_LOOK)
    _wait_until_gone(found.pid)
    return True


def _wait_until_gone(pid: int) -> None:
    """The lock is free a moment before the process has ended."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        psutil.Process(pid).wait(_GONE_SECONDS)


def _holder(home: Home) -> Running | None:
    """The cloud that holds the home; waits for one that has just taken it to write its name."""
    while True:
        found = home.running()
        if found is None or found.pid:
            return found
        time.sleep(_LOOK)


def _join(home: Home, found: Running, port: int | None, say: Say) -> Running:
    """Wait for a cloud that somebody else started. Raises OtherCloud, CloudNotStarted."""
    if port not in (None, found.gateway):
        raise OtherCloud(
            f"a local cloud already runs in {home.root} on port {found.gateway} (process "
            f"{found.pid}): leave --port away, or stop it first with `pigeonhole down`"
        )
    try:
        return _wait(home, found.pid, None, say)
    except _Ended:
        raise CloudNotStarted(
            f"the local cloud (process {found.pid}) ended while it started; see {home.log}"
        ) from None


def _wait(
    home: Home, pid: int, child: subprocess.Popen[bytes] | None, say: Say, log_from: int = 0
) -> Running:
    """Until the cloud with this pid answers, pass on what its log says. Raises _Ended."""
    deadline = time.monotonic() + _START_SECONDS
    position = log_from
    while time.monotonic() < deadline:
        if child is not None:
            position = _pass_on(home.log, position, say)
        found = _holder(home)
        ours = found is not None and found.pid == pid
        if found is not None and ours and found.ready:
            return found
        if child.poll() is not None if child else not ours:
            raise _Ended
        time.sleep(_LOOK)
    raise CloudNotStarted(
        f"the local cloud (process {pid}) did not answer within {_START_SECONDS:.0f} s; "
        f"see {home.log}"
    )


def _pass_on(log: Path, position: int, say: Say) -> int:
    """Say the INFO lines of the cloud itself that are new in its log; returns the new position."""
    try:
        with log.open("rb") as file:
            file.seek(position)
            new = file.read()
    except FileNotFoundError:
        return position
    whole = new[: new.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        _, found, message = line.partition(" INFO localcloud.supervisor: ")
        if found:
            say(message)
    return position + len(whole)


def _last_words(output: IO[str]) -> str:
    output.seek(0)
    said = output.read().strip()
    _, found, reason = said.rpartition("\nlocalcloud: ")
    if not found and said.startswith("localcloud: "):
        return said.removeprefix("localcloud: ")
    return reason if found else f"the local cloud ended while it started:\n{said[-2000:]}"
