"""Trouble on demand with the services behind MiniStack, as boto3 meets it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud.trouble import Rule, Rules

from .clouds import Factory, LocalCloud, user, wait_for

# What a service does, and how it says that it throttles and that it failed.
CALLS: list[tuple[str, str, Callable[[Any], Any], tuple[str, int], str]] = [
    ("s3", "ListBuckets", lambda c: c.list_buckets(), ("SlowDown", 503), "InternalError"),
    (
        "dynamodb",
        "ListTables",
        lambda c: c.list_tables(),
        ("ThrottlingException", 400),
        "InternalServerError",
    ),
    ("sqs", "ListQueues", lambda c: c.list_queues(), ("RequestThrottled", 403), "InternalFailure"),
    (
        "lambda",
        "ListFunctions",
        lambda c: c.list_functions(),
        ("TooManyRequestsException", 429),
        "ServiceException",
    ),
    ("events", "ListRules", lambda c: c.list_rules(), ("ThrottlingException", 400), ""),
    (
        "apigateway",
        "GetRestApis",
        lambda c: c.get_rest_apis(),
        ("TooManyRequestsException", 429),
        "",
    ),
    ("sts", "GetCallerIdentity", lambda c: c.get_caller_identity(), ("Throttling", 400), ""),
    ("cloudwatch", "ListMetrics", lambda c: c.list_metrics(), ("ThrottlingException", 400), ""),
]
IDS = [call[0] for call in CALLS]


@pytest.mark.parametrize(("service", "operation", "do", "throttled", "failed"), CALLS, ids=IDS)
def test_each_service_refuses_in_its_own_words(  # noqa: PLR0917
    cloud: LocalCloud,
    rules: Rules,
    service: str,
    operation: str,
    do: Callable[[Any], Any],
    throttled: tuple[str, int],
    failed: str,
) -> None:
    client = user(cloud, service)
    code, status = throttled
    for kind, expected in (("throttle", (code, status)), ("error-500", (failed, 500))):
        rules.add(Rule(kind, f"{service}:{operation}"))
        with pytest.raises(ClientError) as refused:
            do(client)
        answer = refused.value.response
        assert answer["Error"]["Code"] == (expected[0] or "InternalFailure")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == expected[1]
        assert answer["Error"]["Message"]
    assert do(client)


@pytest.mark.parametrize(("service", "operation", "do"), [c[:3] for c in CALLS], ids=IDS)
def test_botocore_tries_again_what_is_throttled(
    cloud: LocalCloud, rules: Rules, service: str, operation: str, do: Callable[[Any], Any]
) -> None:
    rules.add(Rule("throttle", operation))
    answer = do(user(cloud, service, attempts=2))
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_call_waits_and_is_carried_out(cloud: LocalCloud, rules: Rules) -> None:
    rules.add(Rule("slow", "sqs:ListQueues", seconds=0.3))
    began = time.monotonic()
    assert user(cloud, "sqs").list_queues()
    assert time.monotonic() - began >= 0.3
    assert rules.all() == []


def test_a_refusal_has_the_words_that_were_asked_for(cloud: LocalCloud, rules: Rules) -> None:
    rules.add(Rule("throttle", "s3:ListBuckets", message="Slower & <slower>."))
    with pytest.raises(ClientError) as refused:
        user(cloud, "s3").list_buckets()
    assert refused.value.response["Error"]["Message"] == "Slower & <slower>."


def test_a_write_takes_effect_and_its_reply_is_lost(cloud: LocalCloud, rules: Rules) -> None:
    s3, sqs = user(cloud, "s3"), user(cloud, "sqs")
    bucket = f"b-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    rules.add(Rule("lose-reply", "s3:PutObject"))
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x" * 100_000

    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    rules.add(Rule("lose-reply", "SendMessage"))
    user(cloud, "sqs", attempts=2).send_message(QueueUrl=url, MessageBody="once?")
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])[
        "Attributes"
    ]
    assert shown["ApproximateNumberOfMessages"] == "2"  # sent again by who heard nothing


def test_a_call_that_fails_by_itself_loses_no_reply(cloud: LocalCloud, rules: Rules) -> None:
    rules.add(Rule("lose-reply", "s3:GetObject"))
    with pytest.raises(ClientError, match="NoSuchBucket"):
        user(cloud, "s3").get_object(Bucket=f"b-{uuid.uuid4().hex}", Key="a")
    assert len(rules.all()) == 1


def test_a_refused_upload_is_not_stored(cloud: LocalCloud, rules: Rules) -> None:
    s3 = user(cloud, "s3")
    bucket = f"b-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    rules.add(Rule("error-500", "PutObject"))
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 3_000_000)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    rules.add(Rule("throttle", "HeadBucket"))
    with pytest.raises(ClientError) as refused:
        s3.head_bucket(Bucket=bucket)  # an answer without a body
    assert refused.value.response["Error"]["Code"] == "503"


def test_the_cloud_itself_is_spared(cloud: LocalCloud, rules: Rules) -> None:
    rules.add(Rule("throttle", "*", times=None))
    assert cloud.client("sqs").list_queues()
    with pytest.raises(ClientError):
        user(cloud, "sqs").list_queues()


def test_calls_of_a_deployed_api_are_refused_as_the_gateway_does(
    cloud: LocalCloud, rules: Rules
) -> None:
    url = f"{cloud.ports.gateway_url}/restapis/none/api/_user_request_/predict"
    for kind, status, message in (
        ("throttle", 429, "Too Many Requests"),
        ("error-500", 500, "Internal server error"),
    ):
        rules.add(Rule(kind, "execute-api:Invoke"))
        answer = urllib3.request("POST", url, body=b"x", retries=False)
        assert (answer.status, answer.json()) == (status, {"message": message})


@pytest.fixture
def bucket(cloud: LocalCloud) -> tuple[str, Callable[[], list[str]]]:
    """A bucket whose notifications go to a queue; gives what arrived: events and keys."""
    s3, sqs = user(cloud, "s3"), user(cloud, "sqs")
    name = f"b-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn["QueueArn"],
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    s3.create_bucket(Bucket=name)
    target = {"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [target]}
    )

    def arrived() -> list[str]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                for record in json.loads(message["Body"]).get("Records", []):
                    found.append(f"{record['eventName']} {record['s3']['object']['key']}")
        return found

    return name, arrived


def heard(arrived: Callable[[], list[str]], count: int) -> list[str]:
    """The first `count` notifications, in the order in which they came."""
    found: list[str] = []

    def enough() -> bool:
        found.extend(arrived())
        return len(found) >= count

    wait_for(enough, f"{count} notifications")
    return found


def test_notifications_of_s3_have_their_trouble(
    cloud: LocalCloud, rules: Rules, bucket: tuple[str, Callable[[], list[str]]]
) -> None:
    name, arrived = bucket
    s3 = user(cloud, "s3")

    def put(*keys: str) -> None:
        for key in keys:
            s3.put_object(Bucket=name, Key=key, Body=b"x")

    rules.add(Rule("events-twice", "s3:ObjectCreated:Put a*"))
    put("a")
    assert heard(arrived, 2) == ["ObjectCreated:Put a"] * 2

    rules.add(Rule("events-reorder", "s3:ObjectCreated:*"))
    put("b")
    wait_for(lambda: not rules.all(), "the first to be held")
    put("c")
    assert heard(arrived, 2) == ["ObjectCreated:Put c", "ObjectCreated:Put b"]

    rules.add(Rule("events-never", "s3:ObjectRemoved:*"))
    s3.delete_object(Bucket=name, Key="a")
    wait_for(lambda: not rules.all(), "the event to be lost")
    rules.add(Rule("events-late", "s3:ObjectCreated:Put d", seconds=0.5))
    put("d")
    wait_for(lambda: not rules.all(), "the event to be late")
    put("e")
    assert heard(arrived, 2) == ["ObjectCreated:Put e", "ObjectCreated:Put d"]


def test_rules_hold_over_a_kill_for_both_processes(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    rules = Rules(cloud.home.trouble_db)
    rules.add(Rule("throttle", "ListModels", times=2))
    rules.add(Rule("throttle", "sqs:ListQueues"))
    sagemaker = user(cloud, "sagemaker")
    with pytest.raises(ClientError, match="Throttling"):
        sagemaker.list_models()
    assert cloud.process is not None
    cloud.process.kill()
    cloud.process.wait()
    cloud.start()
    with pytest.raises(ClientError, match="Throttling"):
        sagemaker.list_models()
    assert sagemaker.list_models()["Models"] == []
    with pytest.raises(ClientError, match="Throttl"):
        user(cloud, "sqs").list_queues()
    assert rules.all() == []
    rules.close()


def test_a_rule_is_about_what_a_call_names_in_its_path_its_query_or_its_body(
    cloud: LocalCloud, rules: Rules
) -> None:
    s3, sqs = user(cloud, "s3"), user(cloud, "sqs")
    bucket, name = f"b-{uuid.uuid4().hex[:8]}", f"q-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    calls: list[Callable[[str], Any]] = [
        lambda word: s3.put_object(Bucket=bucket, Key=f"{word}/ä", Body=b"other"),
        lambda word: s3.list_objects_v2(Bucket=bucket, Prefix=f"{word}/"),
        lambda word: sqs.send_message(QueueUrl=url, MessageBody=f"{word}/"),
    ]
    for call in calls:
        rules.add(Rule("error-500", about="letters/"))
        call("digits")
        with pytest.raises(ClientError):
            call("letters")
        call("letters")
