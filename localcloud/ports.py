"""What the SageMaker of the local cloud needs from the rest of it, as protocols.

The real ones stand in `localcloud.access`, `localcloud.events` and `localcloud.logs`; tests hand in
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Caller:
    """Who signed a request: `arn` as STS says it; `role_arn` is None for the account's root.

    trace: the request's X-Amzn-Trace-Id, which tells a Lambda function's invocations apart
    """

    arn: str
    account: str
    role_arn: str | None
    trace: str = ""


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role; `expiration` is timezone-aware."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


class AccessDenied(Exception):
    """The policy of the caller does not allow the action; the message reads as IAM's does."""


class Access(Protocol):
    """IAM and STS, as far as SageMaker asks them."""

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who signed the request with these (lower-case) headers.

        Raises AccessDenied for unknown keys.
        """

    def check(
        self,
        caller: Caller,
        action: str,
        resource: str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Return if `caller` may do `action` (`sagemaker:CreateModel`) on the ARN.

        Raises AccessDenied otherwise.
        """

    def credentials(self, role_arn: str, session_name: str) -> Credentials:
        """Credentials of a job's execution role. Raises AccessDenied when it cannot be assumed."""


class Events(Protocol):
    """EventBridge's default bus, as the services of AWS write to it (source `aws.sagemaker`)."""

    def publish(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        """Take the event; delivery to the rules' targets is asynchronous and survives a kill."""


class LogStream(Protocol):
    """One stream of CloudWatch Logs."""

    def write(self, line: str) -> None:
        """Add one line (without its line break); sent in batches within a second."""

    def close(self) -> None:
        """Send what is left."""


class Metrics(Protocol):
    """CloudWatch's metrics, as the services of AWS write to them."""

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        *,
        unit: str = "None",
        at: float | None = None,
    ) -> None:
        """Take one value (`at`: epoch seconds, now by default); sent in the background."""


@dataclass(frozen=True)
class Hitch:
    """A piece of trouble that is due now; what `seconds` and `message` mean, its kind says."""

    kind: str
    seconds: float = 0.0
    message: str = ""
    when: str = ""
    number: int = 0


class Trouble(Protocol):
    """The trouble that somebody asked for (`localcloud.trouble`)."""

    def next(
        self,
        kind: str,
        subject: str,
        *also: str,
        caller: Callable[[], str] | None = None,
        text: Callable[[], str] | None = None,
    ) -> Hitch | None:
        """The trouble of this kind that is due for `subject` (an operation, a job, an endpoint …),
        or for it under one of its other names, counted as used; None as a rule.

        caller: gives the ARN of who calls, for trouble that is for some callers only
        text: gives what a call says, for trouble that is about something only
        """

    def meant(
        self,
        kind: str,
        subject: str,
        *also: str,
        caller: Callable[[], str] | None = None,
        text: Callable[[], str] | None = None,
    ) -> bool:
        """Whether `next` may have something; counts nothing."""


class Functions(Protocol):
    """The Lambda functions by their names, as far as trouble on demand needs them."""

    def runs(self, function: str) -> bool:
        """Whether it has a process."""

    def kill(self, function: str, trace: str) -> None:
        """Kill the process of the invocation with this X-Amzn-Trace-Id, which fails; all of the
        function's where there is none such."""


class Logs(Protocol):
    """CloudWatch Logs, as the containers' agent writes to it."""

    def stream(self, group: str, name: str) -> LogStream:
        """Open a stream, making the group and the stream where they do not exist."""
