"""Trouble over HTTP: what is answered, and what a page of another site cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from localcloud.trouble import KINDS, Rules
from localcloud.trouble.http import PATH, refusal, routes

Ask = Callable[..., httpx.Response]


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def ask(rules: Rules) -> Ask:
    app = Starlette(routes=routes(rules))

    def send(method: str, path: str = PATH, **request: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1:4567"
            ) as client:
                return await client.request(method, path, **request)

        return asyncio.run(once())

    return send


def test_rules_are_added_shown_and_cleared(ask: Ask) -> None:
    added = ask("POST", json={"kind": "slow", "on": "Create*", "times": 2, "seconds": 1.5})
    assert added.status_code == 201
    rule = {
        "number": 1,
        "kind": "slow",
        "on": "Create*",
        "times": 2,
        "skip": 0,
        "used": 0,
        "seconds": 1.5,
        "by": "*",
        "about": "",
    }
    assert added.json() == rule
    ask("POST", json={"kind": "quota", "on": "ml.g*"})
    ask("POST", json={"kind": "throttle", "times": None})
    shown = ask("GET").json()
    assert shown["rules"][0] == rule
    assert [other["times"] for other in shown["rules"]] == [2, None, None]
    assert [kind["kind"] for kind in shown["kinds"]] == list(KINDS)
    assert ask("DELETE", f"{PATH}/1").json() == {"ended": 1}
    assert ask("DELETE", f"{PATH}/1").status_code == 404
    assert ask("DELETE", f"{PATH}/{10**30}").status_code == 404
    assert ask("DELETE").json() == {"ended": 2}
    assert ask("GET").json()["rules"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"on": "x"}, "Kinds: throttle"),
        ([], "Kinds: throttle"),
        ({"kind": "gremlins"}, "There is: throttle"),
        ({"kind": "throttle", "pattern": "x"}, "It has: kind, on"),
        ({"kind": "throttle", "times": "2"}, "times cannot be '2'"),
        ({"kind": "throttle", "times": True}, "times cannot be True"),
        ({"kind": "throttle", "on": None}, "on cannot be None"),
        ({"kind": "quota", "seconds": 2}, "quota takes no seconds"),
        ({"kind": "throttle", "times": 10**30}, "from 0 to 1,000,000,000"),
        ({"kind": "throttle", "skip": 2**63}, "from 0 to 1,000,000,000"),
        ({"kind": "slow", "seconds": -1}, "from 0 to 86,400"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is(
    ask: Ask, rules: Rules, body: Any, words: str
) -> None:
    answer = ask("POST", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_rule")
    assert words in answer.json()["message"]
    assert rules.all() == []


def test_a_body_that_is_no_json_is_refused(ask: Ask) -> None:
    headers = {"content-type": "application/json"}
    assert ask("POST", content=b"{", headers=headers).status_code == 400
    assert ask("POST", content=b"[" * 9_000, headers=headers).status_code == 400
    assert ask("POST", content=b" " * 20_000, headers=headers).status_code == 413


LOCAL = {"host": "127.0.0.1:4567", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"host": "localhost:4567"}, True),
        ({"host": "[::1]:4567"}, True),
        ({"origin": "http://127.0.0.1:4567"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"content-type": "application/json; charset=utf-8"}, True),
        ({"host": "evil.example:4567"}, False),  # its name resolves to 127.0.0.1
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": "[::1"}, False),
        ({"host": ""}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:8000"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"content-type": "text/plain"}, False),  # what a form can send
        ({"content-type": ""}, False),
    ],
)
def test_a_page_of_another_site_can_do_nothing(headers: dict[str, str], allowed: bool) -> None:
    assert (refusal("POST", {**LOCAL, **headers}) is None) is allowed


def test_what_is_refused_changes_nothing(ask: Ask, rules: Rules) -> None:
    for request in (
        {"json": {"kind": "throttle"}, "headers": {"origin": "http://evil.example"}},
        {"content": b'{"kind": "throttle"}', "headers": {"content-type": "text/plain"}},
        {"json": {"kind": "throttle"}, "headers": {"host": "evil.example"}},
    ):
        answer = ask("POST", **request)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert rules.all() == []
    assert ask("OPTIONS").status_code == 405  # what a browser asks first
