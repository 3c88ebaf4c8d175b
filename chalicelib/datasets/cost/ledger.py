"""What the jobs of a month cost: one item of the table a month, changed by conditional writes.

    costs/2026-11   {"jobs": {"<job>": {"dataset", "estimated", "most", "spent", "seconds", "at"}},
                     "folded": {"<dataset>": usd}}

A job counts in the month (UTC) in which it was entered, just before it started: by the most that it
may cost until it has ended, then by what was billed. Entered twice it is one entry. Amounts are US
dollars; null where nobody knows the price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib import names
from chalicelib.aws.table import Table
from chalicelib.errors import RevisionConflict, Unavailable

TRIES = 20  # to write where others write too
MOST_ENTRIES = 1200  # an item has 400 KB at most; an entry has 280 bytes at most
KEPT_ENTRIES = 900


@dataclass(frozen=True)
class Entry:
    """A job. `spent` and `seconds` (billed, of each instance) are there once it has ended."""

    dataset: str
    estimated: float | None
    most: float | None
    at: str
    spent: float | None = None
    seconds: int | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Entry:
        """What only a newer release knows is dropped."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in raw.items() if name in known})

    @property
    def ended(self) -> bool:
        return self.seconds is not None


@dataclass(frozen=True)
class Month:
    """`folded`: what the oldest jobs cost, by dataset, where there were too many to keep each."""

    name: str
    jobs: Mapping[str, Entry] = field(default_factory=dict)
    folded: Mapping[str, float] = field(default_factory=dict)

    def spent(self, dataset: str | None = None) -> float:
        """By jobs that have ended."""
        ended = sum(e.spent or 0.0 for e in self._of(dataset) if e.ended)
        return ended + sum(u for name, u in self.folded.items() if dataset in (None, name))

    def expected(self, dataset: str | None = None, but: str | None = None) -> float:
        """Of jobs under way, by their estimates; `but` is a job that does not count."""
        return sum(e.estimated or 0.0 for e in self._of(dataset, but) if not e.ended)

    def reserved(self, dataset: str | None = None, but: str | None = None) -> float:
        """Of jobs under way, by the most that they may cost."""
        return sum(e.most or 0.0 for e in self._of(dataset, but) if not e.ended)

    def without(self, job: str) -> Month:
        return replace(self, jobs={n: e for n, e in self.jobs.items() if n != job})

    def withdrawn(self, job: str) -> Month:
        """Without a job that has not ended, since it never began."""
        return self if job in self.jobs and self.jobs[job].ended else self.without(job)

    def with_job(self, job: str, entry: Entry) -> Month:
        return replace(self, jobs={**self.jobs, job: entry}).folded_up()

    def folded_up(self) -> Month:
        """With the oldest ended jobs as sums, where there are too many."""
        if len(self.jobs) <= MOST_ENTRIES:
            return self
        ended = sorted((e.at, n) for n, e in self.jobs.items() if e.ended)
        gone = {n for _, n in ended[: len(self.jobs) - KEPT_ENTRIES]}
        folded = dict(self.folded)
        for job in gone:
            entry = self.jobs[job]
            folded[entry.dataset] = folded.get(entry.dataset, 0.0) + (entry.spent or 0.0)
        kept = {n: e for n, e in self.jobs.items() if n not in gone}
        return replace(self, jobs=kept, folded=folded)

    def _of(self, dataset: str | None, but: str | None = None) -> list[Entry]:
        return [e for n, e in self.jobs.items() if n != but and dataset in (None, e.dataset)]


def month_of(moment: datetime) -> str:
    """`2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


class Ledger:
    """The months in the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def month(self, name: str) -> Month:
        """As last written."""
        return self._read(name)[0]

    def change(self, name: str, change: Callable[[Month], Month | None]) -> Month:
        """Write what `change` makes of the month; None, or the same, and nothing is written.

        It is called again on what others wrote meanwhile. Raises Unavailable where they always do.
        """
        for _ in range(TRIES):
            month, revision = self._read(name)
            changed = change(month)
            if changed is None or changed == month:
                return month
            raw = {
                "jobs": {job: asdict(entry) for job, entry in changed.jobs.items()},
                "folded": dict(changed.folded),
            }
            try:
                self._table.put(names.costs_id(name), raw, revision)
            except RevisionConflict:
                continue
            return changed
        raise Unavailable(f"the costs of {name} are being written by too many at once")

    def _read(self, name: str) -> tuple[Month, int]:
        item = self._table.get(names.costs_id(name))
        if item is None:
            return Month(name), 0
        jobs = {job: Entry.from_json(raw) for job, raw in item.state["jobs"].items()}
        return Month(name, jobs, dict(item.state.get("folded", {}))), item.revision
