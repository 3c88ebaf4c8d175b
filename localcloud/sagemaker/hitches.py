"""Trouble with single calls, on demand: throttled, failed, slow, or done without an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localcloud.ports import Caller, Hitch
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import InternalFailure, ThrottlingException
from localcloud.trouble.callers import function_of

RUNTIME = "sagemaker-runtime"


class Lost(Response):
    """No answer: the connection is closed instead, and clients see it reset.

    ASGI has no word for that, so it is asked of uvicorn, whose `receive` belongs to the object
    that has the connection. Any other server breaks off in the middle of the answer.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def carry_out(
    cloud: Cloud,
    caller: Caller,
    name: str,
    call: Callable[[], Response],
    service: str = "sagemaker",
) -> Response:
    """The answer of a call by this caller, or the trouble that is due for the operation `name`.

    A call is refused before IAM is asked. AWS does not document which comes first.
    """

    def due(kind: str) -> Hitch | None:
        names: tuple[Any, ...] = (name, f"sagemaker:{name}", f"{service}:{name}")
        return cloud.trouble.next(kind, *names, caller=lambda: caller.arn)

    if slow := due("slow"):
        cloud.clock.wait(cloud.closing, slow.seconds)
    if throttled := due("throttle"):
        raise ThrottlingException(throttled.message or "Rate exceeded")
    if failing := due("error-500"):
        raise InternalFailure(
            failing.message
            or "The request processing has failed because of an unknown error, exception or "
            "failure."
        )
    function = function_of(caller.arn)
    killed = due("kill-caller") if function else None
    if killed and killed.when == "before":
        cloud.kill_function(function)
        return Lost()
    response = call()
    if killed:
        cloud.kill_function(function)
        return Lost()
    return Lost() if due("lose-reply") else response
