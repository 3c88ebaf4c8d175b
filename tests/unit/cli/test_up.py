"""What `pigeonhole up` prints for a person to go on with, and one deployment at a time."""

from __future__ import annotations

import fcntl
import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from cli.commands.drop import left_behind
from cli.commands.up import alone, print_next_steps
from cli.stack.deploy import Deployed
from cli.target import Target
from localcloud.home import Home

DEPLOYED = Deployed(
    stage="local",
    stack="pigeonhole-local",
    bucket="bucket",
    api="http://127.0.0.1:4566/api",
    table="table",
    events_queue_url="http://127.0.0.1:4566/events",
    work_queue_url="http://127.0.0.1:4566/work",
    code_version="0",
    api_key_id="key",
    outputs={},
    changed=True,
)


def next_steps(home: Path | None) -> str:
    out = io.StringIO()
    print_next_steps(DEPLOYED, home, Console(file=out, width=200, markup=False, highlight=False))
    return out.getvalue()


def test_next_steps_can_be_pasted_where_the_home_has_a_space() -> None:
    printed = next_steps(Path("/tmp/home two"))
    assert "dataset.json --home '/tmp/home two'\n" in printed
    assert ". '/tmp/home two/env' " in printed
    assert "pigeonhole down --home '/tmp/home two'\n" in printed


def test_next_steps_leave_the_default_home_away() -> None:
    assert "--home" not in next_steps(None)
    assert ". .local/env " in next_steps(None)


def test_next_steps_name_the_page(tmp_path: Path) -> None:
    Home.at(tmp_path).write_env({"AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:4567"})
    assert "  page      http://127.0.0.1:4567/ " in next_steps(tmp_path)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Target("local", "b", "a", Path(".local"), {"A": "b"}), "pigeonhole status"),
        (Target("local", "b", "a", None, {"A": "b"}), "pigeonhole status"),
        (Target("local", "b", "a", Path("a b"), {"A": "b"}), "pigeonhole status --home 'a b'"),
        (Target("dev", "b", "a"), "pigeonhole status --stage dev"),
    ],
)
def test_hints_mean_the_cloud_that_the_command_meant(target: Target, command: str) -> None:
    assert f"`{command}`" in left_behind("letters", target)


def test_one_deployment_at_a_time(tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    with alone(tmp_path), pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
