"""Requests against SageMaker's own service model, as botocore ships it (service-2.json).

botocore's client checks required members, types and minima; the service checks maxima, enums and
patterns too, and so does this, in the service's words: "1 validation error detected: Value 'a_b'
at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern:
…". Stricter than the service in one point: members that the model does not have are refused, not
ignored.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from localcloud.sagemaker.errors import SerializationException, ValidationException


@lru_cache(maxsize=2)
def service_model(service: str = "sagemaker") -> ServiceModel:
    """The model of `sagemaker` or `sagemaker-runtime`."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def runtime_operation(method: str, path: str) -> str | None:
    """The operation of the runtime API that a method and a path name, or None."""
    model = service_model("sagemaker-runtime")
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\\{[^{}]+\\\}", "[^/]+", re.escape(http["requestUri"]))
        if method == http["method"] and re.fullmatch(pattern, path):
            return str(name)
    return None


def operation_model(name: str) -> OperationModel | None:
    """The model of one operation of the SageMaker API; None when AWS has none of that name."""
    model = service_model()
    return model.operation_model(name) if name in model.operation_names else None


def validate(request: object, shape: Shape) -> None:
    """Check a parsed JSON body.

    Raises SerializationException for wrong JSON types and ValidationException, naming every
    violation, else.
    """
    problems: list[str] = []
    _check(request, shape, "", problems)
    if problems:
        count = len(problems)
        noun = "validation error" if count == 1 else "validation errors"
        raise ValidationException(f"{count} {noun} detected: " + "; ".join(problems))


def _check(value: object, shape: Shape, path: str, problems: list[str]) -> None:
    if isinstance(shape, StructureShape):
        _check_structure(_typed(value, dict, path, "structure"), shape, path, problems)
    elif isinstance(shape, ListShape):
        items = _typed(value, list, path, "list")
        _check_size(items, shape, path, problems)
        for number, item in enumerate(items, 1):
            _check(item, shape.member, f"{path}.{number}.member", problems)
    elif isinstance(shape, MapShape):
        _check_map(_typed(value, dict, path, "map"), shape, path, problems)
    else:
        _check_scalar(value, shape, path, problems)


def _check_structure(
    value: dict[str, Any], shape: StructureShape, path: str, problems: list[str]
) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            problems.append(_problem(None, _join(path, name), "Member must not be null"))
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        problems.append(_problem(value, path, "Exactly one member must be set"))
    for name, member in value.items():
        if name not in shape.members:
            problems.append(
                f"Unknown member '{_join(path, name)}': {shape.name} has no member {name}"
            )
        elif member is not None:
            _check(member, shape.members[name], _join(path, name), problems)


def _check_map(value: dict[str, Any], shape: MapShape, path: str, problems: list[str]) -> None:
    _check_size(value, shape, path, problems)
    for part, members in (("keys", list(value)), ("value", list(value.values()))):
        member_shape = shape.key if part == "keys" else shape.value
        for member in members:
            found: list[str] = []
            if part == "value" and isinstance(member, (dict, list)):
                _check(member, member_shape, f"{path}.value", found)
                problems.extend(found)
                continue
            constraints = _scalar_constraints(member, member_shape, path)
            if constraints:
                problems.append(
                    _problem(
                        value,
                        path,
                        f"Map {part} must satisfy constraint: [{', '.join(constraints)}]",
                    )
                )
                break


def _check_scalar(value: object, shape: Shape, path: str, problems: list[str]) -> None:
    problems.extend(_problem(value, path, text) for text in _scalar_constraints(value, shape, path))


def _scalar_constraints(value: object, shape: Shape, path: str) -> list[str]:
    """The constraints of a scalar that `value` breaks."""
    kind = shape.type_name
    if kind == "string":
        return _string_constraints(_typed(value, str, path, "String"), shape)
    if kind == "boolean":
        _typed(value, bool, path, "Boolean")
        return []
    if kind in ("integer", "long"):
        number = _typed(value, int, path, "Integer" if kind == "integer" else "Long")
        return _range_constraints(number, shape)
    if kind in ("float", "double", "timestamp"):
        number = _typed(value, (int, float), path, "Timestamp" if kind == "timestamp" else "Double")
        return [] if kind == "timestamp" else _range_constraints(number, shape)
    if kind == "blob":
        try:
            base64.b64decode(_typed(value, str, path, "Blob"), validate=True)
        except binascii.Error as error:
            raise SerializationException(f"{path or 'body'} is no base64") from error
    return []


def _string_constraints(value: str, shape: Shape) -> list[str]:
    limits = shape.metadata
    broken = []
    enum = limits.get("enum")
    if enum and value not in enum:
        broken.append(f"Member must satisfy enum value set: [{', '.join(enum)}]")
    if len(value) > limits.get("max", len(value)):
        broken.append(f"Member must have length less than or equal to {limits['max']}")
    if len(value) < limits.get("min", 0):
        broken.append(f"Member must have length greater than or equal to {limits['min']}")
    pattern = limits.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        broken.append(f"Member must satisfy regular expression pattern: {pattern}")
    return broken


def _range_constraints(value: float, shape: Shape) -> list[str]:
    limits = shape.metadata
    broken = []
    if value > limits.get("max", value):
        broken.append(f"Member must have value less than or equal to {limits['max']}")
    if value < limits.get("min", value):
        broken.append(f"Member must have value greater than or equal to {limits['min']}")
    return broken


def _check_size(value: Any, shape: Shape, path: str, problems: list[str]) -> None:
    limits = shape.metadata
    if len(value) > limits.get("max", len(value)):
        text = f"Member must have length less than or equal to {limits['max']}"
        problems.append(_problem(value, path, text))
    if len(value) < limits.get("min", 0):
        text = f"Member must have length greater than or equal to {limits['min']}"
        problems.append(_problem(value, path, text))


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> regex.Pattern[str]:
    """A pattern of the model; `regex` knows Java's `\\p{L}`, which `re` does not."""
    return regex.compile(pattern)


def _typed(value: object, wanted: Any, path: str, name: str) -> Any:
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        given = type(value).__name__
        raise SerializationException(f"'{path or 'body'}': a {given} cannot be converted to {name}")
    return value


def _problem(value: object, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{_shown(value)}'"
    at = path or "body"
    return f"Value {shown} at '{at}' failed to satisfy constraint: {constraint}"


def _shown(value: object) -> str:
    """As Java prints it, which is what the service's messages show."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _join(path: str, name: str) -> str:
    first = name[:1].lower() + name[1:]
    return f"{path}.{first}" if path else first
