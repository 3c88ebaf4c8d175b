"""The page of the local cloud and the JSON behind it, read-only.

GET /                                   the page
GET /_pigeonhole/{page.css,page.js,…}   what it is made of
GET /_pigeonhole/state                  everything it shows (docs/watch.md); ETag, 304
GET /_pigeonhole/logs?group=&name=&after=    the last lines of a job or an endpoint

The page asks again every second. An answer costs the building of one JSON at most every
`_FRESH` seconds, however many pages are open, and nothing while nothing has changed; no connection
waits on the server, so none keeps it from ending.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localcloud.page.guard import guarded
from localcloud.page.series import Series
from localcloud.page.snapshot import Snapshot
from localcloud.sagemaker.store import Store
from localcloud.tail import Line, Tail

FORMAT = 1
_FILES = Path(__file__).parent / "files"
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FRESH = 0.4  # seconds
_MOST_LINES = 500  # in an answer
_AT_ONCE = 4  # threads that all open pages share; the API's own are not touched

Told = dict[str, Any]
Older = Callable[[str, str], list[Line]]


@dataclass(frozen=True)
class Parts:
    """What the page reads. The functions are called in threads, at most once in `_FRESH` seconds.

    about: region, account, ports, home, … (see `localcloud.page.about`)
    events: the events last published, the newest first
    trouble: the rules of trouble that are in force
    older: lines of a source that was silent since the cloud started, from CloudWatch Logs; their
    numbers are 0
    """

    series: Series
    tail: Tail
    about: Callable[[], Told]
    events: Callable[[], list[Told]] = lambda: []
    trouble: Callable[[], list[Told]] = lambda: []
    older: Older = lambda group, name: []


def routes(parts: Parts) -> list[BaseRoute]:
    """For `build_app(routes=…)`, whose store they read."""
    page = _Page(parts)
    paths = {"/": "page.html", "/favicon.ico": "page.svg"}
    paths |= {f"/_pigeonhole/{n}": n for n in ("page.css", "page.js", "tree.js", "page.svg")}
    found: list[BaseRoute] = [
        Route(path, guarded(_file(_FILES / name)), methods=["GET"]) for path, name in paths.items()
    ]
    found.append(Route("/_pigeonhole/state", guarded(page.state), methods=["GET"]))
    found.append(Route("/_pigeonhole/logs", guarded(page.logs), methods=["GET"]))
    return found


class _Page:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._limiter: CapacityLimiter | None = None
        self._lock = threading.Lock()
        self._built: float | None = None
        self._seen: object = None
        self._told: Told = {}
        self._body, self._etag = b"", ""

    async def state(self, request: Request) -> Response:
        store = request.app.state.cloud.store
        body, etag = await self._in_thread(lambda: self._state(store))
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def logs(self, request: Request) -> Response:
        asked = request.query_params
        try:
            after = int(asked.get("after", "0"))
        except ValueError:
            after = -1
        if after < 0 or not asked.get("group") or not asked.get("name"):
            message = "group, name and after (a line's number, 0 at first) are wanted"
            return JSONResponse({"error": "bad_request", "message": message}, status_code=400)
        told = await self._in_thread(lambda: self._logs(asked["group"], asked["name"], after))
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    def _state(self, store: Store) -> tuple[bytes, str]:
        snapshot = Snapshot(store, self._parts.series, self._parts.tail)
        with self._lock:
            now = time.monotonic()
            if self._built is None or now - self._built >= _FRESH:
                seen = snapshot.version
                if seen != self._seen:
                    self._told, self._seen = snapshot(), seen
                told = {
                    "format": FORMAT,
                    "cloud": self._parts.about(),
                    **self._told,
                    "events": self._parts.events(),
                    "trouble": self._parts.trouble(),
                }
                self._body = json.dumps(told, separators=(",", ":")).encode()
                self._etag = f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'
                self._built = now
            return self._body, self._etag

    def _logs(self, group: str, name: str, after: int) -> Told:
        tail = self._parts.tail
        last = tail.number
        lines = tail.lines(group, name, after, _MOST_LINES)
        running = tail.open_streams(group, name)
        older = self._parts.older(group, name) if after == 0 and not lines else []
        return {
            "format": FORMAT,
            "lines": [
                {"number": line.number, "at": line.at, "stream": line.stream, "text": line.text}
                for line in (*older[-_MOST_LINES:], *lines)
            ],
            "next": lines[-1].number if lines else max(after, last),
            "containers": [{"stream": s.name, "since": s.since} for s in running],
        }

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        if self._limiter is None:
            self._limiter = CapacityLimiter(_AT_ONCE)
        return await to_thread.run_sync(work, limiter=self._limiter)


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    """Read once: the page of a running cloud does not change under its JSON."""
    content, media_type = path.read_bytes(), _MEDIA_TYPES[path.suffix]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    async def answer(request: Request) -> Response:
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return answer
