"""Endpoints that really serve: states, silent rollback, invocations."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, TARGET, wait_until
from .conftest import TIMEOUTS as USUAL
from .conftest import Running

TIMEOUTS = dataclasses.replace(USUAL, serverless_start=6.0)  # some never come up
KIND = "SageMaker Endpoint State Change"
GROUP = "/aws/sagemaker/Endpoints/"


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def invoke(sagemaker: Running, name: str, body: bytes = b"hello", **more: str) -> bytes:
    answer = sagemaker.runtime.invoke_endpoint(EndpointName=name, Body=body, **more)
    return answer["Body"].read()


def test_create_endpoint_comes_into_service(sagemaker: Running) -> None:
    config = sagemaker.config(sagemaker.model(name="one"))
    arn = sagemaker.api.create_endpoint(
        EndpointName="up", EndpointConfigName=config, Tags=[{"Key": "k", "Value": "v"}]
    )["EndpointArn"]
    sagemaker.api.get_waiter("endpoint_in_service").wait(
        EndpointName="up", WaiterConfig={"Delay": 1}
    )
    found = sagemaker.api.describe_endpoint(EndpointName="up")
    assert found["EndpointArn"] == arn
    assert found["EndpointConfigName"] == config
    variant = found["ProductionVariants"][0]
    assert variant["VariantName"] == "AllTraffic"
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert variant["DeployedImages"][0]["SpecifiedImage"] == TARGET.server_image
    assert invoke(sagemaker, "up") == b"one:hello"
    told = sagemaker.events.told({"EndpointStatus": "IN_SERVICE"}, KIND, EndpointName="up")
    assert [detail["EndpointStatus"] for detail in told] == ["CREATING", "IN_SERVICE"]
    assert told[-1]["CreationTime"] == round(found["CreationTime"].timestamp() * 1000)
    assert told[-1]["Tags"] == {"k": "v"}
    assert "serving as good, argument serve" in sagemaker.logs.text(GROUP + "up")


@pytest.mark.parametrize("mode", ["unhealthy", "dead"])
def test_create_endpoint_fails_without_a_ping(sagemaker: Running, mode: str) -> None:
    name = f"no-ping-{mode}"
    sagemaker.endpoint(name, mode=mode)
    found = sagemaker.api.describe_endpoint(EndpointName=name)
    assert found["EndpointStatus"] == "Failed"
    assert "AllTraffic did not pass the ping health check" in found["FailureReason"]
    with pytest.raises(ClientError) as caught:
        invoke(sagemaker, name)
    assert code(caught) == "ValidationError"
    sagemaker.events.told({"EndpointStatus": "FAILED"}, KIND, EndpointName=name)


def test_create_endpoint_of_an_unknown_image_names_images_toml(sagemaker: Running) -> None:
    sagemaker.api.create_model(
        ModelName="odd", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "odd/odd:1"}
    )
    config = sagemaker.config("odd")
    sagemaker.api.create_endpoint(EndpointName="odd", EndpointConfigName=config)
    assert "images.toml" in sagemaker.endpoint_settles("odd")["FailureReason"]


def test_update_endpoint_swaps_without_a_gap(sagemaker: Running) -> None:
    old = sagemaker.endpoint("swap", name="old")
    new = sagemaker.config(sagemaker.model(name="new"))
    sagemaker.api.update_endpoint(EndpointName="swap", EndpointConfigName=new)
    answers = []

    def swapped() -> bool:
        answers.append(invoke(sagemaker, "swap"))
        return answers[-1] == b"new:hello"

    wait_until(swapped, "the new model answers")
    assert set(answers) <= {b"old:hello", b"new:hello"}
    found = sagemaker.endpoint_settles("swap")
    assert found["EndpointConfigName"] == new != old
    assert "FailureReason" not in found
    assert "PendingDeploymentSummary" not in found


def test_update_endpoint_rolls_back_silently(sagemaker: Running) -> None:
    old = sagemaker.endpoint("back", name="old")
    bad = sagemaker.config(sagemaker.model(mode="unhealthy"))
    sagemaker.api.update_endpoint(EndpointName="back", EndpointConfigName=bad)
    during = sagemaker.api.describe_endpoint(EndpointName="back")
    assert during["EndpointStatus"] == "Updating"
    assert during["EndpointConfigName"] == old
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == bad
    assert invoke(sagemaker, "back") == b"old:hello"
    found = sagemaker.endpoint_settles("back")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == old
    assert "ping health check" in found["FailureReason"]
    assert invoke(sagemaker, "back") == b"old:hello"
    good = sagemaker.config(sagemaker.model(name="good"))
    sagemaker.api.update_endpoint(EndpointName="back", EndpointConfigName=good)
    assert "FailureReason" not in sagemaker.endpoint_settles("back")


def test_update_endpoint_wants_another_config_and_a_settled_endpoint(sagemaker: Running) -> None:
    config = sagemaker.endpoint("same", name="x")
    with pytest.raises(ClientError, match="has the endpoint configuration"):
        sagemaker.api.update_endpoint(EndpointName="same", EndpointConfigName=config)
    slow = sagemaker.config(sagemaker.model(mode="unhealthy"))
    sagemaker.api.update_endpoint(EndpointName="same", EndpointConfigName=slow)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.api.update_endpoint(EndpointName="same", EndpointConfigName=slow)
    with pytest.raises(ClientError, match="Cannot delete in-progress endpoint"):
        sagemaker.api.delete_endpoint(EndpointName="same")
    sagemaker.endpoint_settles("same")


def test_describe_endpoint_that_is_not_there(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.api.describe_endpoint(EndpointName="never")


def test_list_endpoints(sagemaker: Running) -> None:
    sagemaker.endpoint("listed-a")
    sagemaker.endpoint("listed-b", mode="dead")
    listed = sagemaker.api.list_endpoints(NameContains="listed", SortBy="Name")["Endpoints"]
    found = [(e["EndpointName"], e["EndpointStatus"]) for e in listed]
    assert found == [("listed-b", "Failed"), ("listed-a", "InService")]
    listed = sagemaker.api.list_endpoints(NameContains="listed", StatusEquals="Failed")
    assert [e["EndpointName"] for e in listed["Endpoints"]] == ["listed-b"]


def test_delete_endpoint_ends_its_container(sagemaker: Running) -> None:
    sagemaker.endpoint("gone")
    pid = int(invoke(sagemaker, "gone", b"pid"))
    sagemaker.api.delete_endpoint(EndpointName="gone")
    sagemaker.api.get_waiter("endpoint_deleted").wait(
        EndpointName="gone", WaiterConfig={"Delay": 1}
    )
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ClientError, match="not found"):
        invoke(sagemaker, "gone")
    sagemaker.endpoint("gone", name="again")
    assert invoke(sagemaker, "gone") == b"again:hello"


def test_invoke_endpoint_passes_headers_both_ways(sagemaker: Running) -> None:
    sagemaker.endpoint("headers")
    answer = sagemaker.runtime.invoke_endpoint(
        EndpointName="headers",
        Body=b"headers",
        ContentType="image/png",
        Accept="text/csv",
        CustomAttributes="trace=1",
        TargetVariant="AllTraffic",
    )
    seen = json.loads(answer["Body"].read())
    assert seen["content-type"] == "image/png"
    assert seen["accept"] == "text/csv"
    assert seen["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    assert "authorization" not in seen
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "text/x-test"
    assert answer["CustomAttributes"] == "from the container"
    with pytest.raises(ClientError, match="Variant Blue not found"):
        invoke(sagemaker, "headers", TargetVariant="Blue")


@pytest.mark.parametrize("status", [418, 503])
def test_invoke_endpoint_tells_the_containers_error(sagemaker: Running, status: int) -> None:
    name = f"error-{status}"
    sagemaker.endpoint(name)
    with pytest.raises(sagemaker.runtime.exceptions.ModelError) as caught:
        invoke(sagemaker, name, f"status {status}".encode())
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == "the model says no"
    assert response["LogStreamArn"].endswith(f":log-group:{GROUP}{name}")
    side = "client" if status < 500 else "server"
    assert f"Received {side} error ({status}) from primary" in response["Error"]["Message"]


@pytest.mark.parametrize("order", ["sleep 10", "dribble 30", "dribble 30 chunked"])
def test_invoke_endpoint_has_a_time_limit(sagemaker: Running, order: str) -> None:
    name = order.replace(" ", "-")
    sagemaker.endpoint(name, name="x")
    with pytest.raises(sagemaker.runtime.exceptions.ModelError) as caught:
        invoke(sagemaker, name, order.encode())
    assert caught.value.response["OriginalStatusCode"] == 0
    assert "timed out" in caught.value.response["OriginalMessage"]
    assert invoke(sagemaker, name) == b"x:hello"
    assert invoke(sagemaker, name, b"dribble 2") == b".."


def test_invoke_endpoint_has_the_serverless_payload_limit(sagemaker: Running) -> None:
    sagemaker.endpoint("limit", name="")
    assert len(invoke(sagemaker, "limit", b"x" * (4 * 1024 * 1024 - 1))) == 4 * 1024 * 1024
    with pytest.raises(ClientError) as caught:
        invoke(sagemaker, "limit", b"x" * (4 * 1024 * 1024 + 1))
    assert code(caught) == "ValidationError"
    assert "4194304" in caught.value.response["Error"]["Message"]


def test_container_that_died_is_started_again(sagemaker: Running) -> None:
    sagemaker.endpoint("phoenix", name="x")
    first = int(invoke(sagemaker, "phoenix", b"pid"))
    os.kill(first, signal.SIGKILL)
    second = int(invoke(sagemaker, "phoenix", b"pid"))
    assert second != first


def test_container_that_dies_of_every_request_is_a_model_error(sagemaker: Running) -> None:
    sagemaker.endpoint("fragile", name="x")
    with pytest.raises(sagemaker.runtime.exceptions.ModelError):
        invoke(sagemaker, "fragile", b"die")
    assert invoke(sagemaker, "fragile") == b"x:hello"


def test_endpoint_serves_on_without_its_model_config_and_artifact(sagemaker: Running) -> None:
    model = sagemaker.model(name="kept")
    config = sagemaker.config(model)
    sagemaker.api.create_endpoint(EndpointName="kept", EndpointConfigName=config)
    sagemaker.endpoint_settles("kept")
    url = sagemaker.api.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"]
    sagemaker.s3.delete_object(Bucket=sagemaker.bucket, Key=url.split("/", 3)[3])
    sagemaker.api.delete_model(ModelName=model)
    sagemaker.api.delete_endpoint_config(EndpointConfigName=config)
    os.kill(int(invoke(sagemaker, "kept", b"pid")), signal.SIGKILL)
    assert invoke(sagemaker, "kept") == b"kept:hello"


def test_serving_container_gets_its_environment_and_the_roles_credentials(
    sagemaker: Running,
) -> None:
    sagemaker.endpoint("environment")
    seen = json.loads(invoke(sagemaker, "environment", b"environment"))
    assert seen["IMAGE_SETS"] == "this"
    assert seen["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith(sagemaker.url)
    assert "AWS_ACCESS_KEY_ID" not in seen
    assert "SAGEMAKER_BATCH" not in seen


def test_instance_backed_endpoint_runs_the_same_container(sagemaker: Running) -> None:
    config = sagemaker.config(
        sagemaker.model(name="big"), InstanceType="ml.m5.large", InitialInstanceCount=1
    )
    sagemaker.api.create_endpoint(EndpointName="instance", EndpointConfigName=config)
    found = sagemaker.endpoint_settles("instance")
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert invoke(sagemaker, "instance") == b"big:hello"
