"""Which ports containers get."""

from __future__ import annotations

import socket

import pytest

from localcloud.sagemaker import server
from localcloud.sagemaker.server import PORTS, free_port


def test_no_two_containers_get_the_same_port_nor_one_of_the_systems_own() -> None:
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert all(port in PORTS for port in given)


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "_PORTS_IN_TURN", iter([port, 21_000, 21_001, 21_002]))
        assert free_port() in (21_000, 21_001, 21_002)
