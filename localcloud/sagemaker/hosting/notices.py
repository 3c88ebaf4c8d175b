"""What the SNS topics of an asynchronous endpoint are told.

The messages are as the service writes them (eventSource aws:sagemaker, eventName InferenceResult);
which members they have is documented by example only.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from localcloud.sagemaker.hosting.queue import AsyncRequest


def completed(
    request: AsyncRequest, region: str, now: float, content_type: str | None
) -> dict[str, Any]:
    """The message of a request that was carried out."""
    response = {"contentType": content_type, "outputLocation": request.output}
    return {
        **_common(request, region, now, "Completed"),
        "responseParameters": {key: value for key, value in response.items() if value},
        **_event(request),
    }


def failed(request: AsyncRequest, region: str, now: float, reason: str) -> dict[str, Any]:
    """The message of a request that failed."""
    return {
        **_common(request, region, now, "Failed"),
        "failureReason": reason,
        **_event(request),
    }


def text(message: dict[str, Any]) -> str:
    """As it is published."""
    return json.dumps(message, separators=(",", ":"))


def _common(request: AsyncRequest, region: str, now: float, status: str) -> dict[str, Any]:
    parameters = {
        "accept": request.accept,
        "contentType": request.content_type,
        "customAttributes": request.custom_attributes,
        "endpointName": request.endpoint,
        "inputLocation": request.input,
    }
    return {
        "awsRegion": region,
        "eventTime": _iso(now),
        "receivedTime": _iso(request.received),
        "invocationStatus": status,
        "requestParameters": {key: value for key, value in parameters.items() if value},
    }


def _event(request: AsyncRequest) -> dict[str, Any]:
    return {
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
