"""Addresses for the hosts of jobs, where the system helps and where it does not."""

from __future__ import annotations

import socket
import sys

import pytest

from localcloud.sagemaker import network

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="one loopback address on this system"
)


def yes() -> bool:
    return True


def no() -> bool:
    return False


@linux
def test_no_two_hosts_have_the_same_address() -> None:
    names = [f"algo-{number}" for number in range(1, 21)]
    with (
        network.lease(names, own_hosts_file=yes) as first,
        network.lease(names, own_hosts_file=yes) as second,
    ):
        assert [*first] == [*second] == names
        addresses = {*first.values(), *second.values()}
        assert len(addresses) == 40
        assert all(address.startswith("127.77.") for address in addresses)


@linux
def test_two_hosts_may_listen_on_the_same_port() -> None:
    with network.lease(["algo-1", "algo-2"], own_hosts_file=yes) as hosts:
        one, two = hosts.values()
        with socket.create_server((one, 0)) as first:
            socket.create_server((two, first.getsockname()[1])).close()


def test_one_host_needs_nothing_of_the_system() -> None:
    with network.lease(["algo-1"], own_hosts_file=no) as hosts:
        assert hosts == {"algo-1": "127.0.0.1"}


def test_several_hosts_need_names_that_resolve() -> None:
    def unknown(_: str) -> str:
        raise socket.gaierror(8, "nodename nor servname provided, or not known")

    with (
        pytest.raises(network.NoNetwork, match=r"A job of 2 hosts needs names .* algo-1 does not"),
        network.lease(["algo-1", "algo-2"], own_hosts_file=no, look_up=unknown),
    ):
        pass


@linux
def test_names_that_the_system_resolves_serve_one_job_at_a_time() -> None:
    known = {"algo-1": "127.0.0.1", "algo-2": "127.78.0.2"}
    names = [*known]
    with network.lease(names, own_hosts_file=no, look_up=known.__getitem__) as hosts:
        assert hosts == known
        with (
            pytest.raises(network.NoNetwork, match=r"one job of several hosts runs at a time"),
            network.lease(names, own_hosts_file=no, look_up=known.__getitem__),
        ):
            pass
    with network.lease(names, own_hosts_file=no, look_up=known.__getitem__) as hosts:
        assert hosts == known


@pytest.mark.parametrize("second", ["127.0.0.1", "192.0.2.7"])
def test_names_need_loopback_addresses_of_their_own(second: str) -> None:
    known = {"algo-1": "127.0.0.1", "algo-2": second}
    with (
        pytest.raises(network.NoNetwork, match=f"algo-2 needs .* of its own, not {second}"),
        network.lease([*known], own_hosts_file=no, look_up=known.__getitem__),
    ):
        pass


def test_the_jobs_names_come_before_the_systems() -> None:
    content = network.hosts_file({"algo-1": "127.77.1.1"}, "10.0.0.9\talgo-1\n")
    assert content.splitlines() == [
        "127.0.0.1\tlocalhost",
        "127.77.1.1\talgo-1",
        "10.0.0.9\talgo-1",
    ]
