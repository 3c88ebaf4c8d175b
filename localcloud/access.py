"""IAM and STS for our SageMaker: who calls, what he may do, and the credentials of execution roles.

Who calls and what he may do is asked of MiniStack's own IAM through the bridge of its entry (see
`ministack/bridge.py` for why). Nothing is cached: a policy that changes holds at the next call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from localcloud.bridge import Bridge
from localcloud.clients import Clients
from localcloud.home import Ports
from localcloud.ports import AccessDenied, Caller, Credentials

SERVICE = "sagemaker.amazonaws.com"

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)/")
_DURATION = 3600  # seconds; the most that a role takes without a longer MaxSessionDuration


class IamAccess:
    """`localcloud.ports.Access` on MiniStack."""

    def __init__(self, ports: Ports, region: str, token: str, clients: Clients) -> None:
        self._region = region
        self._iam = clients("iam")
        self._bridge = Bridge(ports, token)

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who signed the request with these (lower-case) headers.

        Raises AccessDenied for unknown and expired keys. The signature itself is not checked.
        """
        found = _CREDENTIAL.match(headers.get("authorization", ""))
        if found is None:
            raise AccessDenied("Missing Authentication Token")
        identity = self._ask(
            "identify",
            {"access_key": found[1], "session_token": headers.get("x-amz-security-token", "")},
        )
        trace = headers.get("x-amzn-trace-id", "")
        return Caller(identity["arn"], identity["account"], identity["role_arn"], trace)

    def check(
        self,
        caller: Caller,
        action: str,
        resource: str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Return if `caller` may do `action` on the ARN `resource`, else raise AccessDenied.

        `context`: the request's condition keys, say `{"iam:PassedToService": SERVICE}`.
        The root may do everything. Session policies are not looked at.
        """
        result = self._ask(
            "authorize",
            {
                "arn": caller.arn,
                "account": caller.account,
                "role_arn": caller.role_arn,
                "region": self._region,
                "action": action,
                "resource": resource,
                "context": dict(context or {}),
            },
        )
        if result["decision"] == "Allow":
            return
        why = (
            "with an explicit deny in an identity-based policy"
            if result["decision"] == "Deny"
            else f"because no identity-based policy allows the {action} action"
        )
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: {action} "
            f"on resource: {resource} {why}"
        )

    def credentials(self, role_arn: str, session_name: str) -> Credentials:
        """Credentials of an execution role, as SageMaker assumes it.

        The role's trust policy must let `sagemaker.amazonaws.com` assume it: looked at here, as the
        bridge gives credentials of any role. Raises AccessDenied when the role does not exist or
        does not trust SageMaker.
        """
        refused = AccessDenied(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
            f"principal '{SERVICE}' to assume the role."
        )
        try:
            role = self._iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
            if role["Arn"] != role_arn or not trusts(role["AssumeRolePolicyDocument"], SERVICE):
                raise refused
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied"):
                raise refused from error
            raise
        given = self._ask(
            "assume",
            {
                "role_arn": role_arn,
                "session_name": re.sub(r"[^\w+=,.@-]", "-", session_name)[:64],
                "seconds": _DURATION,
            },
        )
        return Credentials(
            given["access_key"],
            given["secret_key"],
            given["session_token"],
            datetime.fromtimestamp(given["expiration"], UTC),
        )

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        status, content = self._bridge.ask(operation, request)
        if status == HTTPStatus.FORBIDDEN:
            raise AccessDenied(content["message"])
        return content


def trusts(document: str | dict[str, Any], service: str) -> bool:
    """Whether a role's trust policy lets a service of AWS assume it.

    Conditions (`aws:SourceAccount`, `aws:SourceArn`) are taken as met: there is one account.
    """
    policy: dict[str, Any] = (
        json.loads(unquote(document)) if isinstance(document, str) else document
    )
    allowed = False
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal == "*" or service in _listed(
            principal.get("Service", []) if isinstance(principal, dict) else []
        )
        actions = _listed(statement.get("Action", []))
        if named and any(a.lower() in ("sts:assumerole", "sts:*", "*") for a in actions):
            if statement.get("Effect") == "Deny":
                return False
            allowed = allowed or statement.get("Effect") == "Allow"
    return allowed


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
