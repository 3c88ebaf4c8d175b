"""Trouble with single calls of MiniStack's services, on demand, in front of its application.

Without rules a request passes at the cost of a comparison. What the local cloud itself asks (its
clients say so in their User-Agent) is spared: on AWS these calls are not the account's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from localcloud.ministack import refusals
from localcloud.ministack.calls import FORM, Call, recognized
from localcloud.ports import Functions, Hitch
from localcloud.trouble import SPARED, Rules
from localcloud.trouble.callers import function_of

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[str, str], str]  # who has an access key and a session token, as an ARN

_KINDS = ("slow", "throttle", "error-500", "kill-caller", "lose-reply")
_LAST_GOOD = 399
_LONGEST_READ = 2**20  # bytes of a body in which words are looked for; longer ones are data


class Troubled:
    """An ASGI application: `app`, with the trouble that `rules` have for its calls."""

    def __init__(
        self, app: Application, rules: Rules, identify: Identify, functions: Functions
    ) -> None:
        self._app = app
        self._rules = rules
        self._identify = identify
        self._functions = functions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._rules.any(*_KINDS):
            await self._app(scope, receive, send)
            return
        headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in scope["headers"]}
        if SPARED in headers.get("user-agent", ""):
            await self._app(scope, receive, send)
            return
        request = _Request(receive)
        if headers.get("content-type", "").startswith(FORM):
            await request.read()
        call = await asyncio.to_thread(
            recognized,
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            headers,
            bytes(request.body),
        )
        if call is None:
            await self._app(scope, request, send)
        else:
            await self._carry_out(call, headers, scope, request, send)

    async def _carry_out(
        self, call: Call, headers: dict[str, str], scope: Scope, request: _Request, send: Send
    ) -> None:
        token = headers.get("x-amz-security-token", "")
        if self._rules.any_about() and int(headers.get("content-length", 0)) <= _LONGEST_READ:
            await request.read()

        def caller() -> str:
            return self._identify(call.access_key, token) if call.access_key else ""

        def text() -> str:
            query = unquote_plus(scope["query_string"].decode("latin-1"))
            return f"{scope['path']}?{query}\n{request.body.decode(errors='replace')}"

        async def due(kind: str) -> Hitch | None:
            if not self._rules.any(kind):
                return None
            return await asyncio.to_thread(
                self._rules.next, kind, *call.names, caller=caller, text=text
            )

        async def meant(kind: str) -> bool:
            if not self._rules.any(kind):
                return False
            return await asyncio.to_thread(
                self._rules.meant, kind, *call.names, caller=caller, text=text
            )

        if slow := await due("slow"):
            await asyncio.sleep(slow.seconds)
        for kind, words in (("throttle", refusals.throttled), ("error-500", refusals.failed)):
            if hitch := await due(kind):
                refusal = words(call)
                refusal = replace(refusal, message=hitch.message or refusal.message)
                await request.read()  # a client that is still sending would see a reset instead
                answer = refusals.answer(call, refusal, headers.get("content-type", ""))
                await _answer(answer, scope["method"], send)
                return
        killed, trace = None, headers.get("x-amzn-trace-id", "")
        if await meant("kill-caller"):
            function = await asyncio.to_thread(lambda: function_of(caller()))
            killed = await due("kill-caller") if self._functions.runs(function) else None
        if killed and killed.when == "before":
            await request.read()
            await self._end(function, trace, send)
            return
        if not killed and not await meant("lose-reply"):
            await self._app(scope, request, send)
            return
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        await self._app(scope, request, keep)
        if killed:
            await self._end(function, trace, send)
            return
        # What was refused had no effect that could be lost.
        if said and said[0].get("status", 500) <= _LAST_GOOD and await due("lose-reply"):
            await drop(send)
            return
        for message in said:
            await send(message)

    async def _end(self, function: str, trace: str, send: Send) -> None:
        """Kill the invocation and close its connection."""
        await asyncio.to_thread(self._functions.kill, function, trace)
        await drop(send)


class _Request:
    """`receive`, of which the body may be read beforehand."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = False
        self.body = bytearray()

    async def read(self) -> None:
        """Read the body to its end."""
        more = not self._read
        while more:
            message = await self._receive()
            self.body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        self._read = True

    async def __call__(self) -> Message:
        if not self._read:
            return await self._receive()
        self._read = False
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}


async def _answer(answer: refusals.Answer, method: str, send: Send) -> None:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    body = b"" if method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


async def drop(send: Send) -> None:
    """Close the connection without an answer.

    ASGI has no word for that, so it is asked of Hypercorn, whose `send` belongs to the stream, and
    that one's to the connection. Its version is pinned.
    """
    from hypercorn.events import Closed  # noqa: PLC0415 - there is one in MiniStack's interpreter

    stream: Any = getattr(send, "__self__")  # noqa: B009
    stream.closed = True
    await stream.send.__self__.send(Closed())
