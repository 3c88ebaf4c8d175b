"""Trouble over HTTP, on SageMaker's port, for the `pigeonhole` command, curl and tests.

GET    /_pigeonhole/trouble            → {"kinds": […], "rules": […]}
POST   /_pigeonhole/trouble            {"kind", "on", …} → 201 and the rule
DELETE /_pigeonhole/trouble            ends all → {"ended": n}
DELETE /_pigeonhole/trouble/{number}   ends one → {"ended": 1}, or 404

A rule: `kind`; `on`, the pattern (default `*`); `times` (null: until cleared); `skip`; and what its
kind takes of `seconds`, `message`, `by`, `about`, `when`. Errors are {"error", "message"}.

No page of another site can do that: the request must come to a loopback name, from no other
origin, and a rule must be JSON by its Content-Type, for which a browser asks first and is not
answered.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localcloud.loopback import is_loopback
from localcloud.trouble.kinds import KINDS, BadRule, KindOfTrouble, Rule
from localcloud.trouble.rules import Rules

PATH = "/_pigeonhole/trouble"
_LONGEST = 10_000  # bytes of a body
_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "on": (str,),
    "times": (int, type(None)),
    "skip": (int,),
    "seconds": (int, float),
    "message": (str,),
    "by": (str,),
    "when": (str,),
    "about": (str,),
}

Handler = Callable[[Request], Awaitable[Response]]


def routes(rules: Rules) -> list[BaseRoute]:
    """For `build_app(routes=…)`."""
    doors = _Doors(rules)
    return [
        Route(PATH, _guarded(doors.show), methods=["GET"]),
        Route(PATH, _guarded(doors.add), methods=["POST"]),
        Route(PATH, _guarded(doors.clear), methods=["DELETE"]),
        Route(f"{PATH}/{{number:int}}", _guarded(doors.clear), methods=["DELETE"]),
    ]


def told(rule: Rule) -> dict[str, Any]:
    """A rule as JSON, with the options that its kind has."""
    options = KINDS[rule.kind].options
    shown = {
        "number": rule.number,
        "kind": rule.kind,
        "on": rule.pattern,
        "times": rule.times,
        "skip": rule.skip,
        "used": rule.used,
    }
    return shown | {name: value for name, value in asdict(rule).items() if name in options}


def told_kind(kind: KindOfTrouble) -> dict[str, Any]:
    """A kind as JSON."""
    return {
        "kind": kind.name,
        "says": kind.says,
        "on": kind.on,
        "times": kind.times,
        "options": list(kind.options),
    } | ({"seconds": kind.seconds, "seconds_are": kind.seconds_are} if kind.seconds_are else {})


def parsed(given: Any) -> Rule:
    """The rule that a JSON body asks for. Raises BadRule."""
    if not isinstance(given, dict) or "kind" not in given:
        raise BadRule(f'A rule is {{"kind": …, "on": …}}. Kinds: {", ".join(KINDS)}.')
    for name, value in given.items():
        if name not in _TYPES:
            raise BadRule(f"A rule has no {name!r}. It has: {', '.join(_TYPES)}.")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise BadRule(f"{name} cannot be {value!r}.")
    fields = {"pattern" if name == "on" else name: value for name, value in given.items()}
    return Rule(**fields)


class _Doors:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def show(self, _: Request) -> Response:
        rules = await to_thread.run_sync(self._rules.all)
        kinds = [told_kind(kind) for kind in KINDS.values()]
        return JSONResponse({"kinds": kinds, "rules": [told(rule) for rule in rules]})

    async def add(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > _LONGEST:
            return _error(413, "too_large", f"A rule has at most {_LONGEST} bytes.")
        try:
            added = await to_thread.run_sync(self._rules.add, parsed(json.loads(body)))
        except (ValueError, RecursionError) as error:  # no JSON, too deep, or BadRule
            return _error(400, "bad_rule", str(error))
        return JSONResponse(told(added), status_code=201)

    async def clear(self, request: Request) -> Response:
        number = request.path_params.get("number")
        ended = await to_thread.run_sync(self._rules.clear, number)
        if number is not None and not ended:
            return _error(404, "not_found", f"No rule {number} is in force.")
        return JSONResponse({"ended": ended})


def _guarded(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        why = refusal(request.method, request.headers)
        return await handler(request) if why is None else _error(403, "forbidden", why)

    return answer


def refusal(method: str, headers: Mapping[str, str]) -> str | None:
    """Why a request with these (lower-case) headers may come from somebody else's page; or None."""
    host = headers.get("host", "")
    if not is_loopback(host):
        return "Only under localhost, 127.0.0.1 or [::1]."
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return "Not from other origins."
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "Not from other sites."
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and content_type != "application/json":
        return "A rule is sent with the Content-Type application/json."
    return None


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": code, "message": message}, status_code=status)
