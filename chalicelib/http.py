"""How the HTTP API frames what it says: JSON always, errors as `{"error": code, "message": …}`.

The one place where our errors become HTTP statuses, and where Chalice's own error shape is turned
into ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from chalice.app import CaseInsensitiveMapping, Request, Response

from chalicelib import errors
from chalicelib.predict import payload

JSON = "application/json"
LONGEST_NAME = 100  # characters of what callers call themselves
GATE = "gate"  # as the registry and the history call it, and nobody else
LONGEST_NUMBER = 9  # digits

# API Gateway decodes what a binary type came as, and "*/*" makes that everything: requests with an
# odd type or none then arrive whole too, and can be told what to do. Chalice wants the types of
# its routes in the list by name as well.
BINARY_TYPES = ["*/*", *payload.ACCEPTED]

STATUSES: Mapping[type[errors.PigeonholeError], int] = {
    errors.BodyTooLarge: 413,
    errors.TypeRefused: 415,
    errors.InputRefused: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unavailable: 503,
    errors.PigeonholeError: 500,
}
RETRY_SECONDS: Mapping[type[errors.PigeonholeError], int] = {
    errors.ModelNotReady: 5,
    errors.Throttled: 1,
    errors.Unavailable: 10,
}
_CHALICE_CODES = {
    "UnsupportedMediaType": "unsupported_media_type",
    "MethodNotAllowedError": "method_not_allowed",
    "InternalServerError": "internal_error",
}
_BROKEN = (
    "Something broke on our side. Try again; if it stays so, the log of the function api_handler "
    "says what it was."
)


class JsonResponse(Response):
    """JSON that goes out as text.

    Chalice would send it as base64, since JSON stands among the binary types, and API Gateway
    decodes that only for callers whose Accept header fits.
    """

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        return super().to_dict(None)


def answer(body: Any, status: int = 200, headers: Mapping[str, Any] | None = None) -> JsonResponse:
    """`body` is text that is JSON already, or what becomes it."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return JsonResponse(text, {**(headers or {}), "Content-Type": JSON}, status)


def error_answer(error: errors.PigeonholeError) -> JsonResponse:
    """Our errors as HTTP."""
    if isinstance(error, errors.ModelError):
        return answer(_container_error(error), error.status)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(_nearest(type(error), RETRY_SECONDS))
    status = _nearest(type(error), STATUSES)
    return answer({"error": error.code, "message": str(error)}, status, headers)


def answers_errors(view: Callable[..., Any]) -> Callable[..., Response]:
    """Decorate a view: what it returns is the JSON body, what it raises of our tree an error's."""

    @wraps(view)
    def framed(*args: Any, **kwargs: Any) -> Response:
        try:
            said = view(*args, **kwargs)
        except errors.PigeonholeError as error:
            return error_answer(error)
        return said if isinstance(said, Response) else answer(said)

    return framed


def frame(request: Request | None, get_response: Callable[[Any], Response]) -> Response:
    """HTTP middleware: requests as Chalice can take them, and no answer in Chalice's own shape."""
    if request is not None:
        headers = {**request.headers, "accept": "*/*"}  # else Chalice refuses to answer
        if not (headers.get("content-type") or "").strip():
            headers["content-type"] = payload.OCTETS
        request.headers = CaseInsensitiveMapping(headers)
    response = get_response(request)
    if isinstance(response, JsonResponse):
        return response
    if not (isinstance(response.body, dict) and "Code" in response.body):
        return answer(response.body, response.status_code, response.headers)
    code = _CHALICE_CODES.get(response.body["Code"], "request_refused")
    message = str(response.body.get("Message", ""))
    if response.status_code == 415 and request is not None:
        message = payload.unsupported(payload.media_type(request.headers["content-type"]))
    elif response.status_code >= 500:
        message = _BROKEN
    return answer({"error": code, "message": message}, response.status_code, response.headers)


def whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    """A parameter of the query string, 1 at least. Raises InputRefused."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER or int(text) < 1:
        raise errors.InputRefused(f"{name} is a whole number from 1 on, not {text[:40]!r}")
    return int(text)


def body_of(request: Request) -> bytes:
    """The request's body as the caller sent it. Raises BodyRefused when spoilt on its way."""
    try:
        raw = request.raw_body
    except ValueError as error:
        raise errors.BodyRefused("The body is no base64, though it was sent as such.") from error
    body = raw.encode() if isinstance(raw, str) else raw
    as_text = not request.to_original_event().get("isBase64Encoded")
    if as_text and payload.came_as_text(body):
        raise errors.BodyRefused(
            "The image was read as text on its way. Send it with the header "
            "Content-Type: application/octet-stream (or its own type, such as image/png)."
        )
    return body


def wish_of(request: Request) -> tuple[dict[str, Any], str]:
    """The JSON object that a request brings (nothing at all is an empty one), and who asks.

    Who: the IAM principal that API Gateway told of, else the API key, else "somebody"; and the
    member "by" of the object, which callers may say of themselves. Raises BodyRefused.
    """
    raw = body_of(request).strip()
    try:
        wish = json.loads(raw) if raw else {}
    except ValueError as error:
        raise errors.BodyRefused(f"The body is no JSON: {error}.") from error
    if not isinstance(wish, dict):
        raise errors.BodyRefused('The body must be a JSON object, say {"reason": "…"}.')
    wrong = [name for name, value in wish.items() if not isinstance(value, str | None)]
    if wrong:
        raise errors.BodyRefused(f"The body's {', '.join(wrong)} must be text.")
    identity = (request.context or {}).get("identity") or {}
    key = identity.get("apiKeyId")
    known = identity.get("userArn") or (f"API key {key}" if key else "")
    said = " ".join(str(wish.get("by") or "").split())[:LONGEST_NAME]
    if said.casefold() == GATE and not known:
        said = f"{said} (a person)"
    who = f"{said} ({known})" if said and known else said or known or "somebody"
    return wish, who


def _container_error(error: errors.ModelError) -> dict[str, str]:
    try:
        said = json.loads(error.body)
        return {"error": str(said["error"]), "message": str(said["message"])}
    except (ValueError, KeyError, TypeError):
        return {"error": error.code, "message": error.body.strip() or str(error)}


def _nearest(kind: type, table: Mapping[type[errors.PigeonholeError], int]) -> int:
    return next(table[base] for base in kind.__mro__ if base in table)
