"""What the table's adapter promises: nobody writes over what he has not seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from chalicelib.aws.table import Item, Mark, Table
from chalicelib.errors import RevisionConflict

STATE = {"phase": "Live", "accuracy": 0.85, "none": None, "past": {"a": {"attempt": 1}}}


def test_an_item_comes_back_as_it_was_put(table: Table) -> None:
    assert table.get("dataset/x") is None
    put = table.put("dataset/x", STATE, 0)
    assert put == Item("dataset/x", 1, STATE)
    assert table.get("dataset/x") == put
    assert table.put("dataset/x", {"phase": "Failed"}, 1).revision == 2
    assert table.get("dataset/x") == Item("dataset/x", 2, {"phase": "Failed"})


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_another_revision_is_refused_and_changes_nothing(table: Table, revision: int) -> None:
    table.put("dataset/x", {"n": 1}, 0)
    table.put("dataset/x", {"n": 2}, 1)
    with pytest.raises(RevisionConflict):
        table.put("dataset/x", {"n": 3}, revision)
    assert table.get("dataset/x") == Item("dataset/x", 2, {"n": 2})


def test_a_revision_of_nothing_is_refused(table: Table) -> None:
    with pytest.raises(RevisionConflict):
        table.put("dataset/x", {}, 1)


def test_of_many_at_once_one_wins(table: Table) -> None:
    def put(number: int) -> bool:
        try:
            table.put("dataset/x", {"n": number}, 0)
        except RevisionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(16))) == 1


def test_items_are_sorted_and_by_prefix(table: Table) -> None:
    for id in ("dataset/b", "batch/a", "dataset/a"):
        table.put(id, {"id": id}, 0)
    assert [item.state["id"] for item in table.items("dataset/")] == ["dataset/a", "dataset/b"]


def test_what_nobody_is_reconciled_by_has_no_mark(table: Table) -> None:
    table.put("costs/2026-11", {"jobs": {}}, 0)
    table.put("dataset/a", {}, 0)
    assert [mark.id for mark in table.marks()] == ["dataset/a"]


def test_marks_say_what_the_sweep_needs_and_stay_in_step(table: Table) -> None:
    now = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    table.put("dataset/b", {"unsettled": True, "updated": now.isoformat()}, 0)
    dated = {"unsettled": False, "updated": now.isoformat(), "due": now.isoformat()}
    table.put("dataset/b", dated, 1)
    table.put("batch/a", {"unsettled": True, "updated": None}, 0)
    table.put("dataset/old", {"phase": "Live"}, 0)  # of a release that wrote no copies
    assert table.marks() == [
        Mark("batch/a", True, None),
        Mark("dataset/b", False, now, now),
        Mark("dataset/old", None, None),
    ]
