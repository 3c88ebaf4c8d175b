"""Which ports containers get."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from localcloud.sagemaker import server
from localcloud.sagemaker.server import PORTS, free_port


def test_ports_are_none_that_the_system_gives_away_meanwhile() -> None:
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert all(port in PORTS for port in given)
    systems = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if systems.exists():
        assert max(given) < int(systems.read_text().split()[0])


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "_PORTS_IN_TURN", iter([port, 21_000, 21_001, 21_002]))
        assert free_port() in (21_000, 21_001, 21_002)
