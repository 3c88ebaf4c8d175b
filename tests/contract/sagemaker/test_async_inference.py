"""Asynchronous endpoints: the queue, outputs and failures in S3, notifications, limits."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import Account, wait_until
from .calls import code, create, invoke
from .conftest import Running, client, running

GROUP = "/aws/sagemaker/Endpoints/"


@dataclass
class Topics:
    """A topic for successes and one for errors, and a queue that has what they were told."""

    sqs: Any
    queue: str
    success: str
    error: str
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    def message(self, inference: str) -> dict[str, Any]:
        """What was told of an inference, with its topic as `topic`."""

        def arrived() -> Any:
            for raw in self.sqs.receive_message(QueueUrl=self.queue).get("Messages", []):
                body = json.loads(raw["Body"])
                message = json.loads(body["Message"])
                self.told[message["inferenceId"]] = {**message, "topic": body["TopicArn"]}
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=raw["ReceiptHandle"])
            return self.told.get(inference)

        found: dict[str, Any] = wait_until(arrived, f"the topics are told of {inference}")
        return found


@pytest.fixture(scope="module")
def topics(s3_url: str) -> Topics:
    sns, sqs = client("sns", s3_url), client("sqs", s3_url)
    name = f"told-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    arns = [sns.create_topic(Name=f"{name}-{kind}")["TopicArn"] for kind in ("good", "bad")]
    for topic in arns:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return Topics(sqs, queue, *arns)


def config(
    sagemaker: Account, topics: Topics | None = None, most: int | None = None, count: int = 1
) -> str:
    name = f"async-{uuid.uuid4().hex[:8]}"
    output: dict[str, Any] = {
        "S3OutputPath": f"s3://{sagemaker.bucket}/out",
        "S3FailurePath": f"s3://{sagemaker.bucket}/failed/",
    }
    if topics is not None:
        output["NotificationConfig"] = {"SuccessTopic": topics.success, "ErrorTopic": topics.error}
    client_config = {"MaxConcurrentInvocationsPerInstance": most} if most else {}
    sagemaker.api.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": sagemaker.model(name="m"),
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count,
            }
        ],
        AsyncInferenceConfig={"OutputConfig": output, "ClientConfig": client_config},
    )
    return name


def send(sagemaker: Account, endpoint: str, payload: bytes, **more: Any) -> dict[str, Any]:
    location = sagemaker.put(f"in/{uuid.uuid4().hex}", payload)
    answer: dict[str, Any] = sagemaker.runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=location, **more
    )
    return {**answer, "InputLocation": location}


def written(sagemaker: Account, uri: str) -> bytes:
    def there() -> Any:
        try:
            return [sagemaker.read(uri)]
        except ClientError:
            return None

    found: list[bytes] = wait_until(there, uri)
    return found[0]


@pytest.fixture(scope="module")
def endpoint(sagemaker: Running, topics: Topics) -> str:
    name = "queued"
    found = create(sagemaker, name, config(sagemaker, topics))
    assert found["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"].endswith("/out")
    return name


def test_answer_lies_in_s3_and_the_topic_is_told(
    sagemaker: Running, topics: Topics, endpoint: str
) -> None:
    sent = send(
        sagemaker, endpoint, b"hello", ContentType="text/plain", Accept="text/x-a", InferenceId="i1"
    )
    assert sent["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert sent["InferenceId"] == "i1"
    assert sent["OutputLocation"].startswith(f"s3://{sagemaker.bucket}/out/")
    assert sent["OutputLocation"].endswith(".out")
    assert sent["FailureLocation"].startswith(f"s3://{sagemaker.bucket}/failed/")
    assert written(sagemaker, sent["OutputLocation"]) == b"m:hello"
    message = topics.message("i1")
    assert message.pop("topic") == topics.success
    assert message.pop("eventTime") >= message.pop("receivedTime")
    assert message == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "text/x-a",
            "contentType": "text/plain",
            "endpointName": endpoint,
            "inputLocation": sent["InputLocation"],
        },
        "responseParameters": {
            "contentType": "text/x-test",
            "outputLocation": sent["OutputLocation"],
        },
        "inferenceId": "i1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def test_container_gets_the_headers(sagemaker: Running, endpoint: str) -> None:
    sent = send(
        sagemaker, endpoint, b"headers", ContentType="a/b", InferenceId="i2", CustomAttributes="c"
    )
    seen = json.loads(written(sagemaker, sent["OutputLocation"]))
    assert seen["content-type"] == "a/b"
    assert seen["x-amzn-sagemaker-inference-id"] == "i2"
    assert seen["x-amzn-sagemaker-custom-attributes"] == "c"


def test_models_error_lies_in_s3_and_the_topic_is_told(
    sagemaker: Running, topics: Topics, endpoint: str
) -> None:
    sent = send(sagemaker, endpoint, b"status 500", InferenceId="i3")
    assert written(sagemaker, sent["FailureLocation"]) == b"the model says no"
    message = topics.message("i3")
    assert (message["topic"], message["invocationStatus"]) == (topics.error, "Failed")
    assert message["failureReason"].startswith("ClientError: Received server error (500) from mod")
    assert "responseParameters" not in message
    log = sagemaker.logs.text(GROUP + endpoint, "/data-log")
    assert "[sagemaker logs] [i3] ClientError: Received server error (500)" in log
    with pytest.raises(ClientError):
        sagemaker.read(sent["OutputLocation"])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"sleep 30", "timed out"), (b"die", "server error"), (None, "cannot be downloaded")],
)
def test_other_failures_say_why(
    sagemaker: Running,
    topics: Topics,
    endpoint: str,
    payload: bytes | None,
    reason: str,
) -> None:
    if payload is None:
        nowhere = f"s3://{sagemaker.bucket}/nowhere"
        sent = sagemaker.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=nowhere)
    else:
        sent = send(sagemaker, endpoint, payload, InvocationTimeoutSeconds=1)
    assert reason in topics.message(sent["InferenceId"])["failureReason"]


def test_payload_in_the_request_itself(sagemaker: Running, endpoint: str) -> None:
    sent = sagemaker.runtime.invoke_endpoint_async(
        EndpointName=endpoint, Body=b"inline", S3OutputPathExtension="more/of", Filename="x.json"
    )
    assert sent["OutputLocation"] == f"s3://{sagemaker.bucket}/out/more/of/x.json"
    assert written(sagemaker, sent["OutputLocation"]) == b"m:inline"


def test_payload_larger_than_a_real_time_one(sagemaker: Running, endpoint: str) -> None:
    payload = b"x" * (26 * 1024 * 1024)
    sent = send(sagemaker, endpoint, payload)
    assert written(sagemaker, sent["OutputLocation"]) == b"m:" + payload


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, "Exactly one of Body and InputLocation"),
        ({"Body": b"a", "InputLocation": "s3://b/k"}, "Exactly one of Body and InputLocation"),
        ({"Body": b"a" * 128_001}, "128000"),
        ({"InputLocation": "s3://bucket"}, "names no object"),
        ({"InputLocation": "https://bucket/key"}, "not supported by the local cloud"),
        ({"InputLocation": "ftp://b/k"}, "regular expression pattern"),
        ({"Body": b"a", "RequestTTLSeconds": 21_601}, "less than or equal to 21600"),
        ({"Body": b"a", "InvocationTimeoutSeconds": 3601}, "less than or equal to 3600"),
    ],
)
def test_request_is_validated(
    sagemaker: Running, endpoint: str, request_: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ClientError, match=problem) as caught:
        sagemaker.runtime.invoke_endpoint_async(EndpointName=endpoint, **request_)
    assert code(caught.value) == "ValidationError"


def test_each_kind_of_endpoint_has_its_own_call(sagemaker: Running, endpoint: str) -> None:
    with pytest.raises(ClientError, match="asynchronous inference endpoint") as caught:
        invoke(sagemaker, endpoint)
    assert code(caught.value) == "ValidationError"
    sagemaker.endpoint("direct")
    with pytest.raises(ClientError, match="is not an asynchronous") as caught:
        sagemaker.runtime.invoke_endpoint_async(EndpointName="direct", Body=b"x")
    assert code(caught.value) == "ValidationError"


def test_serverless_endpoint_is_not_asynchronous(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="not supported for serverless"):
        sagemaker.api.create_endpoint_config(
            EndpointConfigName="bad",
            ProductionVariants=[
                {
                    "VariantName": "a",
                    "ModelName": sagemaker.model(),
                    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
                }
            ],
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://b/out"}},
        )


def test_no_more_at_once_than_the_config_allows(sagemaker: Running) -> None:
    create(sagemaker, "one", config(sagemaker, most=1))
    slow = send(sagemaker, "one", b"sleep 1")
    quick = send(sagemaker, "one", b"quick")
    assert written(sagemaker, quick["OutputLocation"]) == b"m:quick"
    assert sagemaker.read(slow["OutputLocation"]) == b"slept"


def test_queue_waits_for_an_instance_and_survives_a_restart(s3_url: str, tmp_path: Path) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        create(sagemaker, "patient", config(sagemaker, most=1))

        def scale(count: int) -> None:
            sagemaker.api.update_endpoint_weights_and_capacities(
                EndpointName="patient",
                DesiredWeightsAndCapacities=[
                    {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
                ],
            )
            sagemaker.endpoint_settles("patient")

        scale(0)
        sent = [send(sagemaker, "patient", f"number {n}".encode()) for n in range(3)]
        sagemaker.stop()
        sagemaker.start()
        assert sagemaker.keys("out/") == []
        scale(1)
        for number, one in enumerate(sent):
            answer = written(sagemaker, one["OutputLocation"])
            assert answer == f"m:number {number}".encode()
        backlog = sagemaker.metrics.values(
            "AWS/SageMaker", "HasBacklogWithoutCapacity", EndpointName="patient"
        )
        assert 1.0 in backlog


def test_request_at_work_is_done_again_after_a_restart(s3_url: str, tmp_path: Path) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        create(sagemaker, "again", config(sagemaker))
        sent = send(sagemaker, "again", b"sleep 1.5")
        wait_until(lambda: "invoked" in sagemaker.logs.text(GROUP + "again"), "it is at work")
        sagemaker.stop()
        assert sagemaker.keys("failed/") == []
        sagemaker.start()
        assert written(sagemaker, sent["OutputLocation"]) == b"slept"
