"""HTTP as SageMaker speaks it to a container: /ping, /invocations, /execution-parameters.

Bare ASGI under uvicorn. The event loop moves bytes and answers what takes a millisecond; all other
decoding and inference runs in threads, one a CPU, so that /ping answers whatever else goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import uvicorn

from serving import answers
from serving.errors import BadRequest, RequestError, TooLarge
from serving.invocations import Answer, Invocations

BODY_LIMIT = 6 * 1024 * 1024  # bytes; batch transform sends up to 6 MiB, a serverless endpoint 4 MB
DRAIN_LIMIT = (
    4 * BODY_LIMIT
)  # a body over the limit is read away up to here, so that the answer lands
BODY_SECONDS = 60  # SageMaker gives a whole invocation no more
HELD_BODIES = 16  # requests whose bodies are in memory at once; the others wait unread

log = logging.getLogger("serving")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Disconnected(Exception):
    """The client went away before its body was whole."""


class Application:
    """The ASGI application (HTTP scope alone)."""

    def __init__(self, invocations: Invocations, workers: int) -> None:
        """`workers` bodies are worked on at once."""
        self._invocations = invocations
        self._pool = ThreadPoolExecutor(workers, "invocation")
        self._held = asyncio.Semaphore(HELD_BODIES)
        self._parameters = json.dumps(
            {
                "MaxConcurrentTransforms": max(2, workers),  # one waits for S3 while one infers
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": BODY_LIMIT // 2**20,
            }
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification, HTTP connection scope."""
        method, path = scope["method"], scope["path"]
        close = False
        if path == "/invocations" and method == "POST":
            try:
                answer = await self._invoke(scope, receive)
            except RequestError as error:
                answer, close = Answer(error.status, answers.error(error.code, error.message)), True
            except Disconnected:
                return
        elif path == "/ping" and method == "GET":
            answer = Answer(200, b"")
        elif path == "/execution-parameters" and method == "GET":
            answer = Answer(200, self._parameters)
        elif path in ("/invocations", "/ping", "/execution-parameters"):
            right = "POST" if path == "/invocations" else "GET"
            answer = Answer(405, answers.error("method_not_allowed", f"Use {right} {path}."))
        else:
            message = "There are POST /invocations, GET /ping and GET /execution-parameters."
            answer = Answer(404, answers.error("not_found", message))
        await _respond(send, answer, close)

    async def _invoke(self, scope: Scope, receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        length = headers.get(b"content-length", b"")
        declared = int(length) if length.isdigit() else None
        async with self._held:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _body(receive, declared)
            except TimeoutError as error:
                raise BadRequest(
                    "slow_body", f"The body took over {BODY_SECONDS} seconds. Send it again."
                ) from error
            if self._invocations.is_quick(content_type, body):
                return self._invocations(content_type, body)  # a thread would add a quarter
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._invocations, content_type, body)


async def _body(receive: Receive, declared: int | None) -> bytes:
    """The whole body. Raises TooLarge over BODY_LIMIT, without ever holding more than that, and
    at once when the declared length is beyond draining; Disconnected."""
    if declared is not None and declared > DRAIN_LIMIT:
        raise _too_large()
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > DRAIN_LIMIT:
            break
        if size > BODY_LIMIT:
            parts.clear()
        else:
            parts.append(part)
    if size > BODY_LIMIT:
        raise _too_large()
    return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(
        "body_too_large",
        f"The body is over {BODY_LIMIT} bytes. Send a smaller picture, or fewer rows at a time.",
    )


async def _respond(send: Send, answer: Answer, close: bool) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on the address. Raises OSError when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where it sees the protocol named.
    server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen(1024)
    return server


def run(application: Application, server: socket.socket) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then end the process: calls under way get five seconds."""
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]  # uvicorn types the scope more narrowly
        lifespan="off",
        ws="none",
        http="httptools",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=1024,
        timeout_keep_alive=75,  # longer than callers keep idle connections
        timeout_graceful_shutdown=5,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[server])
    # Threads that still wait for S3 would hold an ordinary exit up, and as a container's process 1
    # a signal that is raised again does nothing.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
