"""Updates while calls come all the time: no call fails, and no container is left behind."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker import Timeouts

from .account import wait_until
from .calls import create, invoke
from .conftest import Running, running

TIMEOUTS = Timeouts(stop_server=2.0)  # calls have AWS's minute, however full the machine is
SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 20}}
INSTANCES = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}


def containers(sagemaker: Running) -> set[int]:
    """Process ids of the test server's containers; only the local SageMaker's can be seen."""
    found = set()
    assert sagemaker.home
    for process in psutil.Process().children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if line[1:2] and line[1].endswith("images/server.py"):
            found.add(process.pid)
    return found


@pytest.mark.parametrize("kind", ["serverless", "instances"])
def test_no_call_fails_while_an_endpoint_is_updated(sagemaker: Running, kind: str) -> None:
    size: dict[str, Any] = SERVERLESS if kind == "serverless" else INSTANCES
    create(sagemaker, kind, sagemaker.config(sagemaker.model(name="0"), **size))
    stop, problems, answers = threading.Event(), [], set()

    def call() -> None:
        while not stop.is_set():
            try:
                answers.add(invoke(sagemaker, kind, b""))
            except Exception as error:
                problems.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        for number in (1, 2, 3):
            config = sagemaker.config(sagemaker.model(name=str(number)), **size)
            sagemaker.api.update_endpoint(EndpointName=kind, EndpointConfigName=config)
            found = sagemaker.endpoint_settles(kind)
            assert found["EndpointConfigName"] == config, found.get("FailureReason")
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert problems == []
    assert {b"0:", b"1:", b"2:"} <= answers <= {b"0:", b"1:", b"2:", b"3:"}
    assert containers(sagemaker)
    sagemaker.api.delete_endpoint(EndpointName=kind)
    wait_until(lambda: not containers(sagemaker), "every container is gone")


def test_deleted_endpoint_leaves_no_container_of_an_earlier_update(
    s3_url: str, tmp_path: Path
) -> None:
    with running(s3_url, tmp_path, timeouts=Timeouts(stop_server=1.0)) as sagemaker:
        create(sagemaker, "twice", sagemaker.config(sagemaker.model(name="0")))

        def call() -> None:
            with contextlib.suppress(ClientError):
                invoke(sagemaker, "twice", b"sleep 55")

        caller = threading.Thread(target=call)
        caller.start()
        views = sagemaker.cloud.hosting.views
        wait_until(lambda: views("twice")["AllTraffic"].busy, "the call is under way")
        for number in (1, 2):
            config = sagemaker.config(sagemaker.model(name=str(number)))
            sagemaker.api.update_endpoint(EndpointName="twice", EndpointConfigName=config)
            sagemaker.endpoint_settles("twice")
        sagemaker.api.delete_endpoint(EndpointName="twice")
        wait_until(lambda: not containers(sagemaker), "every container is gone")
        caller.join()
