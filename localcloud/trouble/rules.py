"""Which trouble is due for whom, and how often.

The rules lie in one SQLite file that several processes share: SageMaker's and MiniStack's. Each has
a copy in memory and knows it to be out of date by a mark in a mapped file beside it, so that a
call without rules costs a comparison, and a rule is in force everywhere when `add` returns. Uses
are counted in the file alone: a rule for one call strikes one call, whoever gets it, and not again
after a kill -9.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path

from localcloud.ports import Hitch
from localcloud.trouble.callers import is_for
from localcloud.trouble.kinds import Rule

_SCHEMA = """
create table if not exists rules (
    number integer primary key autoincrement, kind text not null, pattern text not null,
    times integer, seconds real not null, message text not null, by text not null,
    "when" text not null, skip integer not null, about text not null default '',
    used integer not null);
"""
_ADDED = {"about": "text not null default ''"}  # columns that older files lack
_LARGEST = 2**63 - 1  # of SQLite's numbers
_COLUMNS = 'kind, pattern, times, seconds, message, by, "when", skip, about, number, used'


class Rules:
    """`localcloud.ports.Trouble`: the rules in force, the oldest first. Safe from any thread."""

    def __init__(self, path: Path | None = None) -> None:
        """path: the SQLite file; None: in memory, for this process alone."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)
        known = {row[1] for row in self._db.execute("pragma table_info(rules)")}
        for column, kind in _ADDED.items():
            if column not in known:
                self._db.execute(f"alter table rules add column {column} {kind}")
        # Opening it tells: a process that was killed may have written and not told.
        self._changes = _Changes(path.with_name(f"{path.name}-changes") if path else None)
        self._copy: tuple[bytes, list[Rule]] = (b"", [])

    def close(self) -> None:
        """Close the file; nothing works after that."""
        with self._lock:
            self._db.close()

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force; returns it with its number and its kind's defaults.

        Raises BadRule.
        """
        values = asdict(rule.whole())
        del values["number"]
        values["used"] = 0
        names = ", ".join(f'"{name}"' for name in values)
        with self._lock:
            number = self._db.execute(
                f"insert into rules ({names}) values ({', '.join('?' * len(values))})",
                list(values.values()),
            ).lastrowid
        self._changes.tell()
        return Rule(**values, number=number or 0)

    def all(self) -> list[Rule]:
        """The rules in force, with how often each is still to strike and has struck."""
        with self._lock:
            return self._read()

    def clear(self, number: int | None = None) -> int:
        """End one rule, or all; returns how many ended."""
        if number is not None and number > _LARGEST:
            return 0
        with self._lock:
            ended = self._db.execute(
                "delete from rules where ?1 is null or number = ?1", [number]
            ).rowcount
        self._changes.tell()
        return ended

    def any(self, *kinds: str) -> bool:
        """Whether a rule of one of these kinds is in force."""
        return any(rule.kind in kinds for rule in self._current())

    def any_about(self) -> bool:
        """Whether a rule is in force for which a call's text must be known."""
        return any(rule.about for rule in self._current())

    def next(
        self,
        kind: str,
        subject: str,
        *also: str,
        caller: Callable[[], str] | None = None,
        text: Callable[[], str] | None = None,
    ) -> Hitch | None:
        """The trouble that is due for `subject` (or under one of its other names), counted as used.

        caller: gives the ARN of who calls, for rules that are for some only
        text: gives what the call says, for rules that are about something only
        """
        for rule in self._current():
            if _means(rule, kind, (subject, *also), caller, text) and self._use(rule.number):
                return Hitch(kind, rule.seconds or 0.0, rule.message, rule.when, rule.number)
        return None

    def meant(
        self,
        kind: str,
        subject: str,
        *also: str,
        caller: Callable[[], str] | None = None,
        text: Callable[[], str] | None = None,
    ) -> bool:
        """Whether a rule names the subject, which it may still spare. Counts nothing."""
        return any(_means(rule, kind, (subject, *also), caller, text) for rule in self._current())

    def _current(self) -> list[Rule]:
        mark = self._changes.now()
        seen, rules = self._copy
        if mark == seen:
            return rules
        with self._lock:
            rules = self._read()
        # The mark of before: what changed while it was read is read again the next time.
        self._copy = (mark, rules)
        return rules

    def _read(self) -> list[Rule]:
        rows = self._db.execute(f"select {_COLUMNS} from rules order by number").fetchall()
        return [Rule(*row) for row in rows]

    def _use(self, number: int) -> bool:
        """Count one use; False when the rule is gone, or spares this subject."""
        with self._lock, self._db:
            self._db.execute("begin immediate")
            row = self._db.execute(
                f"select {_COLUMNS} from rules where number = ?", [number]
            ).fetchone()
            rule = Rule(*row) if row else None
            if rule is not None and rule.skip:
                left = replace(rule, skip=rule.skip - 1)
            elif rule is not None:
                times = rule.times if rule.times is None else rule.times - 1
                left = replace(rule, times=times, used=rule.used + 1)
            if rule is not None and left.times == 0:
                self._db.execute("delete from rules where number = ?", [number])
            elif rule is not None:
                self._db.execute(
                    "update rules set times = ?, skip = ?, used = ? where number = ?",
                    [left.times, left.skip, left.used, number],
                )
        self._changes.tell()
        return rule is not None and not rule.skip


def _means(
    rule: Rule,
    kind: str,
    names: tuple[str, ...],
    caller: Callable[[], str] | None,
    text: Callable[[], str] | None,
) -> bool:
    return (
        rule.kind == kind
        and any(fnmatchcase(name, rule.pattern) for name in names)
        and (not rule.about or (text is not None and rule.about in text()))
        and (rule.by == "*" or (caller is not None and is_for(rule.by, caller())))
    )


class _Changes:
    """A mark that differs after every change of the rules, seen by every process at once."""

    _SIZE = 8

    def __init__(self, path: Path | None) -> None:
        self._mark: mmap.mmap | bytearray = bytearray(self._SIZE)
        if path is not None:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Written rather than truncated: a full disk is an error now, not a signal later.
                os.pwrite(handle, os.urandom(self._SIZE), 0)
                self._mark = mmap.mmap(handle, self._SIZE)
            finally:
                os.close(handle)

    def now(self) -> bytes:
        return bytes(self._mark[:])

    def tell(self) -> None:
        # Not a count: two processes that count at once would make one change of two.
        self._mark[:] = os.urandom(self._SIZE)
