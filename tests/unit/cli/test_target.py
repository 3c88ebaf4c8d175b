"""Which cloud a command talks to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.errors import NotDeployed, NotRunning
from cli.target import LocalSession, Target, find_target
from localcloud.home import Home, Lock, Running


@pytest.fixture(autouse=True)
def no_cloud_in_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ENDPOINT_URL", "PIGEONHOLE_BUCKET", "PIGEONHOLE_API", "PIGEONHOLE_STAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def listening() -> Iterator[str]:
    """The URL of a port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def env(url: str, bucket: str = "pigeonhole-local-0-us-east-1") -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:2",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PIGEONHOLE_STAGE": "local",
        "PIGEONHOLE_BUCKET": bucket,
        "PIGEONHOLE_API": f"{url}/api/",
    }


def test_env_file_of_home_names_the_cloud(listening: str, tmp_path: Path) -> None:
    Home.at(tmp_path / "other").write_env(env(listening))
    target = find_target(tmp_path / "other")
    assert (target.stage, target.local, target.api) == ("local", True, f"{listening}/api")


def test_home_wins_over_environment_and_environment_over_default(
    listening: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Home.at(tmp_path / ".local").write_env(env(listening, "default"))
    Home.at(tmp_path / "named").write_env(env(listening, "named"))
    assert find_target().bucket == "default"
    for name, value in env(listening, "environment").items():
        monkeypatch.setenv(name, value)
    assert find_target().bucket == "environment"
    assert find_target(Path("named")).bucket == "named"


def test_no_cloud_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"pigeonhole up$"):
        find_target()
    with pytest.raises(NotRunning, match=r"pigeonhole up --home 'other place'$"):
        find_target(Path("other place"))


def test_cloud_without_the_service_says_how_to_deploy(tmp_path: Path) -> None:
    lock = Lock(Home.at(tmp_path / "a b"), Running(os.getpid(), 4566, "us-east-1", 0.0))
    try:
        with pytest.raises(NotDeployed, match=r"runs .* not deployed .* up --home 'a b'$"):
            find_target(Path("a b"))
    finally:
        lock.release()


def test_stopped_cloud_says_how_to_start_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    Home.at(tmp_path / ".local").write_env(env(url))
    with pytest.raises(NotRunning, match=r"Nothing answers at .* pigeonhole up$"):
        find_target()


def test_local_clients_ignore_the_users_own_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-real-account")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    target = Target("local", "bucket", "api", None, env("http://127.0.0.1:9"))
    s3 = target.client("s3")
    assert s3.meta.endpoint_url == "http://127.0.0.1:9"
    assert target.client("sagemaker").meta.endpoint_url == "http://127.0.0.1:1"
    assert target.client("sagemaker-runtime").meta.endpoint_url == "http://127.0.0.1:2"
    credentials = LocalSession(target.env).get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("test", None)
