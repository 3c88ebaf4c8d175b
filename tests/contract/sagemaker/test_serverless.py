"""Serverless endpoints: throttling, scaling to zero, cold starts, provisioned concurrency."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from localcloud.sagemaker import Timeouts
from localcloud.trouble import Rule

from .account import wait_until
from .calls import answer_at_once, at_work, code, create, invoke, pid, throttled
from .conftest import Running, running

NAMESPACE = "AWS/SageMaker"
GROUP = "/aws/sagemaker/Endpoints/"
IDLE = 0.5


@pytest.fixture(scope="module")
def idle(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A SageMaker whose serverless containers end soon."""
    timeouts = Timeouts(
        stop_server=2.0, serverless_start=4.0, instance_start=4.0, serverless_idle=IDLE
    )
    with running(s3_url, tmp_path_factory.mktemp("idle"), timeouts=timeouts) as found:
        yield found


def serverless(sagemaker: Running, name: str, **size: Any) -> None:
    given = {"MemorySizeInMB": 1024, "MaxConcurrency": 5, **size}
    config = sagemaker.config(sagemaker.model(name="m"), ServerlessConfig=given)
    assert create(sagemaker, name, config)["EndpointStatus"] == "InService"


def ended(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return False
    return True


def values(sagemaker: Running, metric: str, endpoint: str) -> list[float]:
    return sagemaker.metrics.values(
        NAMESPACE, metric, EndpointName=endpoint, VariantName="AllTraffic"
    )


def test_more_calls_at_once_than_max_concurrency_are_throttled(sagemaker: Running) -> None:
    serverless(sagemaker, "narrow", MaxConcurrency=1)
    with at_work(sagemaker, "narrow", 1.5) as answers:
        error = throttled(sagemaker, "narrow")
    assert code(error) == "ThrottlingException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error.response["Error"]["Message"] is None
    assert answers == [b"slept"]
    assert invoke(sagemaker, "narrow") == b"m:hello"


def test_calls_at_once_have_a_container_each(sagemaker: Running) -> None:
    serverless(sagemaker, "wide", MaxConcurrency=2)
    assert invoke(sagemaker, "wide")
    wait_until(lambda: answer_at_once(sagemaker, "wide", 2), "each call has a container")
    share = values(sagemaker, "ServerlessConcurrentExecutionsUtilization", "wide")
    assert {0.5, 1.0} == set(share)


def test_idle_endpoint_scales_to_zero_and_starts_cold(idle: Running) -> None:
    serverless(idle, "sleepy")
    first = pid(idle, "sleepy")
    wait_until(lambda: ended(first), "its container has ended")
    assert idle.api.describe_endpoint(EndpointName="sleepy")["EndpointStatus"] == "InService"
    before = len(values(idle, "ModelSetupTime", "sleepy"))
    assert pid(idle, "sleepy") != first
    setups = values(idle, "ModelSetupTime", "sleepy")
    assert len(setups) == before + 1
    overhead = values(idle, "OverheadLatency", "sleepy")[-1]
    assert overhead >= setups[-1] > 1000  # microseconds


def test_call_at_work_keeps_its_container(idle: Running) -> None:
    serverless(idle, "busy")
    assert invoke(idle, "busy", f"sleep {3 * IDLE}".encode()) == b"slept"


def test_invocations_are_measured(sagemaker: Running) -> None:
    serverless(sagemaker, "measured")
    invoke(sagemaker, "measured", b"sleep 0.1")
    for status in (404, 503):
        with pytest.raises(ClientError):
            invoke(sagemaker, "measured", f"status {status}".encode())
    assert values(sagemaker, "Invocations", "measured") == [1, 1, 1]
    assert values(sagemaker, "Invocation4XXErrors", "measured") == [0, 1, 0]
    assert values(sagemaker, "Invocation5XXErrors", "measured") == [0, 0, 1]
    slow, quick, _ = values(sagemaker, "ModelLatency", "measured")
    assert slow >= 100_000 > quick > 0
    assert len(values(sagemaker, "OverheadLatency", "measured")) == 3
    assert values(sagemaker, "ModelSetupTime", "measured") == []


def test_provisioned_concurrency_stays_warm(idle: Running) -> None:
    serverless(idle, "warm", MaxConcurrency=3, ProvisionedConcurrency=2)
    assert idle.logs.text(GROUP + "warm").count("serving as good") == 2
    found = idle.api.describe_endpoint(EndpointName="warm")["ProductionVariants"][0]
    assert found["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2
    serverless(idle, "cold")
    cold = pid(idle, "cold")
    wait_until(lambda: ended(cold), "an idle container has ended")
    invoke(idle, "warm")
    assert idle.logs.text(GROUP + "warm").count("serving as good") == 2
    assert values(idle, "ModelSetupTime", "warm") == []
    assert values(idle, "ServerlessProvisionedConcurrencyInvocations", "warm") == [1]
    with at_work(idle, "warm", 1.5, calls=2):
        wait_until(
            lambda: (
                invoke(idle, "warm")
                and values(idle, "ServerlessProvisionedConcurrencySpilloverInvocations", "warm")
            ),
            "a call spills over",
        )


def test_concurrency_can_be_changed_alone(sagemaker: Running) -> None:
    serverless(sagemaker, "changed", MaxConcurrency=1)
    sagemaker.api.update_endpoint_weights_and_capacities(
        EndpointName="changed",
        DesiredWeightsAndCapacities=[
            {
                "VariantName": "AllTraffic",
                "ServerlessUpdateConfig": {"MaxConcurrency": 2, "ProvisionedConcurrency": 2},
            }
        ],
    )
    found = sagemaker.endpoint_settles("changed")
    wanted = {"MemorySizeInMB": 1024, "MaxConcurrency": 2, "ProvisionedConcurrency": 2}
    assert found["ProductionVariants"][0]["CurrentServerlessConfig"] == wanted
    wait_until(lambda: answer_at_once(sagemaker, "changed", 2), "two answer at once")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"DesiredInstanceCount": 2}, "DesiredInstanceCount is not supported for serverless"),
        ({"ServerlessUpdateConfig": {"ProvisionedConcurrency": 9}}, "less than or equal to Max"),
        ({"VariantName": "Blue"}, "Could not find variant"),
    ],
)
def test_capacity_that_a_serverless_endpoint_cannot_have(
    sagemaker: Running, change: dict[str, Any], problem: str
) -> None:
    if "refusing" not in str(sagemaker.api.list_endpoints(NameContains="refusing")["Endpoints"]):
        serverless(sagemaker, "refusing")
    wanted = {"VariantName": "AllTraffic", **change}
    with pytest.raises(ClientError, match=problem) as caught:
        sagemaker.api.update_endpoint_weights_and_capacities(
            EndpointName="refusing", DesiredWeightsAndCapacities=[wanted]
        )
    assert code(caught.value) == "ValidationException"


