"""Which operation a request is: asked of the requests that botocore itself makes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from localcloud.ministack.calls import Call, recognized

BUCKET = {"Bucket": "b"}
OBJECT = {"Bucket": "b", "Key": "a/b c+.png"}
PART = {**OBJECT, "UploadId": "u"}


class Sent(Exception):
    """Instead of an answer."""


def call_of(service: str, operation: str, **parameters: Any) -> Call | None:
    """What botocore's request for an operation is taken for."""
    seen: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        seen.append(request)
        raise Sent

    client = boto3.client(
        service,
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="AKIAKEY",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send", keep)
    method = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")
    with pytest.raises(Sent):
        getattr(client, method.replace("v2", "_v2").replace("__", "_"))(**parameters)
    request = seen[0]
    parts = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    return recognized(request.method, parts.path, parts.query, headers, body)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("s3", "ListBuckets", {}),
        ("s3", "CreateBucket", BUCKET),
        ("s3", "ListObjectsV2", BUCKET),
        ("s3", "ListObjectVersions", BUCKET),
        ("s3", "DeleteObjects", {**BUCKET, "Delete": {"Objects": [{"Key": "a"}]}}),
        ("s3", "PutObject", {**OBJECT, "Body": b"x"}),
        ("s3", "GetObject", OBJECT),
        ("s3", "HeadObject", OBJECT),
        ("s3", "DeleteObject", OBJECT),
        ("s3", "CopyObject", {**OBJECT, "CopySource": "b/a"}),
        ("s3", "CreateMultipartUpload", OBJECT),
        ("s3", "UploadPart", {**PART, "PartNumber": 1, "Body": b"x"}),
        ("s3", "CompleteMultipartUpload", {**PART, "MultipartUpload": {"Parts": []}}),
        ("s3", "ListMultipartUploads", BUCKET),
        (
            "dynamodb",
            "UpdateItem",
            {"TableName": "table", "Key": {"id": {"S": "a"}}},
        ),
        ("sqs", "SendMessage", {"QueueUrl": "http://127.0.0.1/q", "MessageBody": "x"}),
        ("lambda", "Invoke", {"FunctionName": "f"}),
        ("lambda", "ListFunctions", {}),
        ("lambda", "GetFunction", {"FunctionName": "f"}),
        ("events", "PutEvents", {"Entries": [{"Source": "a"}]}),
        ("apigateway", "GetRestApis", {}),
        ("apigateway", "GetStages", {"restApiId": "a"}),
        ("sns", "Publish", {"Message": "x"}),
        ("sts", "GetCallerIdentity", {}),
        ("cloudformation", "DescribeStacks", {}),
        ("logs", "DescribeLogGroups", {}),
        ("cloudwatch", "ListMetrics", {}),
    ],
)
def test_botocores_requests_are_recognized(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    found = call_of(service, operation, **parameters)
    assert found is not None
    assert (found.service, found.operation, found.access_key) == (service, operation, "AKIAKEY")


def test_a_presigned_url_is_recognized() -> None:
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="AKIAKEY",
        aws_secret_access_key="secret",
        config=Config(signature_version="s3v4"),
    )
    parts = urlsplit(client.generate_presigned_url("put_object", Params=OBJECT))
    found = recognized("PUT", parts.path, parts.query, {})
    assert found is not None
    assert found.names == ("s3:PutObject", "PutObject")
    assert found.access_key == "AKIAKEY"


@pytest.mark.parametrize(
    ("method", "path", "headers", "names"),
    [
        ("POST", "/b", {"content-type": "multipart/form-data; boundary=x"}, "s3:PostObject"),
        ("POST", "/restapis/a/api/_user_request_/predict", {}, "execute-api:Invoke"),
        ("GET", "/_ministack/health", {}, None),
        ("POST", "/_pigeonhole/identify", {}, None),
        ("GET", "/favicon.ico", {}, None),
    ],
)
def test_what_is_not_signed(
    method: str, path: str, headers: dict[str, str], names: str | None
) -> None:
    found = recognized(method, path, "", headers)
    assert (found.names[0] if found else None) == names
