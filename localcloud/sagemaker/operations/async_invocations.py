"""InvokeEndpointAsync: puts the request into the endpoint's queue.

The name of the output object is not documented but as "based on the inference ID"; outputs seen
from the service are named `<uuid>.out`, and so are ours. How it names failures we do not know:
ours are `<uuid>-error.out`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker import support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.hosting.queue import AsyncRequest
from localcloud.sagemaker.operations._runtime import members

_DEFAULT_TTL = 21_600  # seconds: RequestTTLSeconds in the API reference
_DEFAULT_TIMEOUT = 900  # seconds: InvocationTimeoutSeconds in the API reference
_MOST_INLINE = 128_000  # bytes: Body in the API reference


def invoke_async(cloud: Cloud, name: str, headers: Mapping[str, str], body: bytes) -> AsyncRequest:
    """Queue an invocation; header names are lower-case. Raises ValidationError."""
    host = cloud.hosting.host(name)
    deployment = host.deployment if host is not None else None
    if deployment is None:
        raise ValidationError(f"Endpoint {name} of account {cloud.settings.account} not found.")
    if deployment.asynchronous is None:
        # The service's words are not documented.
        raise ValidationError(f"Endpoint {name} is not an asynchronous inference endpoint.")
    request = members("InvokeEndpointAsync", name, headers)
    location = request.get("InputLocation", "")
    _check_input(location, body)
    output = deployment.asynchronous["OutputConfig"]
    file = str(uuid.uuid4())
    inference_id = request.get("InferenceId") or str(uuid.uuid4())
    return cloud.hosting.asynchronous.put(
        AsyncRequest(
            endpoint=name,
            inference_id=inference_id,
            received=cloud.clock.now(),
            ttl=request.get("RequestTTLSeconds", _DEFAULT_TTL),
            timeout=request.get("InvocationTimeoutSeconds", _DEFAULT_TIMEOUT),
            input=location,
            output=_output(output["S3OutputPath"], request, file),
            failure=_below(output.get("S3FailurePath", ""), f"{file}-error.out"),
            content_type=request.get("ContentType", ""),
            accept=request.get("Accept", ""),
            custom_attributes=request.get("CustomAttributes", ""),
            body=body or None,
        )
    )


def _check_input(location: str, body: bytes) -> None:
    if bool(location) == bool(body):
        raise ValidationError("Exactly one of Body and InputLocation must be given.")
    if len(body) > _MOST_INLINE:
        raise ValidationError(f"Body is larger than the limit of {_MOST_INLINE} bytes.")
    if location.startswith("https://"):
        raise ValidationError(support.sentence(support.HTTPS_INPUT))
    if location and "/" not in location.removeprefix("s3://"):
        raise ValidationError(f"InputLocation {location} names no object.")


def _output(path: str, request: dict[str, Any], file: str) -> str:
    extension = request.get("S3OutputPathExtension", "").strip("/")
    name = request.get("Filename") or f"{file}.out"
    return _below(_below(path, extension) if extension else path, name)


def _below(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}" if path else ""
