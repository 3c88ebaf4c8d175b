"""API Gateway's patience: a call of a deployed API is answered within 29 seconds.

What is behind the API goes on after that, as a Lambda function does on AWS; its answer is lost. The
limit is the default of "Timeout for all integration types" among API Gateway's quotas for REST
APIs, the answer its gateway response INTEGRATION_TIMEOUT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from localcloud.ministack.calls import is_api_call

LIMIT = 29.0  # seconds
_BODY = b'{"message": "Endpoint request timed out"}'

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Integration:
    """An ASGI application: `app`, whose calls of deployed APIs take `limit` seconds at most."""

    def __init__(self, app: Application, limit: float = LIMIT) -> None:
        self._app = app
        self._limit = limit
        self._under_way: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_api_call(scope["path"]):
            await self._app(scope, receive, send)
            return
        arrived = asyncio.Event()
        said: list[Message] = []

        async def heard() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                arrived.set()
            return message

        async def keep(message: Message) -> None:
            said.append(message)

        work = asyncio.ensure_future(self._app(scope, heard, keep))
        self._under_way.add(work)  # the event loop itself holds it but weakly
        work.add_done_callback(self._under_way.discard)
        body = asyncio.ensure_future(arrived.wait())
        # How long the caller takes to send its request does not count.
        await asyncio.wait({work, body}, return_when=asyncio.FIRST_COMPLETED)
        body.cancel()
        done, _ = await asyncio.wait({work}, timeout=self._limit)
        if done:
            work.result()
            for message in said:
                await send(message)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]
        await send({"type": "http.response.start", "status": 504, "headers": headers})
        await send({"type": "http.response.body", "body": _BODY})
