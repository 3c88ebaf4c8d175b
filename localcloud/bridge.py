"""What MiniStack's entry answers to this process alone (`localcloud.ministack.bridge`)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import urllib3

from localcloud.home import HOST, Ports


class Bridge:
    """Asks MiniStack's entry; `localcloud.ports.Functions` too. Safe from any thread."""

    def __init__(self, ports: Ports, token: str) -> None:
        self._token = token
        self._pool = urllib3.HTTPConnectionPool(HOST, ports.gateway, maxsize=16)

    def ask(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status, 200 or 403 with a `code`, and the answer. Raises RuntimeError for others."""
        answer = self._pool.request(
            "POST",
            f"/_pigeonhole/{operation}",
            body=json.dumps(request),
            headers={"x-pigeonhole-token": self._token, "content-type": "application/json"},
            timeout=10,
            # Asking twice changes nothing, and MiniStack may be starting again.
            retries=urllib3.Retry(total=4, backoff_factor=0.1, allowed_methods=None),
        )
        content: dict[str, Any] = json.loads(answer.data)
        refused = answer.status == HTTPStatus.FORBIDDEN and "code" in content
        if answer.status != HTTPStatus.OK and not refused:
            raise RuntimeError(f"MiniStack's bridge answered {answer.status}: {content}")
        return answer.status, content

    def runs(self, function: str) -> bool:
        """Whether a Lambda function has a process."""
        _, content = self.ask("runs", {"function": function})
        return bool(content["runs"])

    def kill(self, function: str, trace: str) -> None:
        """Kill the process of a Lambda function's invocation, which fails."""
        self.ask("kill", {"function": function, "trace": trace})
