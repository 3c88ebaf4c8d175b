"""What is not supported says so, and the table in the docs tells the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.model import ListShape, Shape, StructureShape

from localcloud.sagemaker import support, support_table
from localcloud.sagemaker.dispatch import OPERATIONS
from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.validation import operation_model, service_model

from .account import ROLE, TARGET
from .conftest import Running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sagemaker-operations.md"
GAPS = [(name, gap) for name, gaps in support.GAPS.items() for gap in gaps]


def nested(shape: Shape, path: list[str], value: Any) -> Any:
    """A body in which `value` stands at the path. Fails when the service model has no such path."""
    if isinstance(shape, ListShape):
        return [{}, nested(shape.member, path, value)]
    if not path:
        return value
    assert isinstance(shape, StructureShape)
    assert path[0] in shape.members
    return {path[0]: nested(shape.members[path[0]], path[1:], value)}


@pytest.mark.parametrize(
    ("operation", "gap"), GAPS, ids=lambda given: getattr(given, "path", given)
)
def test_a_gap_is_refused_and_named(operation: str, gap: support.Gap) -> None:
    model = operation_model(operation)
    assert model is not None
    assert operation in OPERATIONS
    shape = model.input_shape
    with pytest.raises(ValidationException) as caught:
        support.check(operation, nested(shape, gap.path.split("."), "something"))
    named = f"{gap.path}=something" if gap.allowed else gap.path
    assert caught.value.message == f"{named} is not supported by the local cloud."
    for empty in (False, 0, "", None):
        support.check(operation, nested(shape, gap.path.split("."), empty))
    for allowed in gap.allowed:
        support.check(operation, nested(shape, gap.path.split("."), allowed))


def test_a_gap_is_refused_before_anything_is_made(sagemaker: Running) -> None:
    chained = {"EnableSessionTagChaining": True}
    with pytest.raises(ClientError, match="SessionChainingConfig is not supported by") as no:
        sagemaker.train("gap", SessionChainingConfig=chained)
    assert no.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="not found"):
        sagemaker.api.describe_training_job(TrainingJobName="gap")
    with pytest.raises(ClientError, match=r"PrimaryContainer\.Mode=MultiModel is not"):
        sagemaker.api.create_model(
            ModelName="gap",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": TARGET.server_image, "Mode": "MultiModel"},
        )


def test_every_other_operation_of_aws_says_that_it_is_not_there() -> None:
    assert OPERATIONS.keys() <= set(service_model().operation_names)
    assert support.GAPS.keys() <= OPERATIONS.keys()
    assert support.CONDITIONS.keys() <= {*OPERATIONS, *support_table.RUNTIME}


def test_the_table_in_the_docs_is_true() -> None:
    text = PAGE.read_text(encoding="utf-8")
    hint = "print it anew: python -m localcloud.sagemaker.support_table"
    assert support_table.table() in text, hint
    assert support_table.absent() in text, hint
