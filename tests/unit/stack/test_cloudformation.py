"""A stack in each state that `deploy` can meet it in, on a CloudFormation that follows a script."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.stack.cloudformation import Stack
from cli.stack.errors import DeployFailed


class ScriptedCloudFormation:
    """Statuses come one a look, the last one for ever; None is "does not exist"."""

    def __init__(self, *statuses: str | None) -> None:
        self.statuses = list(statuses)
        self.after_call: list[str | None] = []
        self.events: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.refusal: ClientError | None = None
        self.parameters: list[str] = []
        self.asked: dict[str, Any] = {}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            raise client_error(f"Stack with id {StackName} does not exist")
        parameters = [{"ParameterKey": name, "ParameterValue": "x"} for name in self.parameters]
        return {"Stacks": [{"StackStatus": status, "Outputs": [], "Parameters": parameters}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        return {"StackEvents": self.events}

    def create_stack(self, **asked: Any) -> None:
        self._called("create")

    def update_stack(self, **asked: Any) -> None:
        self.asked = asked
        self._called("update")

    def delete_stack(self, **asked: Any) -> None:
        self._called("delete")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.refusal:
            raise self.refusal
        self.statuses = list(self.after_call)


def client_error(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")


def failed_event(number: int, logical_id: str, reason: str) -> dict[str, str]:
    return {
        "EventId": str(number),
        "LogicalResourceId": logical_id,
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
    }


def stack(client: ScriptedCloudFormation, lines: list[str] | None = None) -> Stack:
    said = [] if lines is None else lines
    return Stack(client, "pigeonhole-dev", said.append, pause=lambda: None, patience=3)


def test_no_stack_is_created() -> None:
    client = ScriptedCloudFormation(None)
    client.after_call = ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert stack(client).settle() is None
    assert stack(client).apply({}, {})
    assert client.calls == ["create"]


def test_what_an_update_does_not_name_keeps_its_value_where_it_is_to_be_kept() -> None:
    client = ScriptedCloudFormation("UPDATE_COMPLETE")
    client.parameters = ["Stage", "NotificationEmail"]
    subject = stack(client)
    client.after_call = ["UPDATE_COMPLETE"]
    subject.apply({}, {"Stage": "dev"}, {"NotificationEmail", "Unknown"})
    assert client.asked["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": "dev"},
        {"ParameterKey": "NotificationEmail", "UsePreviousValue": True},
    ]
    subject.apply({}, {"NotificationEmail": ""}, {"NotificationEmail"})
    assert client.asked["Parameters"] == [
        {"ParameterKey": "NotificationEmail", "ParameterValue": ""}
    ]


def test_a_stack_without_changes_is_left_alone() -> None:
    client = ScriptedCloudFormation("UPDATE_COMPLETE")
    client.refusal = client_error("No updates are to be performed.")
    assert stack(client).settle() == "UPDATE_COMPLETE"
    assert stack(client).apply({}, {}) is False


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_stack_that_never_came_to_be_is_deleted_and_that_is_said(status: str) -> None:
    client = ScriptedCloudFormation(status)
    client.after_call = ["DELETE_IN_PROGRESS", None]
    lines: list[str] = []
    assert stack(client, lines).settle() is None
    assert client.calls == ["delete"]
    assert any(status in line and "deleting" in line for line in lines)


def test_somebody_elses_update_is_waited_for() -> None:
    client = ScriptedCloudFormation(
        "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
    )
    assert stack(client).settle() == "UPDATE_COMPLETE"
    assert client.calls == []


def test_an_operation_without_any_event_is_dead() -> None:
    client = ScriptedCloudFormation("CREATE_IN_PROGRESS")
    client.after_call = [None]
    assert stack(client).settle() is None
    assert client.calls == ["delete"]


def test_a_failed_rollback_needs_a_person() -> None:
    client = ScriptedCloudFormation("UPDATE_ROLLBACK_FAILED")
    with pytest.raises(DeployFailed, match="UPDATE_ROLLBACK_FAILED"):
        stack(client).settle()
    assert client.calls == []


def test_a_failure_names_its_cause_and_not_what_was_cancelled() -> None:
    client = ScriptedCloudFormation(None)
    client.after_call = ["ROLLBACK_COMPLETE"]
    subject = stack(client)
    subject.settle()

    def create(**asked: Any) -> None:
        client.events = [
            failed_event(2, "WorkQueue", "Resource creation cancelled"),
            failed_event(1, "EventsQueue", "no such key"),
        ]
        client.statuses = ["ROLLBACK_COMPLETE"]

    client.create_stack = create  # type: ignore[method-assign]
    with pytest.raises(DeployFailed) as caught:
        subject.apply({}, {})
    assert "EventsQueue (AWS::SQS::Queue): no such key" in str(caught.value)
    assert "cancelled" not in str(caught.value)
