"""The stack on a real MiniStack with IAM enforced: what it lets through, and what it stops."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.stack.deploy import Deployed, deploy
from cli.stack.deploy import deployed as find_deployed
from cli.stack.destroy import destroy
from cli.stack.errors import DeployFailed

from .conftest import REPO, Cloud

PATIENCE = 90.0


def eventually(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    pytest.fail(f"{what} did not happen in {PATIENCE:.0f} s")


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def misplaced_reports(session: boto3.Session, deployed: Deployed) -> list[str]:
    listed = session.client("s3").list_objects_v2(
        Bucket=deployed.bucket, Prefix="reports/misplaced/"
    )
    return [entry["Key"] for entry in listed.get("Contents", ())]


def put_stray(session: boto3.Session, deployed: Deployed, name: str) -> None:
    """A file straight under datasets/, which reconcile answers with a report and no job."""
    session.client("s3").put_object(Bucket=deployed.bucket, Key=f"datasets/{name}", Body=b"1")


def role_of(session: boto3.Session, function: str) -> str:
    configuration = session.client("lambda").get_function_configuration(FunctionName=function)
    return str(configuration["Role"]).rpartition("/")[2]


@pytest.fixture
def without_action(session: boto3.Session) -> Any:
    """Takes actions out of a function's policy; they are back after the test."""
    iam = session.client("iam")
    before: list[tuple[str, str, str]] = []

    def take(function: str, action: str) -> None:
        role = role_of(session, function)
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        before.append((role, name, json.dumps(document)))
        for statement in document["Statement"]:
            actions = statement["Action"]
            listed = [actions] if isinstance(actions, str) else actions
            # an empty list is no policy: leave something harmless
            statement["Action"] = [a for a in listed if a != action] or ["sts:GetCallerIdentity"]
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    yield take
    for role, name, document in before:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


def test_the_api_answers_under_the_address_that_deploy_gives(deployed: Deployed) -> None:
    assert get(deployed.api + "/datasets") == (200, {"datasets": []})
    status, said = get(deployed.api + "/datasets/nothing")
    assert (status, said["error"]) == (404, "dataset_not_found")


def test_an_upload_reaches_reconcile_by_the_queue(
    session: boto3.Session, deployed: Deployed
) -> None:
    put_stray(session, deployed, "stray-one.csv")
    eventually(
        lambda: any("stray-one" in key for key in misplaced_reports(session, deployed)),
        "the report on the misplaced file",
    )


def test_the_queue_takes_nothing_from_other_buckets(
    session: boto3.Session, deployed: Deployed
) -> None:
    attributes = session.client("sqs").get_queue_attributes(
        QueueUrl=deployed.events_queue_url, AttributeNames=["Policy"]
    )["Attributes"]
    statements = {s["Sid"]: s for s in json.loads(attributes["Policy"])["Statement"]}
    source = statements["BucketMaySend"]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert source == f"arn:aws:s3:::{deployed.bucket}"
    assert "TlsOnly" not in statements  # the local cloud speaks http


def test_the_sweep_is_scheduled_and_its_message_is_understood(
    session: boto3.Session, deployed: Deployed
) -> None:
    events = session.client("events")
    (rule,) = [r for r in events.list_rules()["Rules"] if r.get("ScheduleExpression")]
    assert (rule["State"], rule["ScheduleExpression"]) == ("ENABLED", "rate(5 minutes)")
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    sqs = session.client("sqs")
    queue = sqs.get_queue_attributes(QueueUrl=deployed.events_queue_url, AttributeNames=["All"])
    assert target["Arn"] == queue["Attributes"]["QueueArn"]

    sqs.send_message(QueueUrl=deployed.events_queue_url, MessageBody=target["Input"])

    def all_taken() -> bool:
        left = sqs.get_queue_attributes(QueueUrl=deployed.events_queue_url, AttributeNames=["All"])[
            "Attributes"
        ]
        return all(left[name] == "0" for name in left if name.startswith("ApproximateNumberOf"))

    eventually(all_taken, "reading the sweep")


def test_an_action_taken_out_of_a_policy_fails_at_that_call(
    session: boto3.Session, deployed: Deployed, without_action: Callable[[str, str], None]
) -> None:
    assert get(deployed.api + "/datasets")[0] == 200
    without_action(deployed.outputs["APIHandlerName"], "dynamodb:Scan")
    assert get(deployed.api + "/datasets")[0] == 500
    logs = session.client("logs")
    group = f"/aws/lambda/{deployed.outputs['APIHandlerName']}"
    eventually(
        lambda: logs.filter_log_events(
            logGroupName=group, filterPattern='"not authorized to perform: dynamodb:Scan"'
        )["events"],
        "the refusal in the function's log",
    )


