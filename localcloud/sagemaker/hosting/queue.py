"""The queue of asynchronous invocations: one SQLite file, so that a kill -9 loses none.

    request   one row a request that is not done: its order, endpoint, times (epoch seconds), what
              to send and where the answer goes; `taken` while a container works on it

What was taken when the process died is taken again: a request is carried out at least once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass, fields, replace
from pathlib import Path


@dataclass(frozen=True)
class AsyncRequest:
    """One asynchronous invocation.

    number: its place in the queue; 0 before it has one
    ttl, timeout: seconds in the queue, seconds with the container
    input: s3:// URI; empty when `body` holds the payload
    output, failure: s3:// URIs; `failure` is empty when failures are not kept
    """

    endpoint: str
    inference_id: str
    received: float
    ttl: float
    timeout: float
    input: str
    output: str
    failure: str
    content_type: str
    accept: str
    custom_attributes: str
    body: bytes | None = None
    number: int = 0


_COLUMNS = [field.name for field in fields(AsyncRequest) if field.name != "number"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY AUTOINCREMENT, taken INTEGER NOT NULL DEFAULT 0,
    endpoint TEXT NOT NULL, inference_id TEXT NOT NULL, received REAL NOT NULL, ttl REAL NOT NULL,
    timeout REAL NOT NULL, input TEXT NOT NULL, output TEXT NOT NULL, failure TEXT NOT NULL,
    content_type TEXT NOT NULL, accept TEXT NOT NULL, custom_attributes TEXT NOT NULL, body BLOB
);
CREATE INDEX IF NOT EXISTS request_endpoint ON request (endpoint, taken, number);
"""


class AsyncQueue:
    """Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("UPDATE request SET taken = 0")

    def put(self, request: AsyncRequest) -> AsyncRequest:
        """Add a request; it is safe on disk when this returns, with its number."""
        marks = ", ".join("?" * len(_COLUMNS))
        values = [getattr(request, name) for name in _COLUMNS]
        with self._lock:
            done = self._db.execute(
                f"INSERT INTO request ({', '.join(_COLUMNS)}) VALUES ({marks})", values
            )
            return replace(request, number=int(done.lastrowid or 0))

    def take(self, endpoint: str) -> AsyncRequest | None:
        """The oldest request that waits, which does so no more."""
        return self._take("endpoint = ?", endpoint)

    def take_expired(self, endpoint: str, now: float) -> AsyncRequest | None:
        """The same for one that has waited longer than it may."""
        return self._take("endpoint = ? AND received + ttl < ?", endpoint, now)

    def _take(self, where: str, *values: str | float) -> AsyncRequest | None:
        with self._lock:
            rows = self._db.execute(
                "UPDATE request SET taken = 1 WHERE number = (SELECT number FROM request "
                f"WHERE taken = 0 AND {where} ORDER BY number LIMIT 1) "
                f"RETURNING {', '.join(_COLUMNS)}, number",
                values,
            ).fetchall()
        return AsyncRequest(*rows[0]) if rows else None

    def put_back(self, request: AsyncRequest) -> None:
        """It waits again, at its old place."""
        with self._lock:
            self._db.execute("UPDATE request SET taken = 0 WHERE number = ?", (request.number,))

    def done(self, request: AsyncRequest) -> None:
        """The request is done and told of; not recorded after `close`: it is done again then."""
        with self._lock, contextlib.suppress(sqlite3.ProgrammingError):
            self._db.execute("DELETE FROM request WHERE number = ?", (request.number,))

    def forget(self, endpoint: str) -> None:
        """The endpoint is gone, and its requests with it."""
        with self._lock:
            self._db.execute("DELETE FROM request WHERE endpoint = ?", (endpoint,))

    def backlog(self, endpoint: str) -> tuple[int, float | None]:
        """How many requests wait or are worked on, and when the oldest came."""
        with self._lock:
            count, oldest = self._db.execute(
                "SELECT count(*), min(received) FROM request WHERE endpoint = ?", (endpoint,)
            ).fetchone()
        return int(count), oldest

    def close(self) -> None:
        """Close the file; nothing works after that."""
        with self._lock:
            self._db.close()
