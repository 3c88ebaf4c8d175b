"""A MiniStack of our own with IAM enforced, and the packages of this repository."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from cli.stack.deploy import Deployed, deploy
from cli.stack.package import Package, package
from localcloud.home import Home, Ports
from localcloud.ministack import launch
from localcloud.ministack.server import MiniStack

REPO = Path(__file__).resolve().parents[3]
VENVS = Path(os.environ.get("PIGEONHOLE_VENVS", REPO / ".venvs"))
MINISTACK_PYTHON = VENVS / "ministack" / "bin" / "python"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="session")
def packaged(build: Path) -> Callable[[str], Package]:
    """Packages a stage, once a stage."""
    return lambda stage: package(REPO, stage, build)


class Cloud:
    """A MiniStack that can be ended and started again on the same folder, on another port too."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._running: MiniStack | None = None
        home.logs.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        ports = Ports(_free_port())
        environment = launch.environment(self._home, ports, "us-east-1", "token", os.environ)
        self._running = MiniStack(
            self._home,
            ports,
            command=launch.command(MINISTACK_PYTHON),
            environment=environment,
            on_give_up=pytest.fail,
        )
        self._running.start()
        self.endpoint = ports.gateway_url

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    running = Cloud(Home.at(tmp_path_factory.mktemp("cloud")))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def session(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """As the account's root, by the environment, as a user's shell after `. .local/env`."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return boto3.Session()


@pytest.fixture
def deployed(session: boto3.Session, build: Path) -> Deployed:
    """Stage local, deployed: the first time for real, later without changes."""
    return deploy(session, REPO, "local", build)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
