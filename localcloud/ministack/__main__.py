"""MiniStack's entry, run by MiniStack's own interpreter (see `launch`).

What it adds to `ministack`: it listens on one address alone, saves the state while it runs,
answers our SageMaker's questions to IAM, brings the trouble that somebody asked for, unpacks a
function's code once, and treats calls of deployed APIs as API Gateway does: one without a
Content-Type is JSON, and one that takes longer than 29 seconds is answered without what it was to
say.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from localcloud.ministack import bridge, hooks, permissions, unpacking
from localcloud.ministack.calls import is_api_call
from localcloud.ministack.integration import Integration
from localcloud.ministack.saver import Saver
from localcloud.ministack.troubled import Troubled
from localcloud.trouble import Rules

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


CONTENT_TYPE = b"content-type"


class Gateway:
    """MiniStack's ASGI application, with the bridge in front and the saver behind.

    before_the_end: called before the state is saved for the last time
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        saver: Saver,
        token: str,
        before_the_end: Callable[[], None],
    ) -> None:
        self._app = app
        self._saver = saver
        self._token = token
        self._before_the_end = before_the_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(bridge.PREFIX):
            await self._bridge(scope, receive, send)
        else:
            try:
                await self._app(_typed(scope), receive, send)
            finally:
                if scope.get("method") not in ("GET", "HEAD"):
                    self._saver.touch()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def heard() -> dict[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._before_the_end)
                # MiniStack saves everything itself now.
                await asyncio.to_thread(self._saver.stop)
            return message

        async def said(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._saver.start()
            await send(message)

        await self._app(scope, heard, said)

    async def _bridge(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        token = headers.get(bridge.TOKEN_HEADER.encode(), "")
        status, content = bridge.answer(scope["path"], token, self._token, body)
        raw = json.dumps(content).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(raw))]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": raw})


def _typed(scope: Scope) -> Scope:
    """A call of a REST API with the Content-Type that API Gateway takes it to have.

    "None (default to application/json)", says its developer guide under integration passthrough.
    MiniStack takes such a body for text, and image bytes would not survive that.
    """
    if not is_api_call(scope["path"]):
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != CONTENT_TYPE]
    given = [value for name, value in scope["headers"] if name.lower() == CONTENT_TYPE]
    if any(value.strip() for value in given):
        return scope
    return {**scope, "headers": [*headers, (CONTENT_TYPE, b"application/json")]}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    # Functions inherit this process's environment: what is ours must not reach them.
    token = os.environ.pop("PIGEONHOLE_BRIDGE_TOKEN")
    rules = Rules(Path(os.environ.pop("PIGEONHOLE_TROUBLE")))
    every = float(os.environ.pop("PIGEONHOLE_SAVE_SECONDS", "2"))
    os.environ.pop("PYTHONPATH", None)
    # One that a killed cloud left may still be saving: its state is read when it has ended.
    alone = open(os.path.join(os.environ["STATE_DIR"], ".lock"), "w")  # noqa: SIM115
    fcntl.flock(alone, fcntl.LOCK_EX)

    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    logging.getLogger("persistence").setLevel(logging.WARNING)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75  # longer than clients keep idle connections
    config.graceful_timeout = 2
    permissions.install()
    unpacking.install()
    notifications = hooks.install(rules)
    troubled = Troubled(Integration(app), rules, bridge.arn_of, hooks)
    gateway = Gateway(troubled, Saver(every), token, notifications.deliver_all)
    asyncio.run(serve(gateway, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