def test_slow_cold_start_takes_its_time(idle: Running) -> None:
    serverless(idle, "slow")
    wait_until(lambda: not idle.cloud.hosting.views("slow")["AllTraffic"].containers, "it is cold")
    idle.trouble.add(Rule("slow-start", "slow", seconds=0.7))
    invoke(idle, "slow")
    assert values(idle, "ModelSetupTime", "slow")[-1] >= 700_000


def test_cold_start_that_takes_too_long_is_not_ready(idle: Running) -> None:
    serverless(idle, "late")
    wait_until(lambda: not idle.cloud.hosting.views("late")["AllTraffic"].containers, "it is cold")
    idle.trouble.add(Rule("slow-start", "late", seconds=4.1))
    # boto3 would try again by itself.
    url = f"{idle.url}/endpoints/late/invocations"
    answer = urllib3.request("POST", url, body=b"x", timeout=30, retries=False)
    assert answer.status == 429
    assert answer.headers["x-amzn-errortype"] == "ModelNotReadyException"


def test_serverless_endpoint_has_neither_vpc_nor_several_variants(sagemaker: Running) -> None:
    variant = {
        "VariantName": "a",
        "ModelName": sagemaker.model(name="x"),
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    network: dict[str, Any] = {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        ([variant, {**variant, "VariantName": "b"}], {}, "Multiple production variants"),
        ([variant], network, "VpcConfig is not supported for serverless"),
        ([variant], {"EnableNetworkIsolation": True}, "EnableNetworkIsolation is not supported"),
    ]
    for variants, more, problem in cases:
        with pytest.raises(ClientError, match=problem):
            sagemaker.api.create_endpoint_config(
                EndpointConfigName="bad", ProductionVariants=variants, **more
            )
