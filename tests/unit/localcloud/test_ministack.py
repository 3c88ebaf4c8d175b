"""MiniStack's watcher, with real processes in MiniStack's place."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.home import Home, Ports
from localcloud.ministack import launch
from localcloud.ministack.server import MiniStack
from localcloud.sagemaker.server import free_port

# Each start takes the next word of PLAN (the last one for good): serve, end or hang.
SCRIPT = """
import os, pathlib, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
starts = pathlib.Path(os.environ["STARTS"])
with starts.open("a") as file:
    file.write(f"{os.getpid()}\\n")
plan = os.environ["PLAN"].split()
role = plan[min(len(starts.read_text().splitlines()), len(plan)) - 1]
if role == "end":
    sys.exit(3)
if role == "hang":
    time.sleep(600)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Watched:
    """A MiniStack on SCRIPT."""

    def __init__(self, folder: Path, plan: str, start_seconds: float) -> None:
        self.gave_up: list[str] = []
        self._starts = folder / "starts"
        ports = Ports(free_port())
        environment = {
            "PATH": os.environ["PATH"],
            "STARTS": str(self._starts),
            "PLAN": plan,
            "PORT": str(ports.gateway),
        }
        self.server = MiniStack(
            Home.at(folder),
            ports,
            command=[sys.executable, "-c", SCRIPT],
            environment=environment,
            on_give_up=self.gave_up.append,
            start_seconds=start_seconds,
        )

    def pids(self) -> list[int]:
        return [int(pid) for pid in self._starts.read_text().splitlines()]

    def kill(self) -> None:
        os.kill(self.pids()[-1], 9)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(plan: str, start_seconds: float = 60.0) -> Watched:
        made.append(Watched(tmp_path, plan, start_seconds))
        made[-1].server.start()
        return made[-1]

    yield start
    for watched in made:
        watched.server.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def watchers() -> int:
    """Threads that still handle the end of a process or watch one."""
    return sum(thread.name.startswith("exit-") for thread in threading.enumerate())


def test_an_end_while_it_starts_again_is_one_more_restart(
    watch: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    watched = watch("serve end end serve")
    watched.kill()
    wait_for(lambda: "MiniStack is back" in caplog.text)
    wait_for(lambda: watchers() == 1)  # whoever waited for one of the ended ones is through
    assert len(watched.pids()) == 4
    assert watched.gave_up == []


def test_a_fourth_end_within_a_minute_is_the_last(watch: Callable[..., Watched]) -> None:
    watched = watch("serve end")
    watched.kill()
    wait_for(lambda: bool(watched.gave_up))
    wait_for(lambda: watchers() == 0)
    assert watched.gave_up == ["MiniStack ended 4 times (status 3)"]
    assert len(watched.pids()) == 4


def test_a_restart_that_never_answers_is_given_up(watch: Callable[..., Watched]) -> None:
    watched = watch("serve hang", 5.0)
    watched.kill()
    wait_for(lambda: bool(watched.gave_up))
    assert "did not answer in time" in watched.gave_up[0]


def test_what_a_killed_run_left_is_out_of_the_way_at_once_and_removed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for _ in range(2):
        launch.prepare(home)
        (home.ministack / "tmp" / "worker").mkdir()
    launch.prepare(home)
    assert list((home.ministack / "tmp").iterdir()) == []
    deadline = time.monotonic() + 10
    while list(home.ministack.glob("tmp-*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
