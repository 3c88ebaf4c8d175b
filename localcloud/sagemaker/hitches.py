"""Trouble with single calls, on demand: throttled, failed, slow, or done without an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from localcloud.ports import AccessDenied, Caller, Hitch
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.errors import InternalFailure, SageMakerError, ThrottlingException
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
    *,
    said: str,
    service: str = "sagemaker",
) -> Response:
    """The answer of a call by this caller, or the trouble that is due for the operation `name`.

    `said` is what the call says: its body, or what its path names.

    A call is refused before IAM is asked. AWS does not document which comes first.
    """

    names = (f"sagemaker:{name}", f"{service}:{name}")

    def due(kind: str) -> Hitch | None:
        return cloud.trouble.next(kind, name, *names, caller=lambda: caller.arn, text=lambda: said)

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
    if (
        function
        and cloud.trouble.meant(
            "kill-caller", name, *names, caller=lambda: caller.arn, text=lambda: said
        )
        and cloud.functions.runs(function)
        and (killed := due("kill-caller"))
    ):
        if killed.when == "after":
            with contextlib.suppress(SageMakerError, AccessDenied):
                call()
        cloud.functions.kill(function, caller.trace)
        return Lost()
    response = call()
    return Lost() if due("lose-reply") else response
