"""The last events: what was published, and when what became of it at which target."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

_KEPT = 500  # events

SCHEMA = """
create table if not exists history (
    number integer primary key autoincrement, id text not null, body text not null,
    at real not null, trouble text not null);
create table if not exists outcomes (
    id text not null, target text not null, at real not null, outcome text not null);
create index if not exists outcomes_of_event on outcomes (id);
"""


@dataclass(frozen=True)
class Delivered:
    """One attempt at one target.

    target: ARN of the queue or function
    at: seconds since 1970
    outcome: `delivered`, `failed: <why>` (tried again), `given up: <why>`, `refused: <why>` (the
    target is of a kind that is not built here)
    """

    target: str
    at: float
    outcome: str


@dataclass(frozen=True)
class Published:
    """One event.

    at: when it was published, seconds since 1970
    trouble: what was done to it on demand (`late`, `twice`, `out of order`, `never`), else empty
    """

    id: str
    detail_type: str
    resources: list[str]
    detail: dict[str, Any]
    at: float
    trouble: str
    deliveries: tuple[Delivered, ...]


class History:
    """The tables above in the bus's database; the bus's lock is held by whoever calls."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)

    def published(self, identity: str, body: str, at: float, trouble: str) -> None:
        """Remember an event, and forget the oldest."""
        number = self._db.execute(
            "insert into history (id, body, at, trouble) values (?, ?, ?, ?)",
            [identity, body, at, trouble],
        ).lastrowid
        too_old = (number or 0) - _KEPT
        if self._db.execute("delete from history where number <= ?", [too_old]).rowcount:
            self._db.execute("delete from outcomes where id not in (select id from history)")

    def outcome(self, identity: str, target: str, at: float, outcome: str) -> None:
        """Remember what became of an event at one target. Failures in a row are one line."""
        if outcome.startswith("failed"):
            self._db.execute(
                "delete from outcomes where id = ? and target = ? and outcome like 'failed%'",
                [identity, target],
            )
        self._db.execute(
            "insert into outcomes values (?, ?, ?, ?)", [identity, target, at, outcome]
        )

    def recent(self, limit: int) -> list[Published]:
        """The last events, newest first."""
        rows = self._db.execute(
            "select id, body, at, trouble from history order by number desc limit ?", [limit]
        ).fetchall()
        deliveries: dict[str, list[Delivered]] = defaultdict(list)
        for identity, target, at, outcome in self._db.execute(
            "select o.id, o.target, o.at, o.outcome from outcomes o where o.id in "
            "(select id from history order by number desc limit ?) order by o.rowid",
            [limit],
        ):
            deliveries[identity].append(Delivered(target, at, outcome))
        found = []
        for identity, body, at, trouble in rows:
            event = json.loads(body)
            found.append(
                Published(
                    identity,
                    event["detail-type"],
                    event["resources"],
                    event["detail"],
                    at,
                    trouble,
                    tuple(deliveries[identity]),
                )
            )
        return found
