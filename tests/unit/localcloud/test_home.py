from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from localcloud.home import (
    HOST,
    Home,
    HomeInUse,
    Lock,
    PortInUse,
    Ports,
    Running,
    endpoint_env,
    listen,
    venv_python,
)


def running(pid: int = 1) -> Running:
    return Running(pid, 5000, "us-east-1", 12.5)


def test_sagemaker_listens_one_port_up() -> None:
    assert endpoint_env(Ports(5000), "eu-west-1") == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
        "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:5001",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:5001",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
    }


def test_a_shell_reads_env_as_it_was_written(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    values = {"PLAIN": "http://x/y", "ODD": 'it\'s "quoted" $HOME `id` #no', "EMPTY": ""}
    home.write_env(values)
    assert home.read_env() == values
    script = '. "$1" && printf "%s\\n" "$PLAIN" "$ODD" "$EMPTY"'
    shell = ["sh", "-c", script, "sh", str(home.env_file)]
    said = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == list(values.values())


def test_env_that_was_not_written_is_empty(tmp_path: Path) -> None:
    assert Home.at(tmp_path).read_env() == {}


def test_writing_env_again_leaves_one_file(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.write_env({"A": "1"})
    home.write_env({"B": "2"})
    assert home.read_env() == {"B": "2"}
    assert os.listdir(tmp_path) == ["env"]


def test_only_one_cloud_holds_a_home(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    assert home.running() is None
    lock = Lock(home, running(7))
    assert home.running() == running(7)
    with pytest.raises(HomeInUse, match="process 7, port 5000"):
        Lock(home, running(8))
    assert home.running() == running(7)
    lock.release()
    assert home.running() is None
    Lock(home, running(9)).release()


def test_a_cloud_counts_as_ready_once_it_says_so(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    lock = Lock(home, running(7))
    home.mark_ready(running(7))
    found = home.running()
    assert found is not None
    assert found.ready
    lock.release()
    assert home.running() is None


def test_what_a_killed_cloud_said_does_not_count_for_the_next(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    home.mark_ready(running(7))
    home.lock_file.write_text("left by a killed cloud")
    assert home.running() is None
    lock = Lock(home, running(8))
    assert lock.left_over
    assert home.running() == running(8)
    lock.release()
    clean = Lock(home, running(9))
    assert not clean.left_over
    clean.release()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"port {port} \(SageMaker\).*--port N"):
            listen(port, "SageMaker", port - 1)


def test_environments_lie_where_the_variable_says(tmp_path: Path) -> None:
    found = venv_python("ministack", {"PIGEONHOLE_VENVS": str(tmp_path)})
    assert found == tmp_path / "ministack" / "bin" / "python"
    assert venv_python("ministack", {}).parts[-4:] == (".venvs", "ministack", "bin", "python")
