"""The record of a version: all that ever happened to it, in S3.

`reports/<dataset>/history/<version>.json`:

    {"format": 1, "dataset", "version", "past": {what the item noted of it}, "events": [ … ]}

The item keeps the newest events of the newest versions alone. What leaves it has been written here
first, from what the item held already: nothing stands here that did not happen, and nothing gets
lost. An item that is lost gets its memory back from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chalicelib import names
from chalicelib.aws.storage import Storage
from chalicelib.datasets.history.timeline import KEPT, Event, merged
from chalicelib.datasets.state import Past, State
from chalicelib.errors import ObjectChanged, ObjectNotFound

TRIES = 4


@dataclass(frozen=True)
class Record:
    """What is known of a version; `past.events` are all of them."""

    version: str
    past: Past


def write(storage: Storage, dataset: str, version: str, past: Past) -> None:
    """Add what the item holds to the version's record. Again, it changes nothing.

    Raises ObjectChanged when others write it again and again.
    """
    key = names.history_key(dataset, version)
    for last in range(TRIES - 1, -1, -1):
        etag, known = _held(storage, key)
        events = merged(known, past.events)
        document = {
            "format": 1,
            "dataset": dataset,
            "version": version,
            "past": {n: v for n, v in asdict(past).items() if n != "events"},
            "events": [event.to_json() for event in events],
        }
        try:
            storage.put_json_over(key, document, etag)
        except ObjectChanged:
            if not last:
                raise
        else:
            return


def read(storage: Storage, dataset: str, version: str) -> Record | None:
    """The version's record, or None."""
    try:
        raw = storage.get_json(names.history_key(dataset, version))
        return _parsed(raw)
    except (ObjectNotFound, ValueError, KeyError, TypeError, AttributeError):
        return None


def newest(storage: Storage, dataset: str) -> list[str]:
    """The versions that have a record, the one last written first."""
    prefix = names.history_prefix(dataset)
    found = sorted(storage.list(prefix), key=lambda stored: stored.last_modified, reverse=True)
    return [stored.key.removeprefix(prefix).removesuffix(".json") for stored in found]


def recalled(storage: Storage, state: State, version: str) -> State:
    """The state with what is known of a version that it forgot, if it ever knew it."""
    if version in state.past:
        return state
    record = read(storage, state.dataset, version)
    if record is None or record.version != version:
        return state
    past = replace(record.past, events=record.past.events[-KEPT:])
    return replace(state, past={**state.past, version: past})


def whole(record: Record | None, past: Past | None) -> Past:
    """What the item and the record say of a version together; the item is newer."""
    if record is None:
        return past or Past()
    if past is None:
        return record.past
    return replace(past, events=merged(record.past.events, past.events))


def _held(storage: Storage, key: str) -> tuple[str | None, tuple[Event, ...]]:
    """The record's ETag and events; a record that cannot be read is written anew."""
    stored = storage.head(key)
    if stored is None:
        return None, ()
    try:
        record = _parsed(storage.get_json(key))
    except (ObjectNotFound, ValueError, KeyError, TypeError, AttributeError):
        return stored.etag, ()
    return stored.etag, record.past.events


def _parsed(raw: Mapping[str, Any]) -> Record:
    past = Past.from_json({**raw["past"], "events": raw["events"]})
    return Record(str(raw["version"]), past)
