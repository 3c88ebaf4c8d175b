"""The adapters twice: over the memory of `tests/fakes`, and over the services of a local cloud."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.aws.endpoints import Endpoints, Runtime, SageMakerEndpoints, SageMakerRuntime
from chalicelib.aws.registry import Registry, SageMakerRegistry
from chalicelib.aws.storage import Storage
from chalicelib.aws.table import Table
from chalicelib.aws.training import ENDED, SageMakerTraining, Training
from localcloud.trouble import Rule
from tests.contract.sagemaker.conftest import (
    Running,
    client,
    running,
    s3_url,
    wait_until,
)
from tests.fakes.aws import MemoryStorage, MemoryTable
from tests.fakes.sagemaker import MemoryEndpoints, MemoryRegistry, MemoryRuntime, MemoryTraining

__all__ = ["s3_url"]  # the fixture: a MiniStack of the session's own

BOTH = ["memory", "real"]


@pytest.fixture(params=BOTH)
def storage(request: pytest.FixtureRequest) -> Storage:
    """An empty, versioned bucket."""
    if request.param == "memory":
        return MemoryStorage("bucket", lambda: datetime.now(UTC))
    s3 = client("s3", request.getfixturevalue("s3_url"))
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Storage(s3, bucket)


@pytest.fixture(params=BOTH)
def table(request: pytest.FixtureRequest) -> Table:
    """An empty table, with the key that the stack gives it."""
    if request.param == "memory":
        return MemoryTable()
    dynamodb = client("dynamodb", request.getfixturevalue("s3_url"))
    name = f"test-{uuid.uuid4().hex[:12]}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return Table(dynamodb, name)


@dataclass(frozen=True)
class SageMaker:
    """The adapters, and what a test needs to move the service on."""

    training: Training
    registry: Registry
    endpoints: Endpoints
    runtime: Runtime
    model_url: str
    settle: Callable[[str], None]  # until the endpoint stands still
    training_request: Callable[[str], dict[str, Any]]
    end_job: Callable[[str], None]  # until the training job has ended
    deny: Callable[[str], None]  # the account's limit for this instance type is 0 from now on


@pytest.fixture(scope="module")
def service(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(s3_url, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(params=BOTH)
def sagemaker(request: pytest.FixtureRequest) -> SageMaker:
    if request.param == "memory":
        registry, endpoints = MemoryRegistry(), MemoryEndpoints()

        def settle(_name: str) -> None:
            endpoints.advance()

        storage = MemoryStorage("bucket", lambda: datetime.now(UTC))
        training = MemoryTraining()

        def deny_in_memory(kind: str) -> None:
            training.limits[kind] = (
                f"The account-level service limit '{kind} for training job usage' is 0 Instances, "
                "with current utilization of 0 Instances and a request delta of 1 Instances."
            )

        return SageMaker(
            training,
            registry,
            endpoints,
            MemoryRuntime(storage, registry, endpoints),
            "s3://bucket/model.tar.gz",
            settle,
            lambda name: {"TrainingJobName": name},
            lambda name: training.end(name, "Completed"),
            deny_in_memory,
        )
    found: Running = request.getfixturevalue("service")
    adapters = SageMakerEndpoints(found.api)

    def still(name: str) -> bool:
        endpoint = adapters.describe(name)
        return endpoint is None or not endpoint.status.endswith("ing")

    def wait(name: str) -> None:
        wait_until(lambda: still(name), f"{name} stands still")

    jobs = SageMakerTraining(found.api)

    def end_job(name: str) -> None:
        def ended() -> bool:
            job = jobs.describe(name)
            return job is not None and job.status in ENDED

        wait_until(ended, f"{name} ends")

    def deny(kind: str) -> None:
        found.trouble.add(Rule("quota", kind))

    return SageMaker(
        jobs,
        SageMakerRegistry(found.api),
        adapters,
        SageMakerRuntime(found.runtime),
        found.artifact(name="one"),
        wait,
        found.training_request,
        end_job,
        deny,
    )
