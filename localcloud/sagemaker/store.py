"""The state of SageMaker: one SQLite file.

    resource   one row a resource: kind, name, arn, status, times (epoch seconds), the request that
    made it
               (JSON, as validated) and what SageMaker added since (JSON; names with "_" are not
               shown)
    tag        one row a tag of an ARN

All writes go through one lock and one connection, each in a transaction: a kill -9 leaves the
state before or after a change, never between.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """Kinds of resources, as their ARNs spell them."""

    TRAINING_JOB = "training-job"
    TRANSFORM_JOB = "transform-job"
    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    MODEL_PACKAGE_GROUP = "model-package-group"
    MODEL_PACKAGE = "model-package"
    TUNING_JOB = "hyper-parameter-tuning-job"


@dataclass(frozen=True)
class Resource:
    """One resource. `request` is what it was made from, `state` what has become of it since."""

    kind: Kind
    name: str
    arn: str
    status: str
    created: float
    modified: float
    request: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def with_state(self, **changes: Any) -> Resource:
        """A copy with these members of `state` set; None removes one."""
        state = {**self.state, **changes}
        return replace(self, state={k: v for k, v in state.items() if v is not None})

    @property
    def view(self) -> dict[str, Any]:
        """The request and the state as a Describe call shows them (no tags, nothing internal)."""
        shown = {**self.request, **self.state}
        return {k: v for k, v in shown.items() if not k.startswith("_") and k != "Tags"}


class NameTaken(Exception):
    """A resource of this kind and name exists: `existing`."""

    def __init__(self, existing: Resource) -> None:
        super().__init__(existing.arn)
        self.existing = existing


_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    kind TEXT NOT NULL, name TEXT NOT NULL, arn TEXT NOT NULL, status TEXT NOT NULL,
    created REAL NOT NULL, modified REAL NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS resource_arn ON resource (arn);
CREATE INDEX IF NOT EXISTS resource_created ON resource (kind, created, status);
CREATE TABLE IF NOT EXISTS tag (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
) WITHOUT ROWID;
"""
_COLUMNS = "kind, name, arn, status, created, modified, request, state"


class Store:
    """Resources and tags; safe to use from any thread."""

    def __init__(self, path: Path | str) -> None:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # Survives the death of the process, which is what is promised; not that of the power.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; nothing works after that."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls as one change; may be nested."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def add(self, resource: Resource, tags: Mapping[str, str] | None = None) -> None:
        """Raises NameTaken when the kind has the name already."""
        with self.transaction():
            existing = self.get(resource.kind, resource.name)
            if existing is not None:
                raise NameTaken(existing)
            self._write("INSERT", resource)
            self.set_tags(resource.arn, tags or {})

    def get(self, kind: Kind, name: str) -> Resource | None:
        """The resource, or None."""
        return self._one("kind = ? AND name = ?", kind, name)

    def by_arn(self, arn: str) -> Resource | None:
        """The resource, or None."""
        return self._one("arn = ?", arn)

    def all(self, kind: Kind, *statuses: str) -> list[Resource]:
        """All resources of a kind, those in these statuses when any are given; by name."""
        where, values = "kind = ?", [str(kind)]
        if statuses:
            where += f" AND status IN ({', '.join('?' * len(statuses))})"
            values += statuses
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM resource WHERE {where} ORDER BY name", values
            ).fetchall()
        return [_resource(row) for row in rows]

    @property
    def version(self) -> int:
        """Changes with every write of this process, so that readers can tell "nothing new"."""
        with self._lock:
            return self._db.total_changes

    def newest(self, kind: Kind, limit: int) -> list[Resource]:
        """The resources of a kind that were made last, the newest first."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM resource WHERE kind = ? "
                "ORDER BY created DESC, name DESC LIMIT ?",
                (kind, limit),
            ).fetchall()
        return [_resource(row) for row in rows]

    def counts(self) -> dict[Kind, dict[str, int]]:
        """How many resources there are of each kind, by status."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, status, count(*) FROM resource GROUP BY kind, status"
            ).fetchall()
        found: dict[Kind, dict[str, int]] = {}
        for kind, status, count in rows:
            found.setdefault(Kind(kind), {})[status] = count
        return found

    def starting(self, kind: Kind, prefix: str) -> list[Resource]:
        """All resources of a kind whose names begin with an ASCII `prefix`; by name."""
        where = "kind = ? AND name >= ? AND name < ?"
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM resource WHERE {where} ORDER BY name",
                (str(kind), prefix, after),
            ).fetchall()
        return [_resource(row) for row in rows]

    def change(
        self, kind: Kind, name: str, change: Callable[[Resource], Resource | None]
    ) -> Resource | None:
        """Replace a resource by what `change` makes of it, in one transaction.

        Returns the new resource; None when there is no such resource or `change` returned None (no
        change).
        """
        with self.transaction():
            current = self.get(kind, name)
            changed = change(current) if current is not None else None
            if changed is not None:
                self._write("REPLACE", changed)
            return changed

    def delete(self, kind: Kind, name: str) -> bool:
        """Remove a resource and its tags; says whether it was there."""
        with self.transaction():
            existing = self.get(kind, name)
            if existing is None:
                return False
            self._db.execute("DELETE FROM resource WHERE kind = ? AND name = ?", (kind, name))
            self._db.execute("DELETE FROM tag WHERE arn = ?", (existing.arn,))
            return True

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of an ARN, in order of their keys."""
        with self._lock:
            rows = self._db.execute("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,))
            return dict(rows.fetchall())

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        with self.transaction():
            self._db.executemany(
                "REPLACE INTO tag (arn, key, value) VALUES (?, ?, ?)",
                [(arn, key, value) for key, value in tags.items()],
            )

    def remove_tags(self, arn: str, keys: Sequence[str]) -> None:
        """Remove tags; keys that are not there are no error."""
        with self.transaction():
            self._db.executemany(
                "DELETE FROM tag WHERE arn = ? AND key = ?", [(arn, key) for key in keys]
            )

    def _one(self, where: str, *values: str) -> Resource | None:
        with self._lock:
            row = self._db.execute(
                f"SELECT {_COLUMNS} FROM resource WHERE {where}", values
            ).fetchone()
        return _resource(row) if row else None

    def _write(self, verb: str, resource: Resource) -> None:
        self._db.execute(
            f"{verb} INTO resource ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                resource.kind,
                resource.name,
                resource.arn,
                resource.status,
                resource.created,
                resource.modified,
                json.dumps(resource.request),
                json.dumps(resource.state),
            ),
        )


def _resource(row: tuple[Any, ...]) -> Resource:
    kind, name, arn, status, created, modified, request, state = row
    return Resource(
        Kind(kind), name, arn, status, created, modified, json.loads(request), json.loads(state)
    )
