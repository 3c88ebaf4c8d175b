"""The JSONPath of a transform job's filters."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.transform.jsonpath import BadPath, NoSuchElement, parse

ROW = ["a", "b", "c", "d", "e", "f"]
DOCUMENT = {"id": 1, "field1": {"child1": "x", "child2": "y"}, "list": [{"n": 1}, {"n": 2}]}


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", ROW),
        ("$[0]", "a"),
        ("$[-1]", "f"),
        ("$[1,3,5]", ["b", "d", "f"]),
        ("$[0,-1]", ["a", "f"]),
        ("$[1:4]", ["b", "c", "d", "e"]),
        ("$[:5]", ROW),
        ("$[4:]", ["e", "f"]),
        ("$[0,4:]", ["a", "e", "f"]),
        ("$[*]", ROW),
    ],
)
def test_places_of_a_row(path: str, selected: Any) -> None:
    assert parse(path).select(ROW) == selected


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$.id", 1),
        ("$['id']", 1),
        ("$.field1.child1", "x"),
        ("$.field1.['child1','child2']", {"child1": "x", "child2": "y"}),
        ("$['id','list']", {"id": 1, "list": DOCUMENT["list"]}),
        ("$.field1.*", ["x", "y"]),
        ("$.list[1].n", 2),
        ("$.list[*].n", [1, 2]),
        ("$.list[0:1].n", [1, 2]),
    ],
)
def test_members_of_a_document(path: str, selected: Any) -> None:
    assert parse(path).select(DOCUMENT) == selected


@pytest.mark.parametrize("path", ["$[6]", "$[-7]", "$[0:6]", "$[0,9]", "$.a", "$['a','b']"])
def test_what_a_row_lacks(path: str) -> None:
    with pytest.raises(NoSuchElement):
        parse(path).select(ROW)


@pytest.mark.parametrize("path", ["$.no", "$['id','no']", "$.id.*", "$[0]", "$.list[2]"])
def test_what_a_document_lacks(path: str) -> None:
    with pytest.raises(NoSuchElement):
        parse(path).select(DOCUMENT)


@pytest.mark.parametrize(
    "path",
    ["", "a", "$a", "$..a", "$.", "$[", "$[]", "$[a]", "$[1:2:3]", "$[?(@.a)]", "$['a']]", "$.a()"],
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        parse(path)


def test_nothing_follows_several_names() -> None:
    with pytest.raises(BadPath, match="follow"):
        parse("$['a','b'].c")
