"""Who may read the page: a browser on this machine that asked for it by a loopback name.

A foreign site cannot read answers across origins, and names of its own are refused
(`localcloud.loopback`). The headers keep anything that a job prints from being run, and the page
from being framed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from localcloud.loopback import is_loopback

Handler = Callable[[Request], Awaitable[Response]]

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


def guarded(handler: Handler) -> Handler:
    """The handler, for local requests alone, with the headers above on every answer."""

    async def answer(request: Request) -> Response:
        if is_loopback(request.headers.get("host")):
            response = await handler(request)
        else:
            response = PlainTextResponse(
                "This page answers to localhost, 127.0.0.1 and [::1] alone.\n", status_code=403
            )
        response.headers.update(HEADERS)
        return response

    return answer
