"""Which operation of which service an HTTP request is, in the protocols that AWS's services speak.

    JSON       X-Amz-Target: DynamoDB_20120810.UpdateItem
    CBOR       /service/<service>/operation/PutMetricData (Smithy RPC v2)
    query      Action=AssumeRole, in the query string or the form
    REST       method, path, and the query parameters and headers that botocore's service model
               requires: S3, Lambda, API Gateway
    execute    a call of a deployed API: execute-api:Invoke

The service is the one that the signature names. Where buckets are host names (the local cloud's
address is a number, so clients do not do that) an operation of S3 is taken for another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

FORM = "application/x-www-form-urlencoded"

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/[^/]+/[^/]+/(?P<service>[^/]+)/")
_RPC = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)")
_API_CALLS = ("/execute-api/", "/_user_request_/", "/_aws/execute-api/")
_OWN = ("/_ministack", "/_pigeonhole", "/_localstack")
# Services whose signatures bear another name than their clients, and where REST needs a model.
_CALLED = {"monitoring": "cloudwatch", "states": "stepfunctions"}
_WITH_PATHS = frozenset({"s3", "lambda", "apigateway"})


class Protocol(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CBOR = "cbor"
    QUERY = "query"
    REST_JSON = "rest-json"
    REST_XML = "rest-xml"
    EXECUTE = "execute"


@dataclass(frozen=True)
class Call:
    """One call. `service` as boto3 names it; `access_key` is empty for unsigned requests."""

    service: str
    operation: str
    protocol: Protocol
    access_key: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """What rules may call it."""
        return f"{self.service}:{self.operation}", self.operation


def is_api_call(path: str) -> bool:
    """Whether it is a call of a deployed API."""
    return any(part in path for part in _API_CALLS)


def recognized(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b""
) -> Call | None:
    """The call, or None for what is none of AWS's. Header names are lower-case.

    body: needed of forms alone (`FORM`)
    """
    if path.startswith(_OWN):
        return None
    parameters = {name: values[0] for name, values in parse_qs(query, True).items()}
    signed = _CREDENTIAL.search(
        headers.get("authorization", "")
        or f"Credential={parameters.get('X-Amz-Credential', '')}/"  # of presigned URLs
    )
    if is_api_call(path):
        return Call("execute-api", "Invoke", Protocol.EXECUTE, signed["key"] if signed else "")
    if signed is None:
        kind = headers.get("content-type", "")
        is_upload = method == "POST" and kind.startswith("multipart/form-data")
        return Call("s3", "PostObject", Protocol.REST_XML) if is_upload else None
    service = _CALLED.get(signed["service"], signed["service"])
    protocol, operation = _operation(service, method, path, parameters, headers, body)
    return Call(service, operation, protocol, signed["key"]) if operation else None


def _operation(  # noqa: PLR0917 - the parts of a request
    service: str,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> tuple[Protocol, str]:
    rpc = _RPC.search(path) if "smithy-protocol" in headers else None
    if rpc:
        return Protocol.CBOR, rpc["operation"]
    if "x-amz-target" in headers:
        return Protocol.JSON, headers["x-amz-target"].rpartition(".")[2]
    if service in _WITH_PATHS:
        protocol = Protocol.REST_XML if service == "s3" else Protocol.REST_JSON
        return protocol, _by_path(service, method, path, query, headers)
    form = (
        parse_qs(body.decode("latin-1")) if headers.get("content-type", "").startswith(FORM) else {}
    )
    return Protocol.QUERY, query.get("Action") or form.get("Action", [""])[0]


@dataclass(frozen=True)
class _Path:
    """An operation of a REST service and what a request must have to be it."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    query: tuple[tuple[str, str], ...]
    headers: tuple[str, ...]
    literals: int

    def fits(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> bool:
        return (
            method == self.method
            and self.pattern.fullmatch(path) is not None
            and all(n in query and (not v or query[n] == v) for n, v in self.query)
            and all(name in headers for name in self.headers)
        )


def _by_path(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """The operation's name; `Unknown` where the model has none."""
    for known in _paths(service):
        if known.fits(method, path, query, headers):
            return known.operation
    return "Unknown"


@lru_cache
def _paths(service: str) -> list[_Path]:
    """The service's operations, the most particular ones first."""
    from botocore.loaders import Loader  # noqa: PLC0415 - a tenth of a second, for some calls only

    model = Loader().load_service_model(service, "service-2")
    found = [
        _path(name, operation, model["shapes"]) for name, operation in model["operations"].items()
    ]
    return sorted(found, key=lambda p: -(2 * len(p.query) + 2 * len(p.headers) + p.literals))


def _path(name: str, operation: Mapping[str, Any], shapes: Mapping[str, Any]) -> _Path:
    uri, _, query = operation["http"]["requestUri"].partition("?")
    wanted = [tuple(part.partition("=")[::2]) for part in query.split("&") if part]
    headers = []
    shape = shapes.get(operation.get("input", {}).get("shape"), {})
    for member in shape.get("required", []):
        place = shape["members"][member]
        if place.get("location") == "querystring":
            wanted.append((place["locationName"], ""))
        elif place.get("location") == "header":
            headers.append(place["locationName"].lower())
    pattern = re.escape(uri.rstrip("/"))
    pattern = re.sub(r"\\\{\w+\\\+\\\}", ".+", pattern)  # {Key+}
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
    return _Path(
        name,
        operation["http"]["method"],
        re.compile(pattern + "/?"),
        tuple((n, v) for n, v in wanted),
        tuple(headers),
        sum(1 for part in uri.split("/") if part and not part.startswith("{")),
    )
