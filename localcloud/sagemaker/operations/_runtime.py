"""Requests of the runtime API: their members are headers, checked against the service model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker.errors import (
    SerializationException,
    ValidationError,
    ValidationException,
)
from localcloud.sagemaker.validation import service_model, validate

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
INFERENCE_ID = "x-amzn-sagemaker-inference-id"


def members(operation: str, endpoint: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The members of a request but its Body; header names are lower-case.

    The body's limit is not the model's: it is an old one (6 MB), and bytes are not told as JSON.
    Raises ValidationError.
    """
    shape = service_model("sagemaker-runtime").operation_model(operation).input_shape
    assert shape is not None
    found: dict[str, Any] = {"EndpointName": endpoint}
    for name, member in shape.members.items():
        header = member.serialization.get("name", name).lower()
        if member.serialization.get("location") == "header" and header in headers:
            value = headers[header]
            found[name] = _number(name, value) if member.type_name == "integer" else value
    required = {"Body": ""} if "Body" in shape.required_members else {}
    try:
        validate({**found, **required}, shape)
    except (ValidationException, SerializationException) as error:
        raise ValidationError(error.message) from error
    return found


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise ValidationError(f"{name} must be a number.") from error
