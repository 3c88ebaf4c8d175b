"""What goes over the wire: protocols, validation, errors, IAM."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
import urllib3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.sagemaker.dispatch import OPERATIONS
from localcloud.sagemaker.validation import service_model

from .account import REGION, ROLE
from .conftest import Running, client


@pytest.fixture
def careless(sagemaker: Running) -> Any:
    """A client that does not check what it sends."""
    return boto3.client(
        "sagemaker",
        endpoint_url=sagemaker.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(parameter_validation=False),
    )


def post(sagemaker: Running, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
    answer = urllib3.request(
        "POST", f"{sagemaker.url}/", body=body, headers={"X-Amz-Target": target}
    )
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert answer.headers["x-amzn-requestid"]
    return answer.status, json.loads(answer.data)


def test_operation_that_aws_has_and_the_local_cloud_has_not(sagemaker: Running) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.api.list_notebook_instances()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"] == {
        "Code": "NotImplementedException",
        "Message": "The local cloud does not have the operation ListNotebookInstances.",
    }


@pytest.mark.parametrize("target", ["SageMaker.MakeCoffee", "DynamoDB.ListTables", ""])
def test_operation_that_aws_has_not(sagemaker: Running, target: str) -> None:
    status, error = post(sagemaker, target, b"{}")
    assert (status, error["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("InvokeEndpointWithResponseStream", {"EndpointName": "e", "Body": b"x"}),
    ],
)
def test_runtime_operation_that_the_local_cloud_has_not(
    sagemaker: Running, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker.runtime, xform_name(operation))(**parameters)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["ResponseMetadata"]["RequestId"]
    assert response["Error"] == {
        "Code": "NotImplementedException",
        "Message": f"The local cloud does not have the operation {operation}.",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/endpoints/e/invocations"),
        ("PUT", "/endpoints/e/async-invocations"),
        ("POST", "/endpoints/e/f/async-invocations"),
        ("POST", "/notebooks"),
        ("BREW", "/ping"),
    ],
)
def test_path_that_is_no_operation(sagemaker: Running, method: str, path: str) -> None:
    answer = urllib3.request(method, f"{sagemaker.url}{path}")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-errortype"] == "UnknownOperationException"
    assert answer.headers["x-amzn-requestid"]
    assert answer.json() == {"Message": f"{method} {path} is no operation."}


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ModelName": 5}', b'{"ModelName": ["m"]}'])
def test_body_of_the_wrong_types(sagemaker: Running, body: bytes) -> None:
    status, error = post(sagemaker, "SageMaker.DescribeModel", body)
    assert (status, error["__type"]) == (400, "SerializationException")


def test_every_operation_of_the_table_is_one_of_aws() -> None:
    assert set(OPERATIONS) <= set(service_model().operation_names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"TrainingJobName": "under_score"},
            "1 validation error detected: Value 'under_score' at 'trainingJobName' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: "
            "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        (
            {"RoleArn": None},
            "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://b/", "CompressionType": "ZIP"}},
            "Value 'ZIP' at 'outputDataConfig.compressionType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [GZIP, NONE]",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 0}},
            "at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: Member must "
            "have value greater than or equal to 1",
        ),
        (
            {"HyperParameters": {"a": "x" * 2501}},
            "failed to satisfy constraint: Map value must satisfy constraint: [Member must have "
            "length less than or equal to 2500]",
        ),
        ({"TrainingJobName": "x" * 64}, "Member must have length less than or equal to 63"),
        ({"EnableNetworkIsolation": True}, "EnableNetworkIsolation is not supported"),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "i",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "m", "Regex": "no group"}],
                }
            },
            "must have exactly one group",
        ),
    ],
)
def test_create_training_job_request_is_validated(
    sagemaker: Running, careless: Any, changes: dict[str, Any], message: str
) -> None:
    request = {**sagemaker.training_request("checked"), **changes}
    with pytest.raises(ClientError) as caught:
        careless.create_training_job(**{k: v for k, v in request.items() if v is not None})
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert message in error["Message"]


def test_member_that_the_model_has_not_is_refused(sagemaker: Running) -> None:
    body = json.dumps({"ModelName": "m", "Color": "red"}).encode()
    status, error = post(sagemaker, "SageMaker.DescribeModel", body)
    assert (status, error["__type"]) == (400, "ValidationException")
    assert "Unknown member 'color'" in error["message"]


def test_caller_with_unknown_keys_is_turned_away(sagemaker: Running) -> None:
    sagemaker.access.unknown_keys.add("AKIASTRANGER")
    with pytest.raises(ClientError) as caught:
        client("sagemaker", sagemaker.url, key="AKIASTRANGER").list_models()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(ClientError) as caught:
        client("sagemaker-runtime", sagemaker.url, key="AKIASTRANGER").invoke_endpoint(
            EndpointName="e", Body=b""
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_iam_is_asked_for_action_tags_and_roles(sagemaker: Running) -> None:
    sagemaker.access.asked.clear()
    sagemaker.train("asked", Tags=[{"Key": "k", "Value": "v"}])
    arn = "arn:aws:sagemaker:us-east-1:000000000000:training-job/asked"
    assert sagemaker.access.asked[:3] == [
        ("sagemaker:CreateTrainingJob", arn, {}),
        ("sagemaker:AddTags", arn, {}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:CreateTrainingJob", "*:training-job/denied"),
        ("sagemaker:AddTags", "*:training-job/denied"),
        ("iam:PassRole", ROLE),
    ],
)
def test_what_iam_denies_is_not_done(sagemaker: Running, action: str, resource: str) -> None:
    sagemaker.access.denied.append((action, resource))
    try:
        with pytest.raises(ClientError, match=f"not authorized to perform: {action}") as caught:
            sagemaker.train("denied", Tags=[{"Key": "k", "Value": "v"}])
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    finally:
        sagemaker.access.denied.clear()
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.api.describe_training_job(TrainingJobName="denied")


def test_invoke_endpoint_asks_iam(sagemaker: Running) -> None:
    sagemaker.endpoint("guarded")
    sagemaker.access.denied.append(("sagemaker:InvokeEndpoint", "*:endpoint/guarded"))
    try:
        with pytest.raises(ClientError) as caught:
            sagemaker.runtime.invoke_endpoint(EndpointName="guarded", Body=b"x")
    finally:
        sagemaker.access.denied.clear()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_container_credentials_need_their_token(sagemaker: Running) -> None:
    answer = urllib3.request("GET", f"{sagemaker.url}/containers/guess/credentials")
    assert answer.status == 404
