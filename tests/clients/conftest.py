"""One local cloud, IAM on, for clients that know nothing of it but what `.local/env` says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.local.conftest import REPO, Cloud, free_port_pair

# The SDK has an environment of its own (`.venvs/clients`); elsewhere its tests cannot be read.
collect_ignore_glob = [] if find_spec("sagemaker") else ["test_sdk_*.py"]

TEST_IMAGES = REPO / "tests" / "contract" / "sagemaker" / "images" / "test.toml"
TRAINER = "test/trainer:1"
SERVER = "test/server:1"
# ModelTrainer's scripts spell out /opt/ml: a container must have one of its own.
needs_opt_ml = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-rmu", "true"], check=False, capture_output=True).returncode
    != 0,
    reason="no user namespaces here",
)
_OURS = ("AWS_", "SAGEMAKER_", "PIGEONHOLE_")


class Tripwire:
    """An HTTP proxy that lets nothing through: `calls` are the requests that left the machine."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.calls.append(connection.recv(500).split(b"\r\n")[0].decode(errors="replace"))
                connection.sendall(b"HTTP/1.1 502 Tripwire\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A local cloud whose folder names the tests' images beside the project's own."""
    home = tmp_path_factory.mktemp("cloud") / "home"
    home.mkdir()
    (home / "images.toml").write_text(TEST_IMAGES.read_text())
    cloud = Cloud(home, free_port_pair())
    cloud.up()
    try:
        yield cloud
    finally:
        cloud.down()


@pytest.fixture(scope="session")
def tripwire() -> Iterator[Tripwire]:
    wire = Tripwire()
    yield wire
    wire.close()


@pytest.fixture(scope="session")
def env(
    cloud: Cloud, tripwire: Tripwire, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What a shell has after `. .local/env`; what a client sends elsewhere meets the tripwire."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    clean["HOME"] = str(tmp_path_factory.mktemp("user"))
    proxy = {"HTTPS_PROXY": tripwire.url, "HTTP_PROXY": tripwire.url, "NO_PROXY": "127.0.0.1"}
    proxy |= {name.lower(): value for name, value in proxy.items()}
    shell = subprocess.run(
        ["sh", "-c", '. "$1" && env -0', "sh", str(cloud.home / "env")],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, **proxy},
    )
    pairs = (line.split("=", 1) for line in shell.stdout.split("\0") if line)
    return dict(pairs)


@pytest.fixture(scope="session")
def role(cloud: Cloud) -> str:
    """A role for jobs and models: SageMaker may take it; it may what the SDK asks of such roles."""
    iam = cloud.client("iam")
    trust = {"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ours = {"StringEquals": {"aws:SourceAccount": "000000000000"}}  # as the SDK makes its roles
    allowed = [f"{service}:*" for service in ("s3", "logs", "cloudwatch", "ecr", "ec2")]
    made = iam.create_role(
        RoleName="clients", AssumeRolePolicyDocument=_policy(**trust, Condition=ours)
    )
    policy = _policy(Action=allowed, Resource="*")
    iam.put_role_policy(RoleName="clients", PolicyName="jobs", PolicyDocument=policy)
    arn: str = made["Role"]["Arn"]
    return arn


def _policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.fixture(scope="session")
def bucket(cloud: Cloud) -> str:
    """A bucket of the tests' own."""
    name = f"clients-{uuid.uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names that no other test has."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="session")
def artifact(cloud: Cloud, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model.tar.gz for the tests' server; its answers begin with `client:`."""
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "name").write_text("client")
    subprocess.run(
        ["tar", "-C", str(folder), "-czf", str(folder / "model.tar.gz"), "name"], check=True
    )
    cloud.client("s3").upload_file(str(folder / "model.tar.gz"), bucket, "models/model.tar.gz")
    return f"s3://{bucket}/models/model.tar.gz"


@pytest.fixture(scope="session")
def sdk(env: dict[str, str], tripwire: Tripwire) -> Iterator[None]:
    """This process as a user's: the SDK reads the environment. Nothing may leave the machine."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
        assert tripwire.calls == []
    finally:
        os.environ.clear()
        os.environ.update(before)
