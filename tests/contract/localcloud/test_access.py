"""IAM as our SageMaker asks it, on a real MiniStack with IAM enforced."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.ports import AccessDenied, Caller

from .clouds import REGION, LocalCloud

MODEL = "arn:aws:sagemaker:us-east-1:000000000000:model/mine"
OTHER = "arn:aws:sagemaker:us-east-1:000000000000:model/other"


def document(principal: dict[str, str] | None = None, *statements: dict[str, Any]) -> str:
    trust = [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
    return json.dumps({"Version": "2012-10-17", "Statement": trust if principal else statements})


@pytest.fixture(scope="module")
def role(cloud: LocalCloud) -> str:
    """A role that SageMaker may assume: it may describe one model and pass itself to SageMaker."""
    iam = cloud.client("iam")
    arn: str = iam.create_role(
        RoleName="job",
        Path="/jobs/",
        AssumeRolePolicyDocument=document({"Service": "sagemaker.amazonaws.com"}),
    )["Role"]["Arn"]
    put_policy(cloud, "sagemaker:DescribeModel")
    return arn


def put_policy(cloud: LocalCloud, *actions: str) -> None:
    policy = document(
        None,
        {"Effect": "Allow", "Action": list(actions), "Resource": MODEL},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
        {"Effect": "Deny", "Action": "sagemaker:DeleteModel", "Resource": "*"},
    )
    cloud.client("iam").put_role_policy(RoleName="job", PolicyName="p", PolicyDocument=policy)


def signed(key: str, token: str | None = None) -> dict[str, str]:
    """The headers of a signed request, as far as they say who signed."""
    scope = f"{key}/20260101/us-east-1/sagemaker/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    }
    return headers | ({"x-amz-security-token": token} if token else {})


def test_the_root_is_known_and_may_do_everything(cloud: LocalCloud) -> None:
    access = cloud.access()
    root = access.caller(signed("test"))
    assert root == Caller("arn:aws:iam::000000000000:root", "000000000000", None)
    access.check(root, "sagemaker:DeleteModel", MODEL)


def test_a_roles_session_is_known_by_its_key_and_token(cloud: LocalCloud, role: str) -> None:
    access = cloud.access()
    given = access.credentials(role, "training-1")
    caller = access.caller(signed(given.access_key_id, given.session_token))
    assert caller.arn == "arn:aws:sts::000000000000:assumed-role/job/training-1"
    assert caller.role_arn == role
    for token in ("stolen", None):
        with pytest.raises(AccessDenied):
            access.caller(signed(given.access_key_id, token))


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x"}, signed("AKIAUNKNOWN0000000")]
)
def test_a_request_of_nobody_is_refused(cloud: LocalCloud, headers: dict[str, str]) -> None:
    with pytest.raises(AccessDenied):
        cloud.access().caller(headers)


def test_a_role_may_do_what_its_policy_says_and_nothing_else(cloud: LocalCloud, role: str) -> None:
    access = cloud.access()
    given = access.credentials(role, "s1")
    caller = access.caller(signed(given.access_key_id, given.session_token))
    access.check(caller, "sagemaker:DescribeModel", MODEL)
    for action, resource, why in [
        ("sagemaker:DescribeModel", OTHER, "no identity-based policy allows"),
        ("sagemaker:CreateModel", MODEL, "no identity-based policy allows"),
        ("sagemaker:DeleteModel", MODEL, "explicit deny"),
    ]:
        with pytest.raises(AccessDenied, match=why) as denied:
            access.check(caller, action, resource)
        assert f"not authorized to perform: {action} on resource: {resource}" in str(denied.value)


def test_condition_keys_of_the_request_count(cloud: LocalCloud, role: str) -> None:
    access = cloud.access()
    caller = Caller("arn:aws:sts::000000000000:assumed-role/job/x1", "000000000000", role)
    access.check(caller, "iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})
    for context in (None, {"iam:PassedToService": "lambda.amazonaws.com"}):
        with pytest.raises(AccessDenied):
            access.check(caller, "iam:PassRole", role, context)


def test_an_action_taken_out_of_a_policy_is_refused_at_once(cloud: LocalCloud, role: str) -> None:
    access = cloud.access()
    caller = Caller("arn:aws:sts::000000000000:assumed-role/job/x1", "000000000000", role)
    access.check(caller, "sagemaker:DescribeModel", MODEL)
    put_policy(cloud, "sagemaker:CreateModel")
    try:
        with pytest.raises(AccessDenied):
            access.check(caller, "sagemaker:DescribeModel", MODEL)
    finally:
        put_policy(cloud, "sagemaker:DescribeModel")


def test_a_jobs_credentials_do_what_its_role_may_and_no_more(cloud: LocalCloud, role: str) -> None:
    given = cloud.access().credentials(role, "training/with odd characters")
    assert given.expiration > datetime.now(UTC)
    session = boto3.Session(
        given.access_key_id, given.secret_access_key, given.session_token, REGION
    )
    sts = session.client("sts", endpoint_url=cloud.ports.gateway_url)
    assert ":assumed-role/job/" in sts.get_caller_identity()["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("s3", endpoint_url=cloud.ports.gateway_url).create_bucket(Bucket="not-mine")


@pytest.mark.parametrize(
    "principal", [{"Service": "lambda.amazonaws.com"}, {"AWS": "000000000000"}]
)
def test_a_role_that_does_not_trust_sagemaker_gives_nothing(
    cloud: LocalCloud, principal: dict[str, str]
) -> None:
    iam = cloud.client("iam")
    name = "not-for-jobs"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(principal))["Role"][
        "Arn"
    ]
    try:
        with pytest.raises(AccessDenied, match="Could not assume role"):
            cloud.access().credentials(arn, "s1")
    finally:
        iam.delete_role(RoleName=name)


def test_a_role_that_is_not_there_gives_nothing(cloud: LocalCloud, role: str) -> None:
    for arn in ("arn:aws:iam::000000000000:role/gone", role.replace("/jobs/", "/")):
        with pytest.raises(AccessDenied, match="Could not assume role"):
            cloud.access().credentials(arn, "s1")


def test_sagemaker_is_reached_with_iam_enforced(cloud: LocalCloud, role: str) -> None:
    given = cloud.access().credentials(role, "s1")
    session = boto3.Session(
        given.access_key_id, given.secret_access_key, given.session_token, REGION
    )
    client = session.client("sagemaker", endpoint_url=cloud.ports.sagemaker_url)
    with pytest.raises(ClientError, match="sagemaker:ListModels") as denied:
        client.list_models()
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(ClientError, match="mine") as missing:
        client.describe_model(ModelName="mine")
    assert missing.value.response["Error"]["Code"] == "ValidationException"


def test_the_bridge_answers_nobody_else(cloud: LocalCloud) -> None:
    with pytest.raises(RuntimeError, match="403"):
        cloud.access(token="guessed").caller(signed("test"))


def test_a_queues_batch_calls_need_the_permission_of_the_single_call(cloud: LocalCloud) -> None:
    iam, root = cloud.client("iam"), cloud.client("sqs")
    url = root.create_queue(QueueName="batches")["QueueUrl"]
    trust = document({"AWS": "arn:aws:iam::000000000000:root"})
    arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "sqs:DeleteMessage", "Resource": "*"}
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document(None, allowed))
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    sqs = boto3.client(
        "sqs",
        endpoint_url=root.meta.endpoint_url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    entry = {"Id": "0", "ReceiptHandle": "gone"}
    sqs.delete_message_batch(QueueUrl=url, Entries=[entry])
    with pytest.raises(ClientError, match="sqs:ChangeMessageVisibility "):
        sqs.change_message_visibility_batch(
            QueueUrl=url, Entries=[{**entry, "VisibilityTimeout": 1}]
        )
