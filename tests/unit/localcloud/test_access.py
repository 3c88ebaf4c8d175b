from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from localcloud.access import trusts

SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}


def allow(principal: Any, action: Any = "sts:AssumeRole", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow(SAGEMAKER)], True),
        (allow(SAGEMAKER), True),
        ([allow({"Service": ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]})], True),
        ([allow(SAGEMAKER, ["sts:TagSession", "sts:AssumeRole"])], True),
        ([allow("*")], True),
        ([allow({"Service": "lambda.amazonaws.com"})], False),
        ([allow({"AWS": "000000000000"})], False),
        ([allow(SAGEMAKER, "sts:TagSession")], False),
        ([allow(SAGEMAKER), allow(SAGEMAKER, effect="Deny")], False),
        ([], False),
    ],
)
def test_whom_a_trust_policy_lets_in(statements: Any, expected: bool) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    for written in (document, json.dumps(document), quote(json.dumps(document))):
        assert trusts(written, "sagemaker.amazonaws.com") is expected
