"""`pigeonhole rollback` follows what was asked for to its end, through who comes between."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from rich.console import Console

from cli.api import Api
from cli.commands.rollback import follow
from cli.console import Waiting

STATUS: dict[str, Any] = {
    "dataset": "letters",
    "phase": "Verifying",
    "message": "anna rolls back to job-1",
    "settled": False,
    "champion": {"version": "b", "training_job": "job-2", "since": "2026-11-21T10:00:00+00:00"},
    "former": [{"training_job": "job-1"}, {"training_job": "job-0"}],
}


def change(job: str, outcome: str | None, asked: str = "10:00") -> dict[str, Any]:
    return {
        "why": "rollback",
        "training_job": job,
        "who": "anna",
        "outcome": outcome,
        "message": f"{job} is live" if outcome == "Live" else "",
        "asked": asked,
    }


class Server:
    """Answers a rollback, then each look with the next change; statuses of errors as they are."""

    def __init__(self, *answers: dict[str, Any] | int) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        transport = httpx.MockTransport(self._answer)
        self.api = Api(httpx.Client(transport=transport, base_url="http://api"))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": "x", "message": "y"})
        return httpx.Response(200, json=STATUS | {"change": answer})


def run(server: Server) -> tuple[Any, str]:
    out = io.StringIO()
    asked = server.api.rollback("letters", "abcd", reason="bags", by="anna")
    found = follow(server.api, asked, Waiting(Console(file=out)), lambda: None)
    return found, out.getvalue()


def test_it_asks_with_who_and_why_and_follows_to_the_end() -> None:
    server = Server(change("job-1", None), change("job-1", None), 503, change("job-1", "Live"))
    found, _ = run(server)
    assert (found.outcome, found.message) == ("Live", "job-1 is live")
    assert server.asked[0].url.path == "/datasets/letters/rollback"
    for said in (b'"abcd"', b'"bags"', b'"anna"'):
        assert said in server.asked[0].content


def test_a_later_rollback_is_told_and_followed() -> None:
    later = change("job-0", None, "10:01")
    server = Server(change("job-1", None), later, later | {"outcome": "Live"})
    found, out = run(server)
    assert found.training_job == "job-0"
    assert "anna asked for job-0 meanwhile" in out


def test_what_was_before_is_told_by_the_status() -> None:
    status = Server(change("job-1", "Live")).api.dataset("letters")
    assert status is not None
    assert status.former == ("job-1", "job-0")


@pytest.mark.parametrize("missing", ["former", "change"])
def test_a_stage_of_an_older_release_is_understood(missing: str) -> None:
    body = {name: value for name, value in STATUS.items() if name != missing}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=body))
    status = Api(httpx.Client(transport=transport, base_url="http://api")).dataset("letters")
    assert status is not None
    assert (status.change, status.champion is None) == (None, False)
