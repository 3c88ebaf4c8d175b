"""One CloudFormation stack: created, updated, unstuck, deleted, and watched meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from botocore.exceptions import ClientError

from cli.stack.errors import DeployFailed
from cli.stack.progress import Progress, silent

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]  # roles; the SAM transform
_NEVER_CREATED = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}
_CANCELLED = "cancelled"  # "Resource creation cancelled": the consequence, not the cause
IMPORTED = "IMPORT_COMPLETE"


class Stack:
    """`client` is boto3's `cloudformation` client. `pause` waits so many seconds between two looks.

    `patience`: how many looks without any new event until an operation that somebody else began
    counts as dead.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        progress: Progress = silent,
        pause: Callable[[], None] = lambda: time.sleep(1),
        patience: int = 900,
    ) -> None:
        self._client = client
        self.name = name
        self._progress = progress
        self._pause = pause
        self._patience = patience
        self._reasons: list[str] = []
        self._seen: set[str] = set()

    def status(self) -> str | None:
        """The stack's status, or None when there is no stack."""
        stack = self._describe()
        return None if stack is None else str(stack["StackStatus"])

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; empty when there is no stack."""
        stack = self._describe() or {}
        return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())}

    def settle(self) -> str | None:
        """Bring the stack to where it can be updated, or away; its status then, None for no stack.

        Waits for an operation under way. A stack that never came to be (ROLLBACK_COMPLETE and its
        like) and one whose operation is dead are deleted; the data bucket is retained by its
        DeletionPolicy.
        Raises DeployFailed where a person must decide.
        """
        status = self.status()
        if status is None:
            return None
        self._skip_old_events()
        if status.endswith("_IN_PROGRESS") and status not in _NEVER_CREATED:
            self._progress(f"stack {self.name} is {status}: waiting for that to end")
            ended = self._watch(self._patience)
            if ended is None:
                return None
            if ended.endswith("_IN_PROGRESS"):
                self._progress(f"{ended} is stuck: deleting stack {self.name} to create it again")
                self.delete()
                return None
            status = ended
        if status in _NEVER_CREATED:
            self._progress(
                f"stack {self.name} is {status}, it never came to be: "
                "deleting it to create it again"
            )
            self.delete()
            return None
        if status.endswith("_FAILED"):
            raise DeployFailed(
                f"stack {self.name} is {status}: look at its events in CloudFormation's console "
                "and continue its rollback or delete it, then deploy again"
            )
        return status

    def apply(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        kept: Collection[str] = (),
    ) -> bool:
        """Create or update the stack and wait; False when nothing was to change.

        `kept` names parameters that keep the value that they have in the stack, where `parameters`
        gives none. Raises DeployFailed.
        """
        self._skip_old_events()
        stack = self._describe()
        had = {entry["ParameterKey"] for entry in (stack or {}).get("Parameters", ())}
        keep = [name for name in kept if name in had and name not in parameters]
        asked = {
            "StackName": self.name,
            "TemplateBody": json.dumps(template, separators=(",", ":")),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ]
            + [{"ParameterKey": key, "UsePreviousValue": True} for key in keep],
            "Capabilities": _CAPABILITIES,
            "Tags": [{"Key": "pigeonhole:stack", "Value": self.name}],
        }
        try:
            if stack is None:
                self._client.create_stack(**asked)
            else:
                self._client.update_stack(**asked)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise DeployFailed(f"CloudFormation refuses stack {self.name}: {error}") from error
        self._expect({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
        return True

    def adopt(
        self, logical_id: str, resource: Mapping[str, Any], identifier: Mapping[str, str]
    ) -> None:
        """Create the stack around a resource that exists already. Raises DeployFailed.

        `identifier` is what the resource's type is imported by, say {"BucketName": …}. The template
        that is imported holds this resource alone; `apply` brings the rest.
        """
        set_name = "adopt"
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=set_name,
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps({"Resources": {logical_id: resource}}),
            ResourcesToImport=[
                {
                    "ResourceType": resource["Type"],
                    "LogicalResourceId": logical_id,
                    "ResourceIdentifier": dict(identifier),
                }
            ],
        )
        while True:
            change_set = self._client.describe_change_set(
                StackName=self.name, ChangeSetName=set_name
            )
            if change_set["Status"] == "CREATE_COMPLETE":
                break
            if change_set["Status"] == "FAILED":
                reason = change_set.get("StatusReason", "no reason given")
                raise DeployFailed(f"{identifier} cannot be taken into the stack: {reason}")
            self._pause()
        self._client.execute_change_set(StackName=self.name, ChangeSetName=set_name)
        self._expect({IMPORTED})

    def delete(self) -> None:
        """Delete the stack and wait; it need not exist. Raises DeployFailed."""
        stack = self._describe()
        if stack is None:
            return
        self._skip_old_events()
        self._client.delete_stack(StackName=self.name)
        ended = self._watch(None)
        if ended not in (None, "DELETE_COMPLETE"):
            raise DeployFailed(self._failure(ended or ""))

    def _expect(self, wanted: set[str]) -> None:
        ended = self._watch(None)
        if ended not in wanted:
            raise DeployFailed(self._failure(ended or "gone"))

    def _failure(self, status: str) -> str:
        reasons = "; ".join(self._reasons) or "CloudFormation gave no reason"
        return f"stack {self.name} ended as {status}: {reasons}"

    def _watch(self, patience: int | None) -> str | None:
        """Show events until the operation ends, or until `patience` looks brought nothing new."""
        quiet = 0
        while True:
            status = self.status()
            quiet = 0 if self._show_events() else quiet + 1
            if status is None or not status.endswith("_IN_PROGRESS"):
                return status
            if patience is not None and quiet >= patience:
                return status
            self._pause()

    def _show_events(self) -> bool:
        """Tell what is new, oldest first; was there anything?"""
        new = [event for event in self._events() if event["EventId"] not in self._seen]
        for event in reversed(new):
            self._seen.add(event["EventId"])
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
            what = f"{event['LogicalResourceId']} ({event.get('ResourceType', '')})"
            if status.endswith("_FAILED"):
                self._progress(f"{status} {what}: {reason}")
                if _CANCELLED not in reason:
                    self._reasons.append(f"{what}: {reason}")
            elif status.endswith("_COMPLETE"):
                self._progress(f"{status} {what}")
        return bool(new)

    def _skip_old_events(self) -> None:
        self._reasons = []
        self._seen |= {event["EventId"] for event in self._events()}

    def _events(self) -> list[dict[str, Any]]:
        """The newest page of events, newest first: more than happens between two looks."""
        try:
            return list(
                self._client.describe_stack_events(StackName=self.name).get("StackEvents", ())
            )
        except ClientError as error:
            if _missing(error):
                return []
            raise

    def _describe(self) -> dict[str, Any] | None:
        try:
            stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if _missing(error):
                return None
            raise
        return None if stack["StackStatus"] == "DELETE_COMPLETE" else dict(stack)


def _missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error)
