"""Processes and their keeper, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import processes

REPO = Path(__file__).resolve().parents[3]
PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]
ENVIRONMENT = {"PATH": os.environ["PATH"]}
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready')\n"
    "while True: time.sleep(0.05)"
)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has waited for yet counts as gone.
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return not state.stdout.strip().startswith("Z") and bool(state.stdout.strip())


def test_lines_and_status_arrive() -> None:
    lines: list[str] = []
    ends: list[int] = []
    code = "import sys; print('out'); print('err', file=sys.stderr); print('é'); sys.exit(5)"
    process = processes.start(
        [*PYTHON, code], env=ENVIRONMENT, on_line=lines.append, on_exit=ends.append
    )
    assert process.wait(20) == 5 == process.poll()
    assert lines == ["out", "err", "é"]
    wait_until(lambda: ends == [5])


def test_environment_is_exactly_what_was_given() -> None:
    lines: list[str] = []
    code = "import os; print(sorted(k for k in os.environ if k not in ('LC_CTYPE',)))"
    environment = {**ENVIRONMENT, "MINE": "1"}
    processes.start([*PYTHON, code], env=environment, on_line=lines.append).wait(20)
    assert lines == ["['MINE', 'PATH']"]


def test_command_that_does_not_exist_says_so() -> None:
    lines: list[str] = []
    process = processes.start(["/does/not/exist"], env=ENVIRONMENT, on_line=lines.append)
    assert process.wait(20) == 127
    assert lines == ["cannot run /does/not/exist: No such file or directory"]


def test_stop_lets_a_polite_command_end_by_itself() -> None:
    lines: list[str] = []
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(4)))\n"
        "print('ready')\nwhile True: time.sleep(0.05)"
    )
    process = processes.start([*PYTHON, code], env=ENVIRONMENT, on_line=lines.append)
    wait_until(lambda: "ready" in lines)
    assert process.poll() is None
    assert process.stop(grace=20) == 4
    assert lines == ["ready", "bye"]


def test_stop_kills_what_ignores_sigterm() -> None:
    lines: list[str] = []
    process = processes.start([*PYTHON, STUBBORN], env=ENVIRONMENT, on_line=lines.append)
    wait_until(lambda: "ready" in lines)
    assert process.stop(grace=0.1) == 128 + signal.SIGKILL


def test_wait_has_a_limit() -> None:
    process = processes.start([*PYTHON, STUBBORN], env=ENVIRONMENT)
    with pytest.raises(TimeoutError):
        process.wait(0.05)
    process.kill()
    process.wait(20)


def test_orders_count_from_the_first_moment_on() -> None:
    for order in ("kill", "terminate"):
        started = [processes.start(["sleep", "600"], env=ENVIRONMENT) for _ in range(8)]
        for process in started:
            getattr(process, order)()
        for process in started:
            assert process.wait(20) != 0


def test_what_a_command_leaves_running_goes_with_it() -> None:
    lines: list[str] = []
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid)"
    )
    assert processes.start([*PYTHON, code], env=ENVIRONMENT, on_line=lines.append).wait(20) == 0
    wait_until(lambda: not alive(int(lines[0])))


DAEMON = (
    "import os, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "print(os.getpid())\n"
    "time.sleep(600)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="nobody adopts daemons on this system")
def test_daemons_of_a_command_go_with_it() -> None:
    """They have left its group, and their parents are gone."""
    lines: list[str] = []
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-I', '-S', '-u', '-c', {DAEMON!r}])\n"
        "print('ready')\n"
        "time.sleep(600)"
    )
    process = processes.start([*PYTHON, code], env=ENVIRONMENT, on_line=lines.append)
    wait_until(lambda: len(lines) == 2)
    daemon = int(next(line for line in lines if line.isdigit()))
    assert alive(daemon)
    process.kill()
    process.wait(20)
    assert not alive(daemon)


MASTER = """
import os, sys, time
sys.path.insert(0, {repo!r})
from localcloud import processes
code = {code!r}
p = processes.start([sys.executable, "-u", "-c", "import os; print(os.getpid())\\n" + code],
                    env=dict(os.environ), on_line=lambda line: print(line, flush=True),
                    orphan_grace=0.2)
print(p.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["master", "keeper"])
@pytest.mark.skipif(sys.platform == "darwin", reason="a killed keeper is noticed on Linux alone")
def test_kill_9_of_master_or_keeper_leaves_nothing(victim: str) -> None:
    master = subprocess.Popen(
        [sys.executable, "-c", MASTER.format(repo=str(REPO), code=STUBBORN)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert master.stdout is not None
    words: set[str] = set()
    while "ready" not in words or len(words) < 3:
        words.add(master.stdout.readline().strip())
    pids = [int(word) for word in words if word.isdigit()]
    parents = subprocess.run(
        ["ps", "-o", "pid=,ppid=", "-p", ",".join(map(str, pids))],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = [line.split() for line in parents.stdout.splitlines()]
    keeper = next(int(pid) for pid, parent in pairs if int(parent) == master.pid)
    try:
        os.kill(master.pid if victim == "master" else keeper, signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in pids))
    finally:
        master.kill()
        master.wait()
        master.stdout.close()


def test_a_callback_that_fails_does_not_block_the_command(caplog: pytest.LogCaptureFixture) -> None:
    seen = threading.Event()

    def fail(line: str) -> None:
        seen.set()
        raise ValueError(line)

    code = "for _ in range(20000): print('x' * 50)"
    process = processes.start([*PYTHON, code], env=ENVIRONMENT, on_line=fail)
    assert process.wait(60) == 0
    assert seen.is_set()
    told = [r.getMessage() for r in caplog.records if f"process {process.pid} " in r.getMessage()]
    assert told == [
        f"a line of process {process.pid} was not taken",
        f"20000 lines of process {process.pid} were not taken",
    ]
