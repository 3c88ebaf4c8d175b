"""The store: one change at a time, whole or not at all, and still there afterwards."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.sagemaker.store import Kind, NameTaken, Resource, Store


def resource(name: str = "m", **state: object) -> Resource:
    return Resource(Kind.MODEL, name, f"arn:{name}", "New", 1.0, 1.0, {"A": 1}, dict(state))


def test_resources_and_tags_survive_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.db"
    store = Store(path)
    store.add(resource(seen=True), {"k": "v"})
    again = Store(path)  # the first is still open, as after a kill
    assert again.get(Kind.MODEL, "m") == resource(seen=True)
    assert again.by_arn("arn:m") == resource(seen=True)
    assert again.tags("arn:m") == {"k": "v"}


def test_a_name_is_taken_once_a_kind() -> None:
    store = Store(":memory:")
    store.add(resource())
    with pytest.raises(NameTaken) as caught:
        store.add(resource())
    assert caught.value.existing == resource()
    store.add(replace(resource(), kind=Kind.ENDPOINT, arn="arn:other"))


def test_a_failing_transaction_changes_nothing() -> None:
    store = Store(":memory:")

    def fail() -> None:
        with store.transaction():
            store.add(resource(), {"k": "v"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.get(Kind.MODEL, "m") is None
    assert store.tags("arn:m") == {}


def test_changes_from_many_threads_are_not_lost() -> None:
    store = Store(":memory:")
    store.add(resource(count=0))

    def count() -> None:
        for _ in range(50):
            store.change(Kind.MODEL, "m", lambda r: r.with_state(count=r.state["count"] + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.get(Kind.MODEL, "m")
    assert found is not None
    assert found.state["count"] == 200


def test_change_of_nothing_and_to_nothing() -> None:
    store = Store(":memory:")
    assert store.change(Kind.MODEL, "m", lambda r: r) is None
    store.add(resource())
    assert store.change(Kind.MODEL, "m", lambda r: None) is None
    assert store.get(Kind.MODEL, "m") == resource()


def test_delete_takes_the_tags_along() -> None:
    store = Store(":memory:")
    store.add(resource(), {"k": "v"})
    assert store.delete(Kind.MODEL, "m")
    assert store.tags("arn:m") == {}
    assert not store.delete(Kind.MODEL, "m")


def test_view_hides_what_is_internal() -> None:
    shown = replace(resource(_secret=1, Shown=2), request={"Tags": [], "A": 1}).view
    assert shown == {"A": 1, "Shown": 2}
