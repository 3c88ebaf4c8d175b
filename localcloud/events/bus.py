"""EventBridge's default bus for our SageMaker.

PutEvents refuses sources that begin with `aws.`, so events go to the rules' targets by public
APIs: list the enabled rules, ask TestEventPattern, send. As EventBridge does, at least once and
with retries for 24 hours; what is meant for a queue or function that does not exist goes to the
target's dead-letter queue at once (EventBridge user guide, eb-rule-dlq). An event is in SQLite
before `publish` returns, and each delivery until it succeeded: a kill -9 loses none. Trouble on
demand (`localcloud.trouble`) makes events come twice, late, out of order or never.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients
from localcloud.events.history import History, Published
from localcloud.events.targets import Targets, Undeliverable, is_missing
from localcloud.ports import Hitch, Trouble

_log = logging.getLogger(__name__)

SOURCE = "aws.sagemaker"
_MOST_AGE = 24 * 3600.0  # seconds, and the most attempts: EventBridge's default RetryPolicy
_MOST_ATTEMPTS = 185
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0

_TABLES = """
create table if not exists events (
    number integer primary key, body text not null, due real not null, attempts integer not null);
create table if not exists deliveries (
    number integer primary key, target text not null, body text not null,
    created real not null, due real not null, attempts integer not null);
create table if not exists held (
    number integer primary key, type text not null, body text not null, due real not null);
