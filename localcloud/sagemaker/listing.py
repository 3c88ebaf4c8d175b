"""The List calls: filters, order and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.sagemaker.errors import ValidationException
from localcloud.sagemaker.store import Resource

_DEFAULT_PAGE = 10
_NOT_FILTERS = ("NextToken", "MaxResults")


@dataclass(frozen=True)
class Listing:
    """How one kind is listed: the key of the answer, its summaries, and AWS's default order."""

    key: str
    summary: Callable[[Resource], dict[str, Any]]
    default_order: str = "Descending"
    default_sort: str = "CreationTime"
    orders: Mapping[str, Callable[[Resource], tuple[Any, ...]]] = field(default_factory=dict)

    def answer(self, request: dict[str, Any], resources: Iterable[Resource]) -> dict[str, Any]:
        """One page. Raises ValidationException for a NextToken that is not of this very listing."""
        found = [resource for resource in resources if _matches(request, resource)]
        order = {**_SORT_KEYS, **self.orders}[request.get("SortBy", self.default_sort)]
        descending = request.get("SortOrder", self.default_order) == "Descending"
        found.sort(key=order, reverse=descending)
        start = self._resume(request)
        if start is not None:
            found = [r for r in found if (order(r) < start if descending else order(r) > start)]
        size = request.get("MaxResults", _DEFAULT_PAGE)
        page = found[:size]
        answer: dict[str, Any] = {self.key: [self.summary(resource) for resource in page]}
        if len(found) > size:
            answer["NextToken"] = self._token(request, order(page[-1]))
        return answer

    def _fingerprint(self, request: dict[str, Any]) -> list[Any]:
        kept = {key: value for key, value in request.items() if key not in _NOT_FILTERS}
        return [self.key, kept]

    def _token(self, request: dict[str, Any], last: tuple[Any, ...]) -> str:
        content = json.dumps({"of": self._fingerprint(request), "last": last})
        return base64.urlsafe_b64encode(content.encode()).decode()

    def _resume(self, request: dict[str, Any]) -> tuple[Any, ...] | None:
        token = request.get("NextToken")
        if not token:
            return None
        try:
            content = json.loads(base64.urlsafe_b64decode(token.encode()))
            if content["of"] == self._fingerprint(request):
                return tuple(content["last"])
        except (binascii.Error, ValueError, KeyError, TypeError) as error:
            raise ValidationException("Invalid NextToken.") from error
        raise ValidationException("NextToken belongs to another request.")


_SORT_KEYS: dict[str, Callable[[Resource], tuple[Any, ...]]] = {
    "CreationTime": lambda resource: (resource.created, resource.name),
    "Name": lambda resource: (resource.name,),
    "Status": lambda resource: (resource.status, resource.name),
}


def _matches(request: dict[str, Any], resource: Resource) -> bool:
    times = {"CreationTime": resource.created, "LastModifiedTime": resource.modified}
    for name, time in times.items():
        if time <= request.get(f"{name}After", float("-inf")):
            return False
        if time >= request.get(f"{name}Before", float("inf")):
            return False
    if request.get("StatusEquals", resource.status) != resource.status:
        return False
    return request.get("NameContains", "").lower() in resource.name.lower()
