"""A SageMaker of the tests' own beside a real MiniStack (for S3), and botocore clients of both."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
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

from .fakes import ACCOUNT, FakeAccess, FakeEvents, FakeLogs, FakeMetrics

REPO = Path(__file__).resolve().parents[3]
VENVS = Path(os.environ.get("PIGEONHOLE_VENVS", REPO / ".venvs"))
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
PATIENCE = 30.0  # seconds until a condition that should come true counts as failed


def wait_until(condition: Callable[[], Any], what: str = "condition") -> Any:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never came true: {what}")


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


@dataclass
class Running:
    """A SageMaker that runs, and how to talk to it."""

    home: Path
    s3_url: str
    bucket: str
    access: FakeAccess = field(default_factory=FakeAccess)
    events: FakeEvents = field(default_factory=FakeEvents)
    logs: FakeLogs = field(default_factory=FakeLogs)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    trouble: Rules = field(default_factory=Rules)
    timeouts: Timeouts = field(
        default_factory=lambda: Timeouts(
            stop_job=1.0, stop_server=2.0, serverless_start=4.0, instance_start=4.0, invocation=2.0
        )
    )
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

    def put(self, key: str, body: bytes | str) -> str:
        """Put an object; returns its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    def artifact(self, **files: str) -> str:
        """Put a model.tar.gz with these files; returns its URI."""
        return self.put(f"models/{uuid.uuid4().hex}/model.tar.gz", pack(files))

    def model(self, **files: str) -> str:
        """A model over the test server, whose artifact has these files; returns its name."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        self.api.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": "test/server:1", "ModelDataUrl": self.artifact(**files)},
        )
        return name

    def config(self, model: str, **variant: Any) -> str:
        """A serverless endpoint config (or with `variant`'s members); returns its name."""
        name = f"c-{uuid.uuid4().hex[:8]}"
        size = variant or {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        self.api.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": model, **size}],
        )
        return name

    def endpoint(self, name: str, /, **files: str) -> str:
        """An endpoint in service over a model with these files."""
        config = self.config(self.model(**files))
        self.api.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.endpoint_settles(name)
        return config

    def endpoint_settles(self, name: str) -> dict[str, Any]:
        def settled() -> Any:
            found = self.api.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        return wait_until(settled, f"endpoint {name} settles")

    def train(self, name: str, *, wait: bool = True, **changes: Any) -> dict[str, Any]:
        """Create a training job of the test trainer and wait for its end."""
        self.api.create_training_job(**self.training_request(name, **changes))
        return self.training_ends(name) if wait else {}

    def training_request(self, name: str, **changes: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "test/trainer:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "loss", "Regex": r"loss=([0-9.]+);"},
                    {"Name": "accuracy", "Regex": r"accuracy=(\S+);"},
                ],
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/models/"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }

    def training_ends(self, name: str) -> dict[str, Any]:
        def ended() -> Any:
            found = self.api.describe_training_job(TrainingJobName=name)
            return found if found["TrainingJobStatus"] in _ENDS else None

        return wait_until(ended, f"training job {name} ends")

    def transform_ends(self, name: str) -> dict[str, Any]:
        def ended() -> Any:
            found = self.api.describe_transform_job(TransformJobName=name)
            return found if found["TransformJobStatus"] in _ENDS else None

        return wait_until(ended, f"transform job {name} ends")


_ENDS = ("Completed", "Failed", "Stopped")


def pack(files: dict[str, str]) -> bytes:
    """A .tar.gz of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpack(archive: bytes) -> dict[str, str]:
    """The files of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: tar.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in tar.getmembers()
            if member.isfile()
        }


@pytest.fixture(scope="module")
def sagemaker(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests of a module: they use names of their own."""
    with running(s3_url, tmp_path_factory.mktemp("home")) as found:
        yield found


@contextlib.contextmanager
def running(s3_url: str, home: Path) -> Iterator[Running]:
    """Start, and stop at the end."""
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    client("s3", s3_url).create_bucket(Bucket=bucket)
    found = Running(home, s3_url, bucket)
    found.start()
    try:
        yield found
    finally:
        found.stop()
