"""A SageMaker of the tests' own beside a real MiniStack (for S3), and botocore clients of both."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
import uvicorn
from botocore.config import Config

from localcloud import processes
from localcloud.images import Images
from localcloud.sagemaker import Timeouts, build_app
from localcloud.sagemaker.server import free_port
from localcloud.trouble import Rules

from .account import (
    REGION,
    TARGET,
    Account,
    RealAccount,
    wait_until,
)
from .fakes import ACCOUNT, FakeAccess, FakeEvents, FakeLogs, FakeMetrics

REPO = Path(__file__).resolve().parents[3]
VENVS = Path(os.environ.get("PIGEONHOLE_VENVS", REPO / ".venvs"))


def client(service: str, url: str, key: str = "test") -> Any:
    """A botocore client as a user's."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(
            retries={"max_attempts": 1}, read_timeout=60, s3={"addressing_style": "path"}
        ),
    )


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MiniStack of the session's own."""
    if TARGET.real:
        pytest.skip("needs the local SageMaker")
    port = free_port()
    state = tmp_path_factory.mktemp("ministack")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(state),
        "TMPDIR": str(state),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "false",
    }
    python = VENVS / "ministack" / "bin" / "python"
    lines: list[str] = []
    server = processes.start(
        [str(python), "-m", "ministack"], env=environment, cwd=state, on_line=lines.append
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if urllib3.request("GET", f"{url}/_ministack/health", retries=False).status == 200:
                    break
            assert server.poll() is None, "\n".join(lines)
            time.sleep(0.05)
        yield url
    finally:
        server.stop(grace=10)


# Starts have time on a machine that is full; what is to be seen timing out has little.
TIMEOUTS = Timeouts(
    stop_job=1.0,
    stop_server=2.0,
    serverless_start=60.0,
    instance_start=60.0,
    invocation=2.0,
    sync=0.1,
    instance_metrics=0.5,
)


@dataclass
class Running(Account):
    """A SageMaker of the tests' own that runs, and what is inside it."""

    home: Path
    s3_url: str
    bucket: str
    access: FakeAccess = field(default_factory=FakeAccess)
    events: FakeEvents = field(default_factory=FakeEvents)
    logs: FakeLogs = field(default_factory=FakeLogs)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    trouble: Rules = field(default_factory=Rules)
    timeouts: Timeouts = TIMEOUTS
    url: str = ""
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        app = build_app(
            access=self.access,
            events=self.events,
            logs=self.logs,
            metrics=self.metrics,
            trouble=self.trouble,
            images=Images.load(
                venvs=VENVS, repo=REPO, extra=[REPO / "tests/contract/sagemaker/images/test.toml"]
            ),
            home=self.home,
            region=REGION,
            account=ACCOUNT,
            url=self.url,
            endpoints={"AWS_ENDPOINT_URL": self.s3_url},
            timeouts=self.timeouts,
        )
        self.cloud = app.state.cloud
        self._server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        server = self._server
        wait_until(lambda: server.started, "SageMaker listens")
        self.api = client("sagemaker", self.url)
        self.runtime = client("sagemaker-runtime", self.url)
        self.s3 = client("s3", self.s3_url)

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def sagemaker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """One for the tests of a module: they use names of their own. It waits as long as the module's
    TIMEOUTS say, if there are any."""
    if TARGET.real:
        yield RealAccount()
        return
    timeouts = getattr(request.module, "TIMEOUTS", TIMEOUTS)
    home = tmp_path_factory.mktemp("home")
    with running(request.getfixturevalue("s3_url"), home, timeouts=timeouts) as found:
        yield found


@contextlib.contextmanager
def running(s3_url: str, home: Path, **members: Any) -> Iterator[Running]:
    """Start one with these members of `Running` (timeouts, …), and stop it at the end."""
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    client("s3", s3_url).create_bucket(Bucket=bucket)
    found = Running(home, s3_url, bucket, **members)
    found.start()
    try:
        yield found
    finally:
        found.stop()
