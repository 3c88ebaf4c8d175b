"""Approving and rejecting over HTTP: what is asked for, by whom, and how it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice import Chalice

from chalicelib import api, errors
from tests.unit.predict.fakes import MemoryDatasets

ARN = "arn:aws:iam::000000000000:user/anna"


class Deciding(MemoryDatasets):
    """Knows of no version ffff; what it has is live."""

    def approve(self, name: str, who: str, reason: str, version: str | None) -> dict[str, Any]:
        if version == "ffff":
            raise errors.VersionNotFound("There is no such version.")
        return super().approve(name, who, reason, version)

    def reject(self, name: str, who: str, reason: str, version: str | None) -> dict[str, Any]:
        raise errors.Conflict("It is live: roll back.")


@pytest.fixture
def datasets() -> Deciding:
    return Deciding(digits="job-1")


def call(datasets: Deciding, verb: str, body: str | None, identity: dict[str, Any]) -> Any:
    services: Any = api.Services("local", None, datasets, None, None)  # type: ignore[arg-type]
    app = Chalice("test", configure_logs=False)
    api.install(app, lambda: services, key_required=False)
    resource = "/datasets/{name}/" + verb
    context = {
        "resourcePath": resource,
        "httpMethod": "POST",
        "path": resource,
        "identity": identity,
    }
    event = {
        "resource": resource,
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"name": "digits"},
        "stageVariables": None,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": False,
    }
    raw = app(event, None)
    return raw["statusCode"], json.loads(raw["body"])


@pytest.mark.parametrize(
    ("body", "identity", "expected"),
    [
        (None, {}, ("somebody", "", None)),
        ("", {"userArn": None, "apiKeyId": None}, ("somebody", "", None)),
        ("{}", {"userArn": ARN, "apiKeyId": "k"}, (ARN, "", None)),
        ("{}", {"apiKeyId": "k123"}, ("API key k123", "", None)),
        ('{"by": " anna\\n "}', {}, ("anna", "", None)),
        ('{"by": "anna", "reason": "fine"}', {"userArn": ARN}, (f"anna ({ARN})", "fine", None)),
        ('{"version": "1a2b", "reason": null}', {}, ("somebody", "", "1a2b")),
        ('{"version": ""}', {}, ("somebody", "", None)),
        ('{"by": "Gate"}', {}, ("Gate (a person)", "", None)),
    ],
)
def test_who_asks_for_what_is_passed_on(
    datasets: Deciding,
    body: str | None,
    identity: dict[str, Any],
    expected: tuple[str | None, ...],
) -> None:
    status, said = call(datasets, "approve", body, identity)
    assert (status, said["dataset"]) == (202, "digits")
    assert datasets.decided == [("approve", "digits", *expected)]


@pytest.mark.parametrize("body", ["[]", "no JSON", '{"reason": 3}', '"approve"'])
def test_a_body_that_is_no_wish_is_refused(datasets: Deciding, body: str) -> None:
    status, said = call(datasets, "approve", body, {})
    assert (status, said["error"]) == (400, "body_refused")
    assert datasets.decided == []


def test_what_cannot_be_decided_says_why(datasets: Deciding) -> None:
    status, said = call(datasets, "approve", '{"version": "ffff"}', {})
    assert (status, said["error"]) == (404, "version_not_found")
    status, said = call(datasets, "reject", None, {})
    assert (status, said["error"]) == (409, "conflict")