def test_a_message_whose_handling_is_denied_comes_back_and_nothing_is_written(
    session: boto3.Session, deployed: Deployed, without_action: Callable[[str, str], None]
) -> None:
    without_action(deployed.outputs["ReconcileFunction"], "s3:PutObject")
    put_stray(session, deployed, "stray-denied.csv")
    sqs = session.client("sqs")

    def hidden() -> bool:
        name = "ApproximateNumberOfMessagesNotVisible"
        left = sqs.get_queue_attributes(QueueUrl=deployed.events_queue_url, AttributeNames=[name])[
            "Attributes"
        ]
        return left[name] != "0"

    eventually(hidden, "the message's first try")
    logs = session.client("logs")
    group = f"/aws/lambda/{deployed.outputs['ReconcileFunction']}"
    eventually(
        lambda: logs.filter_log_events(
            logGroupName=group, filterPattern='"not authorized to perform: s3:PutObject"'
        )["events"],
        "the refusal in the function's log",
    )
    assert hidden()  # not deleted: it waits for its next try
    assert not any("stray-denied" in key for key in misplaced_reports(session, deployed))


def test_the_training_code_lies_where_jobs_look_for_it(
    session: boto3.Session, deployed: Deployed
) -> None:
    key = f"code/{deployed.code_version}/sourcedir.tar.gz"
    session.client("s3").head_object(Bucket=deployed.bucket, Key=key)


def test_the_bucket_keeps_versions_and_is_private(
    session: boto3.Session, deployed: Deployed
) -> None:
    s3 = session.client("s3")
    assert s3.get_bucket_versioning(Bucket=deployed.bucket)["Status"] == "Enabled"
    access = s3.get_public_access_block(Bucket=deployed.bucket)["PublicAccessBlockConfiguration"]
    assert all(access.values())


def test_a_second_deploy_changes_nothing(
    session: boto3.Session, deployed: Deployed, build: Path
) -> None:
    again = deploy(session, REPO, "local", build)
    assert not again.changed
    assert find_deployed(session, "local") == again


def test_the_service_works_after_a_restart_on_another_port(
    cloud: Cloud,
    session: boto3.Session,
    deployed: Deployed,
    build: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MiniStack knows queues by URLs with the port in them; table and bucket must come along."""
    item = {"id": {"S": "kept"}, "revision": {"N": "1"}, "state": {"S": "{}"}}
    session.client("dynamodb").put_item(TableName=deployed.table, Item=item)
    cloud.stop()
    cloud.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    fresh = boto3.Session()
    moved = deploy(fresh, REPO, "local", build)
    assert moved.api.startswith(cloud.endpoint)
    found = fresh.client("dynamodb").get_item(TableName=moved.table, Key={"id": {"S": "kept"}})
    assert found["Item"] == item
    fresh.client("dynamodb").delete_item(TableName=moved.table, Key={"id": {"S": "kept"}})
    put_stray(fresh, moved, "stray-moved.csv")
    eventually(
        lambda: any("stray-moved" in key for key in misplaced_reports(fresh, moved)),
        "the report on the misplaced file",
    )


def test_a_bucket_that_lost_its_stack_is_taken_into_a_new_one(
    session: boto3.Session, deployed: Deployed, build: Path
) -> None:
    s3 = session.client("s3")
    s3.put_object(Bucket=deployed.bucket, Key="models/kept", Body=b"1")
    destroy_without_sagemaker(session)
    assert find_deployed(session, "local") is None
    said: list[str] = []
    again = deploy(session, REPO, "local", build, said.append)
    assert any("taking it into a new one" in line for line in said)
    assert s3.get_object(Bucket=again.bucket, Key="models/kept")["Body"].read() == b"1"
    put_stray(session, again, "stray-adopted.csv")
    eventually(
        lambda: any("stray-adopted" in key for key in misplaced_reports(session, again)),
        "the report on the misplaced file",
    )


def destroy_without_sagemaker(session: boto3.Session) -> None:
    """MiniStack alone has no SageMaker, so the stack goes as `destroy` deletes it."""
    client = session.client("cloudformation")
    client.delete_stack(StackName="pigeonhole-local")
    client.get_waiter("stack_delete_complete").wait(StackName="pigeonhole-local")


def test_the_local_stage_never_goes_to_aws(
    monkeypatch: pytest.MonkeyPatch, session: boto3.Session, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(DeployFailed, match=r"\.local/env"):
        deploy(boto3.Session(), REPO, "local", tmp_path)


def test_no_region_is_said_before_anything_happens(
    monkeypatch: pytest.MonkeyPatch, session: boto3.Session, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(DeployFailed, match="AWS_DEFAULT_REGION"):
        destroy(boto3.Session(), "dev")
