"""Taking a stage away again, on a whole local cloud."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cli.stack.deploy import deploy
from cli.stack.deploy import deployed as find_deployed
from cli.stack.destroy import check_unused, destroy
from cli.stack.errors import DestroyRefused
from localcloud.home import ROOT_KEY, ROOT_SECRET, Home, Ports

from .conftest import REPO

START_SECONDS = 90.0


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session on a local cloud of its own."""
    home, ports = Home.at(tmp_path / "cloud"), Ports(_free_ports())
    command = [sys.executable, "-m", "localcloud", "--home", str(home.root)]
    process = subprocess.Popen([*command, "--port", str(ports.gateway)], cwd=REPO)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ((running := home.running()) and running.ready):
            assert process.poll() is None, "the local cloud ended"
            assert time.monotonic() < deadline, "the local cloud did not start"
            time.sleep(0.1)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in ports.endpoints().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.Session()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _free_ports() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def make_models(session: boto3.Session, prefix: str, role: str, bucket: str) -> None:
    """A model, an endpoint's config and a group with a version in it, as reconcile makes them."""
    sagemaker = session.client("sagemaker")
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/pigeonhole-serving:latest"
    session.client("s3").put_object(Bucket=bucket, Key="models/a/model.tar.gz", Body=b"1")
    container = {"Image": image, "ModelDataUrl": f"s3://{bucket}/models/a/model.tar.gz"}
    sagemaker.create_model(
        ModelName=f"{prefix}-a-1", PrimaryContainer=container, ExecutionRoleArn=role
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{prefix}-a-1",
        ProductionVariants=[
            {
                "VariantName": "all",
                "ModelName": f"{prefix}-a-1",
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
    )
    sagemaker.create_model_package_group(ModelPackageGroupName=f"{prefix}-a")
    sagemaker.create_model_package(
        ModelPackageGroupName=f"{prefix}-a",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelApprovalStatus="PendingManualApproval",
    )


def names(session: boto3.Session) -> list[str]:
    """What SageMaker holds, of whatever stage."""
    sagemaker = session.client("sagemaker")
    return sorted(
        [
            *(entry["ModelName"] for entry in sagemaker.list_models()["Models"]),
            *(
                entry["EndpointConfigName"]
                for entry in sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ),
            *(
                entry["ModelPackageGroupName"]
                for entry in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
            ),
        ]
    )


def test_data_stay_until_they_are_given_up_and_other_stages_are_left_alone(
    session: boto3.Session, build: Path
) -> None:
    done = deploy(session, REPO, "local", build)
    function = session.client("lambda").get_function_configuration(
        FunctionName=done.outputs["ReconcileFunction"]
    )
    role = function["Environment"]["Variables"]["PIGEONHOLE_ENDPOINT_ROLE_ARN"]
    make_models(session, "pigeonhole-local", role, done.bucket)
    make_models(session, "pigeonhole-localized", role, done.bucket)
    s3 = session.client("s3")

    check_unused(session, "local")  # no endpoint serves
    destroy(session, "local")
    assert find_deployed(session, "local") is None
    assert names(session) == [
        "pigeonhole-localized-a",
        "pigeonhole-localized-a-1",
        "pigeonhole-localized-a-1",
    ]
    assert s3.head_object(Bucket=done.bucket, Key="models/a/model.tar.gz")

    again = deploy(session, REPO, "local", build)
    assert again.bucket == done.bucket
    s3.delete_object(Bucket=done.bucket, Key="models/a/model.tar.gz")  # leaves a marker
    destroy(session, "local", delete_data=True)
    assert done.bucket not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_a_serving_endpoint_is_named_before_anything_is_destroyed() -> None:
    client = EndpointsOnly(["pigeonhole-dev-a", "pigeonhole-developer-b"])
    with pytest.raises(DestroyRefused, match=r"pigeonhole-dev-a$"):
        check_unused(client, "dev")  # type: ignore[arg-type]


class EndpointsOnly:
    """A session whose SageMaker knows endpoints alone."""

    region_name = "us-east-1"

    def __init__(self, endpoints: list[str]) -> None:
        self._endpoints = endpoints

    def client(self, service: str) -> EndpointsOnly:
        return self

    @property
    def meta(self) -> EndpointsOnly:
        return self

    endpoint_url = "https://cloudformation.us-east-1.amazonaws.com"

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "000000000000"}

    def get_paginator(self, operation: str) -> EndpointsOnly:
        return self

    def paginate(self, **asked: str) -> list[dict[str, list[dict[str, str]]]]:
        found = [name for name in self._endpoints if asked["NameContains"] in name]
        return [{"Endpoints": [{"EndpointName": name} for name in found]}]
