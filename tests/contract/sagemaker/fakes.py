"""Hand-written stand-ins for what SageMaker is handed by the rest of the local cloud."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from localcloud.ports import AccessDenied, Caller, Credentials

from .account import wait_until

ACCOUNT = "000000000000"


class FakeAccess:
    """Everybody may do all but what is in `denied`: (action pattern, resource pattern)."""

    def __init__(self) -> None:
        self.denied: list[tuple[str, str]] = []
        self.unknown_keys: set[str] = set()
        self.missing_roles: set[str] = set()
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.sessions: list[tuple[str, str]] = []

    def caller(self, headers: Mapping[str, str]) -> Caller:
        key = re.search(r"Credential=([^/]+)/", headers.get("authorization", ""))
        if key and key.group(1) in self.unknown_keys:
            raise AccessDenied("The security token included in the request is invalid.")
        return Caller(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, None)

    def check(
        self,
        caller: Caller,
        action: str,
        resource: str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        self.asked.append((action, resource, dict(context or {})))
        for denied_action, denied_resource in self.denied:
            if fnmatchcase(action, denied_action) and fnmatchcase(resource, denied_resource):
                raise AccessDenied(
                    f"User: {caller.arn} is not authorized to perform: {action} "
                    f"on resource: {resource}"
                )

    def credentials(self, role_arn: str, session_name: str) -> Credentials:
        self.sessions.append((role_arn, session_name))
        if role_arn in self.missing_roles:
            raise AccessDenied(f"Cannot assume {role_arn}")
        name = role_arn.rsplit("/", 1)[-1]
        return Credentials(
            f"AKIA{name.upper()}", "secret", "token", datetime.now(UTC) + timedelta(hours=1)
        )


class FakeEvents:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, list[str], dict[str, Any]]] = []

    def publish(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        self.published.append((detail_type, resources, detail))

    def details(self, detail_type: str, **members: Any) -> list[dict[str, Any]]:
        """Details of a type whose members have these values."""
        return [
            detail
            for kind, _, detail in self.published
            if kind == detail_type and all(detail.get(k) == v for k, v in members.items())
        ]

    def told(self, last: dict[str, Any], detail_type: str, **members: Any) -> list[dict[str, Any]]:
        """The same, once the last has the members of `last`: what a call describes is told a
        moment later.
        """

        def found() -> list[dict[str, Any]]:
            details = self.details(detail_type, **members)
            return details if details and last.items() <= details[-1].items() else []

        details: list[dict[str, Any]] = wait_until(found, f"{detail_type}: {last}")
        return details


class FakeStream:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.closed = False

    def write(self, line: str) -> None:
        self._lines.append(line)

    def close(self) -> None:
        self.closed = True


class FakeLogs:
    """Keeps lines by (group, stream)."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], list[str]] = {}
        self._lock = threading.Lock()

    def stream(self, group: str, name: str) -> FakeStream:
        with self._lock:
            return FakeStream(self.lines.setdefault((group, name), []))

    def text(self, group: str, stream: str = "") -> str:
        """All lines of the group's streams whose name contains `stream`."""
        with self._lock:
            found = [v for (g, s), v in self.lines.items() if g == group and stream in s]
        return "\n".join(line for lines in found for line in lines)


class FakeMetrics:
    """Keeps what was put: (namespace, name, value, dimensions)."""

    def __init__(self) -> None:
        self.put_values: list[tuple[str, str, float, dict[str, str]]] = []

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        *,
        unit: str = "None",
        at: float | None = None,
    ) -> None:
        self.put_values.append((namespace, name, value, dict(dimensions)))

    def values(self, namespace: str, name: str, **dimensions: str) -> list[float]:
        """The values of one metric that have (at least) these dimensions, in order."""
        return [
            value
            for where, what, value, given in self.put_values
            if (where, what) == (namespace, name) and dimensions.items() <= given.items()
        ]