"""


@dataclass(frozen=True)
class _Delivery:
    number: int
    target: dict[str, Any]
    body: str
    created: float
    attempts: int


class EventBus:
    """`localcloud.ports.Events` on MiniStack's rules. Call `start` once MiniStack answers."""

    def __init__(
        self,
        path: Path,
        clients: Clients,
        account: str,
        region: str,
        *,
        now: Callable[[], float] = time.time,
        trouble: Trouble | None = None,
    ) -> None:
        self._account = account
        self._region = region
        self._now = now
        self._trouble = trouble
        self._rules = clients("events")
        self._targets = Targets(clients)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.executescript(_TABLES)
        self._history = History(self._db)
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def publish(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        """Take the event; delivery is asynchronous and survives a kill."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": SOURCE,
            "account": self._account,
            "time": datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": resources,
            "detail": detail,
        }
        self._keep(event)
        self._wake.set()

    def recent(self, limit: int = 100) -> list[Published]:
        """The last events and what became of them, newest first (the last 500 are kept)."""
        with self._lock:
            return self._history.recent(limit)

    def _keep(self, event: dict[str, Any]) -> None:
        """Write the event down, with the trouble that is due for it."""
        kind, now, body = event["detail-type"], self._now(), json.dumps(event)
        # As its type, or as its type and the resource's name: rules may mean either.
        names = (kind, *(f"{kind} {arn.partition('/')[2]}" for arn in event["resources"]))
        never = self._due("never", names)
        twice = None if never else self._due("twice", names)
        late = None if never else self._due("late", names)
        swapped = None if never else self._due("reorder", names)
        words = {"never": never, "twice": twice, "late": late, "out of order": swapped}
        trouble = ", ".join(word for word, hitch in words.items() if hitch)
        due = now + late.seconds if late else 0.0
        with self._lock, self._db:
            self._db.execute("begin")
            self._history.published(event["id"], body, now, trouble)
            if swapped:
                self._db.execute(
                    "insert into held values (null, ?, ?, ?)",
                    [kind, body, max(due, now) + swapped.seconds],
                )
            elif not never:
                self._db.execute("insert into events values (null, ?, ?, 0)", [body, due])
            if twice:
                self._db.execute("insert into events values (null, ?, ?, 0)", [body, due])

    def _due(self, what: str, names: tuple[str, ...]) -> Hitch | None:
        return self._trouble.next(f"events-{what}", *names) if self._trouble else None

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def close(self) -> None:
        """End; what was not delivered is on the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._db.close()

    def waiting(self) -> int:
        """How many events and deliveries are still to be made."""
        with self._lock:
            (number,) = self._db.execute(
                "select (select count(*) from events) + (select count(*) from deliveries)"
                " + (select count(*) from held)"
            ).fetchone()
        return int(number)

    def retrying(self) -> int:
        """How many deliveries failed and are tried again."""
        with self._lock:
            (number,) = self._db.execute(
                "select count(*) from deliveries where attempts > 0"
            ).fetchone()
        return int(number)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                self._route()
                self._deliver()
            except Exception:  # the thread must live: what failed is still in the database
                _log.exception("events were not delivered")
                self._closing.wait(1)
            self._wake.wait(self._pause())

    def _pause(self) -> float | None:
        """Seconds until something is due; None while nothing waits."""
        with self._lock:
            (due,) = self._db.execute(
                "select min(due) from (select due from events union all select due from deliveries"
                " union all select due from held)"
            ).fetchone()
        return None if due is None else max(0.0, due - self._now())

    def _route(self) -> None:
        """Turn each new event into one delivery for each target of each rule that it matches."""
        self._release("due <= ?", self._now())
        with self._lock:
            found = self._db.execute(
                "select number, body, attempts from events where due <= ? order by number",
                [self._now()],
            ).fetchall()
        if not found:
            return
        try:
            rules = list(self._enabled_rules())
        except (BotoCoreError, ClientError) as error:
            self._later(found, error)
            return
        for row in found:
            number, body, _ = row
            try:
                targets = [target for rule in rules for target in self._matching(rule, body)]
            except (BotoCoreError, ClientError) as error:
                self._later([row], error)
                continue
            now = self._now()
            with self._lock, self._db:  # one transaction, rolled back when a statement fails
                self._db.execute("begin")
                self._db.executemany(
                    "insert into deliveries values (null, ?, ?, ?, 0, 0)",
                    [(json.dumps(target), body, now) for target in targets],
                )
                self._db.execute("delete from events where number = ?", [number])
            # Those that were held until the next one of their type: now they come after it.
            self._release("type = ?", json.loads(body)["detail-type"])

    def _release(self, where: str, value: object) -> None:
        """Move held events to the end of the queue."""
        with self._lock, self._db:
            self._db.execute("begin")
            self._db.execute(
                f"insert into events select null, body, 0, 0 from held where {where} "
                "order by number",
                [value],
            )
            self._db.execute(f"delete from held where {where}", [value])

    def _later(self, rows: list[tuple[int, str, int]], error: Exception) -> None:
        _log.warning("EventBridge's rules could not be read: %s", error)
        with self._lock:
            for number, _, attempts in rows:
                self._db.execute(
                    "update events set attempts = attempts + 1, due = ? where number = ?",
                    [self._now() + backoff(attempts), number],
                )

    def _enabled_rules(self) -> Iterator[dict[str, Any]]:
        for page in self._rules.get_paginator("list_rules").paginate():
            for rule in page["Rules"]:
                if rule.get("State") != "DISABLED" and rule.get("EventPattern"):
                    yield rule

    def _matching(self, rule: dict[str, Any], body: str) -> list[dict[str, Any]]:
        pattern = rule["EventPattern"]
        if is_of_another_service(pattern):
            return []  # spares the call
        try:
            matches = self._rules.test_event_pattern(EventPattern=pattern, Event=body)["Result"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidEventPatternException":
                raise
            return []
        if not matches:
            return []
        targets: list[dict[str, Any]] = []
        for page in self._rules.get_paginator("list_targets_by_rule").paginate(Rule=rule["Name"]):
            targets += page["Targets"]
        return targets

    def _deliver(self) -> None:
        with self._lock:
            rows = self._db.execute(
                "select number, target, body, created, attempts from deliveries "
                "where due <= ? order by number",
                [self._now()],
            ).fetchall()
        for number, target, body, created, attempts in rows:
            if self._closing.is_set():
                return
            self._attempt(_Delivery(number, json.loads(target), body, created, attempts))

    def _attempt(self, delivery: _Delivery) -> None:
        arn = delivery.target["Arn"]
        try:
            self._targets.send(delivery.target, json.loads(delivery.body))
        except Undeliverable as error:
            self._targets.complain(str(error))
            self._done(delivery, f"refused: {error}")
        except (BotoCoreError, ClientError) as error:
            policy = delivery.target.get("RetryPolicy") or {}
            age = self._now() - delivery.created
            if (
                is_missing(error)
                or delivery.attempts >= policy.get("MaximumRetryAttempts", _MOST_ATTEMPTS)
                or age >= policy.get("MaximumEventAgeInSeconds", _MOST_AGE)
            ):  # fmt: skip
                _log.error("event given up for %s: %s", arn, error)
                self._targets.dead_letter(delivery.target, delivery.body)
                self._done(delivery, f"given up: {error}")
                return
            if delivery.attempts == 0:
                _log.warning("event for %s is tried again: %s", arn, error)
            with self._lock:
                self._db.execute(
                    "update deliveries set attempts = attempts + 1, due = ? where number = ?",
                    [self._now() + backoff(delivery.attempts), delivery.number],
                )
                self._note(delivery, f"failed: {error}")
        else:
            self._done(delivery, "delivered")

    def _note(self, delivery: _Delivery, outcome: str) -> None:
        identity = json.loads(delivery.body)["id"]
        self._history.outcome(identity, delivery.target["Arn"], self._now(), outcome)

    def _done(self, delivery: _Delivery, outcome: str) -> None:
        with self._lock:
            self._note(delivery, outcome)
            self._db.execute("delete from deliveries where number = ?", [delivery.number])


def is_of_another_service(pattern: str) -> bool:
    """Whether a rule's pattern lists its sources by name and SageMaker is none of them."""
    try:
        sources = json.loads(pattern).get("source")
    except (ValueError, AttributeError):
        return False  # TestEventPattern says what is wrong with it
    names = isinstance(sources, list) and all(isinstance(source, str) for source in sources)
    return names and SOURCE not in sources


def backoff(attempts: int) -> float:
    """Seconds before the next attempt after `attempts` earlier ones and this one failed."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts, 20)))
