"""Pages, filters and order of List calls."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.listing import Listing
from localcloud.sagemaker.store import Kind, Resource

LISTING = Listing("Found", lambda resource: {"Name": resource.name})


def resources() -> list[Resource]:
    made = [("b", 3.0, "New"), ("a", 1.0, "Old"), ("c", 2.0, "New"), ("d", 2.0, "Old")]
    return [Resource(Kind.MODEL, n, f"arn:{n}", s, t, t + 10) for n, t, s in made]


def names(request: dict[str, Any]) -> str:
    return "".join(item["Name"] for item in LISTING.answer(request, resources())["Found"])


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({}, "bdca"),
        ({"SortOrder": "Ascending"}, "acdb"),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, "abcd"),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, "bcad"),
        ({"StatusEquals": "Old"}, "da"),
        ({"NameContains": "C"}, "c"),
        ({"CreationTimeAfter": 2.0}, "b"),
        ({"CreationTimeBefore": 2.0}, "a"),
        ({"LastModifiedTimeAfter": 11.0, "LastModifiedTimeBefore": 13.0}, "dc"),
        ({"MaxResults": 1}, "b"),
    ],
)
def test_filters_and_order(request_: dict[str, Any], found: str) -> None:
    assert names(request_) == found


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_hold_everything_once(order: str) -> None:
    request: dict[str, Any] = {"MaxResults": 1, "SortOrder": order}
    seen = ""
    while True:
        answer = LISTING.answer(request, resources())
        seen += answer["Found"][0]["Name"]
        if "NextToken" not in answer:
            break
        request["NextToken"] = answer["NextToken"]
    assert seen == names({"SortOrder": order})


@pytest.mark.parametrize("token", ["nonsense", "e30=", "=", "é"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ValidationException):
        LISTING.answer({"NextToken": token}, resources())
