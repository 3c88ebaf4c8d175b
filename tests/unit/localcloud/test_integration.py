"""API Gateway's time limit, with applications of the test's own behind it."""

from __future__ import annotations

import asyncio
from typing import Any

from localcloud.ministack.integration import Integration, Receive, Scope, Send

API = "/_aws/execute-api/abc/local/predict"


class App:
    """Reads the request, then answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ours"})
        self.ended.set()


async def ask(app: Integration, path: str = API, pause: float = 0.0) -> list[dict[str, Any]]:
    """What is answered to a request whose body comes in two parts, `pause` seconds apart."""
    parts = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
    ]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if len(parts) == 1:
            await asyncio.sleep(pause)
        return parts.pop(0)

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app({"type": "http", "path": path}, receive, send)
    return said


async def late_answer() -> None:
    app = App()
    start, body = await ask(Integration(app, limit=0.01))
    assert start["status"] == 504
    assert body["body"] == b'{"message": "Endpoint request timed out"}'
    assert not app.ended.is_set()
    app.go_on.set()
    await asyncio.wait_for(app.ended.wait(), 10)  # what is behind the API goes on


async def answer_in_time() -> None:
    app = App()
    app.go_on.set()
    start, body = await ask(Integration(app, limit=10))
    assert (start["status"], body["body"]) == (200, b"ours")


async def slow_sender() -> None:
    app = App()
    app.go_on.set()
    start, _ = await ask(Integration(app, limit=0.05), pause=0.2)
    assert start["status"] == 200


async def other_call() -> None:
    app = App()
    asyncio.get_running_loop().call_later(0.1, app.go_on.set)
    start, _ = await ask(Integration(app, limit=0.01), path="/bucket/key")
    assert start["status"] == 200


def test_an_answer_that_comes_too_late_is_lost_and_the_work_goes_on() -> None:
    asyncio.run(late_answer())


def test_an_answer_in_time_arrives() -> None:
    asyncio.run(answer_in_time())


def test_the_time_that_the_request_takes_to_arrive_does_not_count() -> None:
    asyncio.run(slow_sender())


def test_other_services_may_take_longer() -> None:
    asyncio.run(other_call())
