"""kill -9 in the middle of everything, then a start over the same folder: it tells the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from localcloud.sagemaker.server import free_port

from .account import wait_until
from .conftest import REPO, Running, client, running
from .test_transform_jobs import request as transform_request


@pytest.fixture
def killed(s3_url: str, tmp_path: Path) -> Iterator[tuple[Running, subprocess.Popen[bytes]]]:
    """A SageMaker in a process of its own, and a handle to start the next over its home."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.sagemaker.killable", tmp_path, str(port), s3_url],
        cwd=REPO,
    )
    with running(s3_url, tmp_path / "unused") as template:
        bucket = template.bucket
    handle = Running(tmp_path, s3_url, bucket, url=url)
    handle.timeouts = replace(handle.timeouts, serverless_start=20.0)
    handle.api = client("sagemaker", url)
    handle.runtime = client("sagemaker-runtime", url)
    handle.s3 = client("s3", s3_url)

    def answers() -> bool:
        try:
            return urllib3.request("GET", f"{url}/ping", retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    wait_until(answers, "SageMaker listens")
    try:
        yield handle, process
    finally:
        process.kill()
        process.wait()
        if handle._server is not None:
            handle.stop()


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that still know this home."""
    listed = subprocess.run(["ps", "axeww", "-o", "command"], capture_output=True, check=True)
    text = listed.stdout.decode("utf-8", "replace")
    return [line for line in text.splitlines() if str(home) in line and "axeww" not in line]


def test_kill_9_and_start_again(
    killed: tuple[Running, subprocess.Popen[bytes]],
) -> None:
    sagemaker, process = killed
    sagemaker.endpoint("serving", name="kept")
    sagemaker.config(sagemaker.model(name="later"))
    slow = sagemaker.config(sagemaker.model(mode="unhealthy"))
    sagemaker.api.create_endpoint(EndpointName="coming", EndpointConfigName=slow)
    sagemaker.train("done", HyperParameters={"output": "1"})
    for name in ("running", "stopping"):
        sagemaker.train(name, wait=False, HyperParameters={"mode": "stubborn"})
        ready = sagemaker.home / "sagemaker/training" / name / "algo-1/ml/output/ready"
        wait_until(ready.exists, f"{name} trains")
    sagemaker.api.stop_training_job(TrainingJobName="stopping")
    sagemaker.put("in/batch/a", "sleep 60")
    model = sagemaker.model(name="m")
    sagemaker.api.create_transform_job(**transform_request(sagemaker, "batch", model))
    pid = int(sagemaker.runtime.invoke_endpoint(EndpointName="serving", Body=b"pid")["Body"].read())

    assert processes_of(sagemaker.home)
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(sagemaker.home), "every process of its is gone")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    sagemaker.start()
    running_job = sagemaker.api.describe_training_job(TrainingJobName="running")
    assert running_job["TrainingJobStatus"] == "Failed"
    assert running_job["FailureReason"].startswith("InternalServerError: ")
    last = running_job["SecondaryStatusTransitions"][-1]
    assert (last["Status"], "EndTime" in last) == ("Failed", True)
    stopping = sagemaker.api.describe_training_job(TrainingJobName="stopping")
    assert stopping["TrainingJobStatus"] == "Stopped"
    done = sagemaker.api.describe_training_job(TrainingJobName="done")
    assert done["TrainingJobStatus"] == "Completed"
    batch = sagemaker.api.describe_transform_job(TransformJobName="batch")
    assert batch["TransformJobStatus"] == "Failed"
    assert batch["FailureReason"].startswith("InternalServerError: ")
    told = sagemaker.events.details("SageMaker Training Job State Change")
    assert {(d["TrainingJobName"], d["TrainingJobStatus"]) for d in told} == {
        ("running", "Failed"),
        ("stopping", "Stopped"),
    }
    assert sagemaker.keys("models/running/") == []
    for folder in ("jobs", "training"):
        assert not list((sagemaker.home / "sagemaker" / folder).glob("*"))
    answer = sagemaker.runtime.invoke_endpoint(EndpointName="serving", Body=b"hi")
    assert answer["Body"].read() == b"kept:hi"
    coming = sagemaker.api.describe_endpoint(EndpointName="coming")
    assert coming["EndpointStatus"] in ("Creating", "Failed")


def test_clean_stop_and_start_keeps_serving(s3_url: str, tmp_path: Path) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        sagemaker.endpoint("serving", name="kept")
        sagemaker.train("running", wait=False, HyperParameters={"mode": "stubborn"})
        sagemaker.stop()
        assert processes_of(tmp_path) == []
        sagemaker.start()
        answer = sagemaker.runtime.invoke_endpoint(EndpointName="serving", Body=b"hi")
        assert answer["Body"].read() == b"kept:hi"
        found = sagemaker.api.describe_training_job(TrainingJobName="running")
        assert found["TrainingJobStatus"] == "Failed"
