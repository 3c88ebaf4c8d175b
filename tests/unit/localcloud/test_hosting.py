"""Fleets of containers, with time and containers of the test's own."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from localcloud.sagemaker.hosting.fleet import Fleet, Lease, NewServer, Throttled
from localcloud.sagemaker.hosting.instances import LEAST_BUSY, InstanceFleet
from localcloud.sagemaker.hosting.serverless import ServerlessFleet
from localcloud.sagemaker.server import ModelServer, NotHealthy


class Clock:
    """Time stands still but for `time`."""

    time = 1000.0

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(0)


class Server:
    """A container that starts at once, or never."""

    def __init__(self, healthy: bool) -> None:
        self.healthy = healthy
        self.running = False
        self.started = threading.Event()
        self.stopped = threading.Event()

    def ensure(self) -> None:
        self.started.set()
        if not self.healthy:
            raise NotHealthy("no ping")
        self.running = True

    def stop(self, grace: float | None = None) -> None:
        self.running = False
        self.stopped.set()


class Servers:
    """Makes servers, and remembers them."""

    def __init__(self) -> None:
        self.all: list[Server] = []
        self.healthy = True

    def __call__(self, cancelled: threading.Event) -> ModelServer:
        self.all.append(Server(self.healthy))
        return cast("ModelServer", self.all[-1])

    @property
    def running(self) -> int:
        return sum(server.running for server in self.all)


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def serverless(
    servers: Servers, clock: Clock, limit: int = 5, provisioned: int = 0
) -> ServerlessFleet:
    return ServerlessFleet(
        cast("NewServer", servers),
        clock,
        max_concurrency=limit,
        provisioned=provisioned,
        idle=60,
        cpus=3,
    )


def take(fleet: Fleet) -> Lease:
    """A lease of a container that runs then, as an invocation makes it run."""
    lease = fleet.lease()
    lease.server.ensure()
    return lease


def give_back(fleet: Fleet, *leases: Lease) -> None:
    for lease in leases:
        with fleet.returned(lease):
            pass


def test_more_than_max_concurrency_is_throttled(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock, limit=2)
    first, second = take(fleet), take(fleet)
    assert first.server is not second.server
    with pytest.raises(Throttled):
        fleet.lease()
    give_back(fleet, first)
    assert take(fleet).server is first.server
    assert len(servers.all) == 2


def test_more_calls_than_the_machine_has_cpus_share_containers(
    servers: Servers, clock: Clock
) -> None:
    fleet = serverless(servers, clock, limit=100)
    leases = [take(fleet) for _ in range(6)]
    assert len(servers.all) == 3
    assert sorted(lease.slot.busy for lease in leases) == [2] * 6


def test_idle_containers_end_and_busy_ones_do_not(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock)
    busy, idle = take(fleet), take(fleet)
    give_back(fleet, idle)
    clock.time += 59
    fleet.tend(clock.now())
    assert fleet.view.containers == 2
    clock.time += 1
    fleet.tend(clock.now())
    assert fleet.view.containers == 1
    assert servers.all[1].stopped.wait(5)
    give_back(fleet, busy)
    clock.time += 60
    fleet.tend(clock.now())
    assert fleet.view.containers == 0


def test_the_container_used_last_is_used_again(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock)
    older, newer = take(fleet), take(fleet)
    give_back(fleet, older)
    clock.time += 1
    give_back(fleet, newer)
    assert take(fleet).server is newer.server


def test_provisioned_containers_stay_and_come_first(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock, provisioned=1)
    fleet.start()
    own, spilled = take(fleet), take(fleet)
    assert (own.provisioned, spilled.provisioned) == (True, False)
    assert (own.view.provisioned_busy, spilled.view.busy) == (1, 2)
    give_back(fleet, own, spilled)
    clock.time += 3600
    fleet.tend(clock.now())
    assert (fleet.view.containers, fleet.view.running) == (1, 1)
    assert take(fleet).server is own.server


def test_provisioned_container_that_died_is_started_again(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock, provisioned=1)
    fleet.start()
    servers.all[0].running = False
    servers.all[0].started.clear()
    fleet.tend(clock.now())
    assert servers.all[0].started.wait(5)


def test_serverless_fleet_is_resized(servers: Servers, clock: Clock) -> None:
    fleet = serverless(servers, clock, limit=1)
    fleet.resize(3, 2)
    assert (fleet.view.limit, fleet.view.provisioned, servers.running) == (3, 2, 2)
    fleet.resize(3, 0)
    clock.time += 60
    fleet.tend(clock.now())
    assert fleet.view.containers == 0


def test_fleet_that_cannot_grow_stays_as_it_was(servers: Servers, clock: Clock) -> None:
    fleet = InstanceFleet(cast("NewServer", servers), clock, count=1)
    fleet.start()
    servers.healthy = False
    with pytest.raises(NotHealthy):
        fleet.resize(3, patience=1)
    assert fleet.view.containers == 1
    assert all(server.stopped.is_set() for server in servers.all[1:])


def test_least_busy_instance_gets_the_request(servers: Servers, clock: Clock) -> None:
    fleet = InstanceFleet(cast("NewServer", servers), clock, count=3, routing=LEAST_BUSY)
    fleet.start()
    assert len({id(take(fleet).server) for _ in range(3)}) == 3


def test_dead_instance_gets_no_request(servers: Servers, clock: Clock) -> None:
    fleet = InstanceFleet(cast("NewServer", servers), clock, count=2)
    fleet.start()
    servers.all[0].running = False
    for _ in range(20):
        assert fleet.lease().server is cast("ModelServer", servers.all[1])


def test_fewer_instances_let_requests_end_first(servers: Servers, clock: Clock) -> None:
    fleet = InstanceFleet(cast("NewServer", servers), clock, count=2)
    fleet.start()
    leases = [take(fleet) for _ in range(30)]
    shrinking = threading.Thread(target=fleet.resize, args=(1, 5.0))
    shrinking.start()
    give_back(fleet, *leases)
    shrinking.join(5)
    assert servers.running == 1
    assert fleet.lease().server is cast("ModelServer", servers.all[0])


def test_stopped_fleet_starts_nothing(servers: Servers, clock: Clock) -> None:
    fleet = InstanceFleet(cast("NewServer", servers), clock, count=1)
    fleet.stop()
    servers.all[0].started.clear()
    fleet.tend(clock.now())
    with pytest.raises(NotHealthy):
        fleet.resize(2, patience=1)
    assert not servers.all[0].started.is_set()
