"""How each service says that it throttles or that it failed, in the protocol of the call.

Codes and statuses are those of the services' own references (S3: Error responses; DynamoDB: Error
handling; SQS, Lambda, API Gateway and common errors of their API references).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from localcloud.ministack.calls import Call, Protocol

_FAULT = "The request processing has failed because of an unknown error, exception or failure."


@dataclass(frozen=True)
class Refusal:
    """An error as the service words it."""

    code: str
    message: str
    status: int


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


_THROTTLED = {
    "s3": Refusal("SlowDown", "Please reduce your request rate.", 503),
    "dynamodb": Refusal(
        "ThrottlingException", "Rate of requests exceeds the allowed throughput.", 400
    ),
    "sqs": Refusal("RequestThrottled", "Request is throttled.", 403),
    "lambda": Refusal("TooManyRequestsException", "Rate exceeded", 429),
    "apigateway": Refusal("TooManyRequestsException", "Too Many Requests", 429),
    "execute-api": Refusal("TooManyRequestsException", "Too Many Requests", 429),
}
_FAILED = {
    "s3": Refusal("InternalError", "We encountered an internal error. Please try again.", 500),
    "dynamodb": Refusal("InternalServerError", "Internal server error", 500),
    "lambda": Refusal("ServiceException", "The Lambda service encountered an internal error.", 500),
    "execute-api": Refusal("InternalServerErrorException", "Internal server error", 500),
}


def throttled(call: Call) -> Refusal:
    """How the call's service throttles."""
    code = "Throttling" if call.protocol is Protocol.QUERY else "ThrottlingException"
    return _THROTTLED.get(call.service, Refusal(code, "Rate exceeded", 400))


def failed(call: Call) -> Refusal:
    """How the call's service fails by its own fault."""
    return _FAILED.get(call.service, Refusal("InternalFailure", _FAULT, 500))


def answer(call: Call, refusal: Refusal, content_type: str = "") -> Answer:
    """The error on the wire. content_type: the request's (JSON has several versions)."""
    identity = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": identity}
    match call.protocol:
        case Protocol.JSON:
            headers["content-type"] = content_type or "application/x-amz-json-1.0"
            if call.service == "sqs":
                # SQS spoke the query protocol before: clients know its errors by these names.
                side = "Sender" if refusal.status < 500 else "Receiver"
                headers["x-amzn-query-error"] = f"{refusal.code};{side}"
            body = _json({"__type": refusal.code, "message": refusal.message})
        case Protocol.REST_JSON | Protocol.EXECUTE:
            headers |= {"content-type": "application/json", "x-amzn-ErrorType": refusal.code}
            body = _json({"message": refusal.message})
        case Protocol.CBOR:
            headers |= {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
            body = _cbor({"__type": refusal.code, "message": refusal.message})
        case Protocol.QUERY:
            headers["content-type"] = "text/xml"
            side = "Sender" if refusal.status < 500 else "Receiver"
            body = _xml(
                f"<ErrorResponse><Error><Type>{side}</Type>{_words(refusal)}</Error>"
                f"<RequestId>{identity}</RequestId></ErrorResponse>"
            )
        case Protocol.REST_XML:
            headers |= {"content-type": "application/xml", "x-amz-request-id": identity}
            body = _xml(
                f"<Error>{_words(refusal)}<RequestId>{identity}</RequestId>"
                f"<HostId>{identity}</HostId></Error>"
            )
    return Answer(refusal.status, headers, body)


def _words(refusal: Refusal) -> str:
    return f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _json(content: dict[str, str]) -> bytes:
    return json.dumps(content).encode()


def _cbor(content: dict[str, str]) -> bytes:
    """A map of short texts (RFC 8949: major type 5 of major type 3)."""
    encoded = bytes([0xA0 | len(content)])
    for pair in content.items():
        for text in pair:
            raw = text.encode()
            encoded += b"\x79" + len(raw).to_bytes(2, "big") + raw
    return encoded
