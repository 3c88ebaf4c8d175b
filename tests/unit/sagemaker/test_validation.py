"""Requests against the service model; botocore's own shapes."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.dispatch import OPERATIONS
from localcloud.sagemaker.errors import SerializationException, ValidationException
from localcloud.sagemaker.validation import compiled, operation_model, validate

ARN = "arn:aws:sagemaker:us-east-1:000000000000:model/m"


def check(operation: str, request: object) -> None:
    model = operation_model(operation)
    assert model is not None
    assert model.input_shape is not None
    validate(request, model.input_shape)


def message(operation: str, request: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        check(operation, request)
    return str(caught.value)


def test_a_good_request_passes() -> None:
    check("ListTrainingJobs", {"MaxResults": 100, "CreationTimeAfter": 1.5, "SortBy": "Name"})
    check("AddTags", {"ResourceArn": ARN, "Tags": [{"Key": "k", "Value": ""}]})


def test_every_problem_is_named() -> None:
    text = message("ListModels", {"MaxResults": 101, "SortBy": "Size"})
    assert text.startswith("2 validation errors detected: ")
    assert (
        "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value" in text
    )
    assert "Value 'Size' at 'sortBy' failed to satisfy constraint: Member must satisfy enum" in text


def test_members_of_lists_are_numbered() -> None:
    text = message("AddTags", {"ResourceArn": ARN, "Tags": [{"Key": "k"}]})
    assert "Value null at 'tags.1.member.value'" in text


def test_patterns_of_java_are_understood() -> None:
    good = {"ModelPackageGroupName": "g", "ModelPackageGroupDescription": "Größe 1 + ½, ok?"}
    check("CreateModelPackageGroup", good)
    text = message("CreateModelPackageGroup", {**good, "ModelPackageGroupDescription": "bell \a"})
    assert "regular expression" in text


@pytest.mark.parametrize(
    "request_",
    [[], {"MaxResults": "ten"}, {"MaxResults": True}, {"MaxResults": 1.5}, {"SortBy": 1}],
)
def test_wrong_json_types(request_: object) -> None:
    with pytest.raises(SerializationException):
        check("ListModels", request_)


def test_every_pattern_of_the_operations_compiles() -> None:
    def walk(shape: Any, seen: set[str]) -> None:
        if shape is None or shape.name in seen:
            return
        seen.add(shape.name)
        if "pattern" in shape.metadata:
            compiled(shape.metadata["pattern"])
        for child in getattr(shape, "members", {}).values():
            walk(child, seen)
        for name in ("member", "key", "value"):
            walk(getattr(shape, name, None), seen)

    for operation in OPERATIONS:
        model = operation_model(operation)
        assert model is not None
        walk(model.input_shape, set())
