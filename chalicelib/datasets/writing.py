"""One write of a dataset's item, with what it tells of the dataset's history."""

from __future__ import annotations

from dataclasses import replace

from chalicelib import names
from chalicelib.aws.table import Item, Table
from chalicelib.clock import iso
from chalicelib.datasets.history import history, notices
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.state import State


def write(parts: Parts, table: Table, before: State, after: State, revision: int) -> Item:
    """Put `after` in the place of `before`, which was read at `revision` (0: no item yet).

    Events and notices come with it, so that they are there exactly if it was written. Raises
    RevisionConflict.
    """
    return table.put(
        names.dataset_id(after.dataset), stamped(parts, before, after).to_json(), revision
    )


def stamped(parts: Parts, before: State, after: State) -> State:
    """The state as it is written now."""
    now = iso(parts.clock())
    happened = history.events(before, after, now, parts.settings.code_version)
    # The sweep looks at what changed of late: that it looked is no change.
    looked = replace(before, listed_at=after.listed_at, wake_at=after.wake_at) == after
    updated = before.updated if looked and before.updated else now
    noted = history.noted(replace(after, updated=updated), happened)
    return notices.boxed(noted, notices.between(noted, happened))
