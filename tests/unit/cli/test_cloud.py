"""Two starts of one local cloud at the same moment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import cloud
from localcloud.home import Home, Lock, Running

PORT = 45123  # nothing listens there: the faster cloud only holds the home


class Contested(Home):
    """A home that another cloud takes just after `up` has found it free.

    That cloud answers some looks after the slower one has ended.
    """

    def make(self) -> None:
        super().make()
        LOCKS.append(Lock(Home(self.root), FASTER))

    def running(self) -> Running | None:
        found = super().running()
        start_log = self.logs / "start.log"
        if start_log.exists() and "already runs" in start_log.read_text():
            LOOKS.append(found)
        if len(LOOKS) == 20:
            self.mark_ready(FASTER)
        return found


FASTER = Running(os.getpid(), PORT, "us-east-1", time.time())
LOCKS: list[Lock] = []
LOOKS: list[Running | None] = []


@pytest.fixture
def contested(tmp_path: Path) -> Iterator[Home]:
    yield Contested(tmp_path.resolve())
    while LOCKS:
        LOCKS.pop().release()
    LOOKS.clear()


@pytest.mark.parametrize("port", [None, PORT])
def test_the_slower_of_two_starts_finds_the_cloud_of_the_faster(
    contested: Home, port: int | None
) -> None:
    found = cloud.up(contested, port)
    assert (found.pid, found.gateway, found.ready) == (os.getpid(), PORT, True)


def test_the_slower_of_two_starts_is_told_of_another_port(contested: Home) -> None:
    with pytest.raises(cloud.OtherCloud, match=f"on port {PORT}"):
        cloud.up(contested, PORT + 10)


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(cloud.CloudNotStarted, match=rf"^port {port} .*is in use"):
            cloud.up(Home.at(tmp_path), port)
