"""Who may read the page: a browser on this machine that asked for it by a loopback name.

A foreign site cannot read answers across origins, unless its own name is made to resolve to
127.0.0.1 (DNS rebinding): then the request's Host is that name, and is refused here. The headers
keep anything that a job prints from being run, and the page from being framed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

Handler = Callable[[Request], Awaitable[Response]]

_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def local(host: str | None) -> bool:
    """Does a Host header name this machine's loopback address (with any port)?"""
    if not host:
        return False
    name, colon, port = host.lower().rpartition(":")
    if not colon or name == "" or not port.isascii() or not port.isdigit():
        name = host.lower()
    return name in _NAMES


def guarded(handler: Handler) -> Handler:
    """The handler, for local requests alone, with the headers above on every answer."""

    async def answer(request: Request) -> Response:
        if local(request.headers.get("host")):
            response = await handler(request)
        else:
            response = PlainTextResponse(
                "This page answers to localhost, 127.0.0.1 and [::1] alone.\n", status_code=403
            )
        response.headers.update(HEADERS)
        return response

    return answer
