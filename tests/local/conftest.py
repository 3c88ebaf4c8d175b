"""A local cloud of the tests' own: its ports and folder leave a `pigeonhole up` alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

REPO = Path(__file__).parents[2]
SAMPLE = REPO / "docs" / "examples" / "fashion-mnist"
T = TypeVar("T")
_BESIDE = Path(sys.executable).with_name("pigeonhole")
PIGEONHOLE = _BESIDE if _BESIDE.exists() else REPO / ".venv" / "bin" / "pigeonhole"


def free_port_pair() -> int:
    """A port that is free together with the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, parsed JSON body, headers in lower case."""

    status: int
    body: Any
    headers: dict[str, str]


class Cloud:
    """A running local cloud, used as a person uses it: by the command, boto3 and HTTP."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port

    def command(
        self, *args: str, check: bool = True, timeout: float = 400
    ) -> subprocess.CompletedProcess[str]:
        """Run `pigeonhole` on this cloud; its output is in the failure's text."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PIGEONHOLE_"))}
        if "PIGEONHOLE_VENVS" in os.environ:
            clean["PIGEONHOLE_VENVS"] = os.environ["PIGEONHOLE_VENVS"]
        done = subprocess.run(
            [str(PIGEONHOLE), *args, "--home", str(self.home)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=clean,
            cwd=REPO,
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"pigeonhole {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def up(self) -> None:
        self.command("up", "--port", str(self.port))

    def down(self) -> None:
        self.command("down")

    @property
    def env(self) -> dict[str, str]:
        lines = (self.home / "env").read_text().splitlines()
        pairs = [line.removeprefix("export ").split("=", 1) for line in lines if "=" in line]
        return {name: value.strip("'\"") for name, value in pairs}

    def client(self, service: str) -> Any:
        """A boto3 client on this cloud, with the account's root keys."""
        env = self.env
        endpoint = env["AWS_ENDPOINT_URL"]
        if service.startswith("sagemaker"):
            endpoint = env["AWS_ENDPOINT_URL_SAGEMAKER"]
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=env["AWS_DEFAULT_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 2}),
        )

    @property
    def bucket(self) -> str:
        return self.env["PIGEONHOLE_BUCKET"]

    def http(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call the deployed API; an error status is an answer, not an exception."""
        request = urllib.request.Request(
            self.env["PIGEONHOLE_API"] + path, data=body, headers=headers or {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                raw, status, got = response.read(), response.status, response.headers
        except urllib.error.HTTPError as error:
            raw, status, got = error.read(), error.code, error.headers
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = raw.decode(errors="replace")
        return Answer(status, parsed, {k.lower(): v for k, v in got.items()})

    def dataset(self, name: str) -> dict[str, Any]:
        body: dict[str, Any] = self.http("GET", f"/datasets/{name}").body
        return body

    def put(self, key: str, body: bytes) -> str:
        """Put an object; its version id comes back."""
        put = self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        version: str = put["VersionId"]
        return version

    def ready(self, dataset: str) -> str:
        return self.put(f"datasets/{dataset}/_READY", b"")

    def settled(self, dataset: str, ready: str, timeout: float = 180) -> dict[str, Any]:
        """The dataset's status once the drop that ended with this `_READY` is through."""

        def through() -> dict[str, Any] | None:
            status = self.dataset(dataset)
            return status if status.get("settled") and status.get("ready") == ready else None

        return wait_for(through, f"dataset {dataset} to settle", timeout, self.why(dataset))

    def why(self, dataset: str) -> Callable[[], str]:
        return lambda: f"{self.dataset(dataset)}\n{self.logs_tail()}"

    def logs_tail(self) -> str:
        logs = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"--- {f.name}\n{f.read_text(errors='replace')[-3000:]}" for f in logs)

    def training_jobs(self, dataset: str) -> list[str]:
        jobs = self.client("sagemaker").list_training_jobs(
            NameContains=f"pigeonhole-local-{dataset}-", MaxResults=100
        )
        return [job["TrainingJobName"] for job in jobs["TrainingJobSummaries"]]

    def training_log(self, job: str, host: str = "algo-1") -> list[str]:
        """What a training job printed on this host, in order."""
        stream = f"{job}/{host}-"
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=stream)
        )
        events = [event for page in pages for event in page["events"]]
        # the local cloud's logs answer for every stream of the group, whatever prefix is asked for
        events = [event for event in events if event["logStreamName"].startswith(stream)]
        return [event["message"] for event in sorted(events, key=lambda e: e["timestamp"])]

    def queue_depth(self, output: str) -> int:
        """Messages (waiting and in flight) in the queue that this stack output names.

        Delayed ones do not count: a wake-up for later is no work left undone.
        """
        sqs = self.client("sqs")
        attributes = sqs.get_queue_attributes(QueueUrl=self.output(output), AttributeNames=["All"])
        return sum(
            int(attributes["Attributes"][name])
            for name in (
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            )
        )

    def output(self, name: str) -> str:
        stack = self.client("cloudformation").describe_stacks(StackName="pigeonhole-local")
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Stacks"][0]["Outputs"]}
        return str(outputs[name])


def wait_for(
    condition: Callable[[], T | None],
    what: str,
    timeout: float = 60,
    why: Callable[[], str] = lambda: "",
) -> T:
    """Call `condition` until it gives something; fail with `what` and `why` after `timeout` s."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {timeout:.0f} s for {what}\n{why()}")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One local cloud with the stack deployed, for all end-to-end tests."""
    cloud = Cloud(tmp_path_factory.mktemp("cloud") / "home", free_port_pair())
    cloud.up()
    try:
        yield cloud
    finally:
        cloud.down()
