"""A real local cloud, started as a user starts it, and what tests need around it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from localcloud.access import IamAccess
from localcloud.clients import clients
from localcloud.home import ROOT_KEY, ROOT_SECRET, Home, Ports
from localcloud.ministack.launch import BRIDGE_TOKEN

REPOSITORY = Path(__file__).parents[3]
REGION = "us-east-1"


def free_port() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Return the first truthy answer of `condition`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds:.0f} s for {what}")


class LocalCloud:
    """`python -m localcloud` on one folder; started and stopped as often as a test likes."""

    def __init__(self, home: Home, port: int) -> None:
        self.home = home
        self.ports = Ports(port)
        self.client = clients(self.ports, REGION)
        self.process: subprocess.Popen[str] | None = None

    def launch(self, **environment: str) -> subprocess.Popen[str]:
        """Start it without waiting."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "localcloud", "--home", str(self.home.root)),
                *("--port", str(self.ports.gateway)),
            ],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def start(self, **environment: str) -> LocalCloud:
        """Start it and wait until it answers."""
        process = self.launch(**environment)

        def ready() -> bool:
            if process.poll() is not None and process.stderr is not None:
                pytest.fail(f"the cloud ended: {process.stderr.read()}")
            found = self.home.running()
            return found is not None and found.ready and found.pid == process.pid

        wait_for(ready, "the cloud", 60)
        return self

    def processes(self) -> list[psutil.Process]:
        """The cloud and everything that it started."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def access(self, token: str = "") -> IamAccess:
        """IAM as this cloud's SageMaker asks it, with its token or another one."""
        tokens = (p.environ().get(BRIDGE_TOKEN, "") for p in self.processes()[1:])
        return IamAccess(
            self.ports, REGION, token or next(found for found in tokens if found), self.client
        )

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if self.process is not None and self.process.stderr is not None:
            self.process.stderr.close()


def user(cloud: LocalCloud, service: str, attempts: int = 1, **keys: str) -> Any:
    """A user's client, which trouble meets; those of the cloud itself are spared.

    keys: boto3's `aws_access_key_id`, …; the root's by default
    """
    given = keys or {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_SECRET}
    ports = cloud.ports
    url = ports.sagemaker_url if service.startswith("sagemaker") else ports.gateway_url
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "path"},
        ),
        **given,
    )


def make_function(
    cloud: LocalCloud, name: str, code: str, action: str = "sqs:*", **env: str
) -> str:
    """A function `app.handler` with a role of its own; returns its ARN."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", code)
    trust = {"Service": "lambda.amazonaws.com"}
    iam = cloud.client("iam")
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(
            {"Statement": [{"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}]}
        ),
    )["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    arn: str = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": env},
        Timeout=20,
    )["FunctionArn"]
    return arn


Factory = Callable[..., LocalCloud]
