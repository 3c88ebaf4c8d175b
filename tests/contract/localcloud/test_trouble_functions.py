"""Functions that die, or are killed at one of their calls, on a real local cloud."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localcloud.home import ACCOUNT
from localcloud.trouble import Rule, Rules

from .clouds import LocalCloud, make_function, user

FUNCTION = """
import boto3, os
def handler(event, context):
    for step in event["steps"]:
        boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=step)
    return "done"
"""


class World:
    """A function that sends a message a step, and what arrived."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.name = f"f-{uuid.uuid4().hex[:8]}"
        self.sqs = user(cloud, "sqs")
        self.functions = user(cloud, "lambda")
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        make_function(cloud, self.name, FUNCTION, SEEN=self.url)

    def invoke(self, *steps: str) -> dict[str, Any]:
        payload = json.dumps({"steps": steps})
        answer: dict[str, Any] = self.functions.invoke(FunctionName=self.name, Payload=payload)
        return answer

    def seen(self) -> list[str]:
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                found.append(message["Body"])
                handle = message["ReceiptHandle"]
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)
        return found


@pytest.fixture(scope="module")
def world(cloud: LocalCloud) -> World:
    return World(cloud)


@pytest.mark.parametrize(("when", "seen"), [("before", []), ("after", ["a"])])
def test_a_function_dies_before_it_ran_or_after(
    world: World, rules: Rules, when: str, seen: list[str]
) -> None:
    rules.add(Rule("function-dies", world.name, when=when))
    answer = world.invoke("a")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "Runtime.ExitError"
    assert world.seen() == seen
    assert "FunctionError" not in world.invoke("b")
    assert world.seen() == ["b"]


@pytest.mark.parametrize(("when", "seen"), [("before", ["a"]), ("after", ["a", "b"])])
def test_a_function_is_killed_at_one_of_its_calls(
    world: World, rules: Rules, when: str, seen: list[str]
) -> None:
    rules.add(Rule("kill-caller", "sqs:SendMessage", by=world.name, when=when, skip=1))
    answer = world.invoke("a", "b", "c")
    assert answer["FunctionError"] == "Unhandled"
    assert sorted(world.seen()) == seen
    assert "FunctionError" not in world.invoke("d")
    assert world.seen() == ["d"]


def test_the_functions_other_invocations_live_on(world: World, rules: Rules) -> None:
    waits = rules.add(Rule("slow", "sqs:SendMessage", about="held", seconds=5))
    rules.add(Rule("kill-caller", "sqs:SendMessage", by=world.name, about="doomed"))
    with ThreadPoolExecutor() as threads:
        other = threads.submit(world.invoke, "held")
        deadline = time.monotonic() + 60
        while waits.number in [rule.number for rule in rules.all()]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert world.invoke("doomed")["FunctionError"] == "Unhandled"
        assert "FunctionError" not in other.result()
    assert world.seen() == ["held"]


MAKES_A_GROUP = """
import boto3
def handler(event, context):
    boto3.client("sagemaker").create_model_package_group(ModelPackageGroupName=event["name"])
"""


@pytest.mark.parametrize(("when", "there"), [("before", []), ("after", ["g-after"])])
def test_a_function_is_killed_at_a_call_of_sagemaker(
    cloud: LocalCloud, rules: Rules, when: str, there: list[str]
) -> None:
    name = f"f-{when}"
    make_function(cloud, name, MAKES_A_GROUP, "sagemaker:*")
    rules.add(Rule("kill-caller", "CreateModelPackageGroup", by=name, when=when))
    payload = json.dumps({"name": f"g-{when}"})
    answer = user(cloud, "lambda").invoke(FunctionName=name, Payload=payload)
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorMessage"] == "Worker process died"
    assert rules.all() == []
    listed = user(cloud, "sagemaker").list_model_package_groups(NameContains=f"g-{when}")
    groups = listed["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == there


def test_a_function_whose_call_is_refused_is_killed_after_it_too(
    cloud: LocalCloud, rules: Rules
) -> None:
    make_function(cloud, "refused", MAKES_A_GROUP, "sagemaker:*")
    rules.add(Rule("kill-caller", "CreateModelPackageGroup", by="refused", when="after"))
    payload = json.dumps({"name": "no_such_name"})
    answer = user(cloud, "lambda").invoke(FunctionName="refused", Payload=payload)
    assert json.load(answer["Payload"])["errorMessage"] == "Worker process died"
    assert rules.all() == []


def test_an_assumed_role_that_is_no_function_is_not_killed_at_sagemaker(
    cloud: LocalCloud, rules: Rules
) -> None:
    trust = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
    iam = user(cloud, "iam")
    role = iam.create_role(
        RoleName="person", AssumeRolePolicyDocument=json.dumps({"Statement": [statement]})
    )["Role"]["Arn"]
    policy = {"Statement": [{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="person", PolicyName="p", PolicyDocument=json.dumps(policy))
    assumed = user(cloud, "sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    rules.add(Rule("kill-caller", "ListModels"))
    user(
        cloud,
        "sagemaker",
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    ).list_models()
    assert [rule.used for rule in rules.all()] == [0]


def test_who_is_no_function_is_not_killed(cloud: LocalCloud, rules: Rules) -> None:
    rules.add(Rule("kill-caller", "ListQueues"))
    user(cloud, "sqs").list_queues()
    assert len(rules.all()) == 1


def test_a_throttled_function_is_one_caller_of_several(
    cloud: LocalCloud, world: World, rules: Rules
) -> None:
    rules.add(Rule("throttle", "sqs:ListQueues", by=world.name, times=None))
    user(cloud, "sqs").list_queues()
