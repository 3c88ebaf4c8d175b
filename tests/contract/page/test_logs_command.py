"""`pigeonhole logs` on a local cloud with real jobs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from localcloud.home import endpoint_env
from tests.contract.localcloud.clouds import REGION, REPOSITORY
from tests.contract.page.world import World


@pytest.fixture
def deployed(world: World) -> World:
    """The cloud with an env file, as a deployment leaves it."""
    service = {"PIGEONHOLE_STAGE": "local", "PIGEONHOLE_BUCKET": "b", "PIGEONHOLE_API": "http://a"}
    world.cloud.home.write_env({**endpoint_env(world.cloud.ports, REGION), **service})
    return world


def pigeonhole(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--home", str(world.cloud.home.root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )


def test_what_a_job_printed_is_printed_and_following_ends_with_it(deployed: World) -> None:
    name = deployed.train("one", "two \x1b[31mred\x1b[0m")
    followed = pigeonhole(deployed, "logs", name, "--follow")
    assert (followed.returncode, followed.stdout) == (0, "one\ntwo red\n")
    newest = pigeonhole(deployed, "logs")
    assert (newest.returncode, newest.stdout) == (0, "one\ntwo red\n")
    assert newest.stderr.strip() == f"{name}:"


def test_a_job_that_printed_nothing_and_one_that_never_was(deployed: World) -> None:
    name = deployed.train()
    deployed.has_ended(name)
    silent = pigeonhole(deployed, "logs", name)
    assert (silent.returncode, silent.stdout) == (0, "")
    assert "has printed nothing yet" in silent.stderr
    nobody = pigeonhole(deployed, "logs", "nobody")
    assert nobody.returncode == 1
    assert "no training job, batch transform job or endpoint nobody" in nobody.stderr


def test_status_can_be_watched_in_a_terminal_only(deployed: World) -> None:
    done = pigeonhole(deployed, "status", "--watch")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
