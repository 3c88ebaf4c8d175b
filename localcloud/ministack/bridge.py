"""What our SageMaker asks of MiniStack and has no public API.

    POST /_pigeonhole/identify    {"access_key", "session_token"}
                                  → {"arn", "account", "role_arn"}
    POST /_pigeonhole/authorize   {"arn", "role_arn", "account", "region", "action", "resource",
                                   "context"} → {"decision", "reason"}
    POST /_pigeonhole/assume      {"role_arn", "session_name", "seconds"}
                                  → {"access_key", "secret_key", "session_token", "expiration"}
    POST /_pigeonhole/runs        {"function"}, a Lambda function's name
                                  → {"runs"}, whether it has a process
    POST /_pigeonhole/kill        {"function", "trace"}, one of its calls' X-Amzn-Trace-Id → {}

STS says who the caller is only to the caller, whose signature is made for another service; and
MiniStack's SimulatePrincipalPolicy leaves out context keys (`iam:PassedToService`) and permission
boundaries. Both are answered by what MiniStack asks itself for its own services. STS's AssumeRole
would hold us, who ask as the account's root, to conditions that a trust policy sets for a service
(`aws:SourceAccount`): a service's credentials are made without it. Functions are killed for the
trouble that somebody asked for. Only who has the token in the header `x-pigeonhole-token` gets an
answer.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from localcloud.ministack import hooks

PREFIX = "/_pigeonhole/"
TOKEN_HEADER = "x-pigeonhole-token"

Answer = tuple[int, dict[str, Any]]


def answer(path: str, token: str, expected: str, body: bytes) -> Answer:
    """The status and JSON of a request to the bridge."""
    if not hmac.compare_digest(token.encode(), expected.encode()):
        return 403, {"message": "for the local cloud's own services"}
    operation = _OPERATIONS.get(path.removeprefix(PREFIX))
    if operation is None:
        return 404, {"message": f"no {path}"}
    return operation(json.loads(body))


def arn_of(access_key: str, session_token: str) -> str:
    """Who has these credentials; empty when nobody has."""
    _, found = _identify({"access_key": access_key, "session_token": session_token})
    return str(found.get("arn", ""))


def _runs(request: dict[str, Any]) -> Answer:
    return 200, {"runs": hooks.runs(request["function"])}


def _kill(request: dict[str, Any]) -> Answer:
    hooks.kill(request["function"], request["trace"])
    return 200, {}


def _identify(request: dict[str, Any]) -> Answer:
    from ministack.core.iam_evaluator import (  # noqa: PLC0415
        CredentialResolutionError,
        find_iam_access_key_account,
        resolve_credential,
    )
    from ministack.core.responses import set_request_account_id  # noqa: PLC0415

    key, token = request["access_key"], request["session_token"]
    set_request_account_id(find_iam_access_key_account(key) or key)
    found = resolve_credential(key, session_token=token)
    if isinstance(found, CredentialResolutionError):
        return 403, {"code": found.code, "message": found.message}
    return 200, {
        "arn": found.principal_arn,
        "account": found.account_id,
        "role_arn": _role_arn(found.principal_arn, found.account_id),
    }


def _role_arn(arn: str, account: str) -> str | None:
    """The role behind an assumed role's ARN, with its path; None when it is no role."""
    from ministack.services import iam  # noqa: PLC0415

    if ":assumed-role/" not in arn:
        return None
    name = arn.split(":assumed-role/", 1)[1].split("/", 1)[0]
    role = iam._roles.get_scoped(account, None, name) or {}
    return role.get("Arn") or f"arn:aws:iam::{account}:role/{name}"


def _authorize(request: dict[str, Any]) -> Answer:
    from ministack.core import iam_evaluator as evaluator  # noqa: PLC0415
    from ministack.services import iam  # noqa: PLC0415

    arn, account = request["arn"], request["account"]
    if arn.endswith(":root"):
        return 200, {"decision": "Allow", "reason": "root"}
    store, name, kind = iam._users, arn.rsplit("/", 1)[-1], "User"
    gather = evaluator._gather_user_policies
    if request["role_arn"]:
        store, name, kind = iam._roles, request["role_arn"].rsplit("/", 1)[-1], "AssumedRole"
        gather = evaluator._gather_role_policies
    context = {key.lower(): value for key, value in request["context"].items()}
    context.setdefault("aws:tagkeys", None)
    result = evaluator.evaluate(
        evaluator.EvalContext(
            principal_arn=arn,
            principal_type=kind,
            principal_account=account,
            action=request["action"],
            resource_arn=request["resource"],
            region=request["region"],
            source_ip="127.0.0.1",
            secure_transport=False,
            service_context=context,
        ),
        gather(name, account),
        *evaluator._permissions_boundary(store, name, account),
    )
    return 200, {"decision": result.decision, "reason": result.reason}


def _assume(request: dict[str, Any]) -> Answer:
    """Credentials of a role for a service of AWS; whether the role trusts it is asked before."""
    from ministack.services import sts  # noqa: PLC0415

    role_arn, name = request["role_arn"], request["session_name"]
    arn, _ = sts._assumed_role_arn(role_arn, name)
    key, secret = sts._gen_session_access_key(), sts._gen_secret()
    token, expiration = sts._gen_session_token(), time.time() + request["seconds"]
    sts.register_session(
        key,
        {
            "Arn": arn,
            "UserId": f"{sts._role_id(role_arn)}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expiration,
            "AccountId": role_arn.split(":")[4],
            "PrincipalType": "AssumedRole",
            "SessionTags": [],
            "SessionPolicies": None,
        },
    )
    return 200, {
        "access_key": key,
        "secret_key": secret,
        "session_token": token,
        "expiration": expiration,
    }


_OPERATIONS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "identify": _identify,
    "authorize": _authorize,
    "assume": _assume,
    "runs": _runs,
    "kill": _kill,
}
