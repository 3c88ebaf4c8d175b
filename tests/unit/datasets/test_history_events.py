"""Which events a write of the item tells, and how they are kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.datasets.history import history
from chalicelib.datasets.history.timeline import Event, Kind, merged, shorten
from chalicelib.datasets.hosting.live import Change, Left, Why
from chalicelib.datasets.state import Champion, Outcome, Past, Phase, State
from tests.unit.datasets.world import DATASET, World, good

AT = "2026-11-21T10:00:00+00:00"
LARGEST_ITEM = 400 * 1024  # DynamoDB
LARGEST_ANSWER = 6 << 20  # Lambda


def champion(version: str) -> Champion:
    return Champion(version, f"job-{version}", f"arn-{version}", 0.9, AT)


def told(before: State, after: State) -> list[tuple[str, str, str | None]]:
    return [
        (version, event.kind, event.by)
        for version, event in history.events(before, after, AT, "code")
    ]


def test_a_rollback_is_no_replacement_and_the_run_behind_it_is_not_told_twice() -> None:
    live = State(
        DATASET,
        phase=Phase.PENDING_APPROVAL,
        outcome=Outcome.PENDING_APPROVAL,
        version="c",
        champion=champion("b"),
        awaits="model",
    )
    change = Change(
        Why.ROLLBACK, "a", "job-a", "anna", "too many bags", AT, (Left("b", "job-b", "arn-b"),)
    )
    asked = replace(live, phase=Phase.VERIFYING, settled=False, outcome=None, change=change)
    asked = replace(asked, version="a", awaits=None)
    assert told(live, asked) == [("a", "RollbackAsked", "anna")]
    over = replace(live, champion=champion("a"), change=replace(change, outcome="Live"))
    assert told(replace(asked, phase=Phase.DEPLOYING), over) == [
        ("a", "Live", None),
        ("b", "RolledBack", "anna"),
    ]
    failed = replace(live, change=replace(change, outcome="Failed", message="no answer"))
    assert told(asked, failed) == [("a", "Failed", None)]


def test_a_person_is_named_with_the_decision() -> None:
    waiting = State(
        DATASET,
        phase=Phase.PENDING_APPROVAL,
        outcome=Outcome.PENDING_APPROVAL,
        version="a",
        past={"a": Past(1, Outcome.PENDING_APPROVAL)},
    )
    approved = replace(
        waiting, phase=Phase.VERIFYING, settled=False, outcome=None, decided_by="anna"
    )
    assert told(waiting, approved) == [("a", "Approved", "anna")]
    turned_down = replace(waiting, decided_by="otto").settle(
        Phase.REJECTED, Outcome.REJECTED, "no", by_person=True
    )
    assert told(waiting, turned_down) == [("a", "Rejected", "otto")]


def test_events_are_merged_once_each_in_their_order() -> None:
    one, two = Event("1", Kind.TAKEN_UP), Event("2", Kind.CHECKED)
    assert merged((two,), (one, two)) == (one, two)
    assert Event.from_json(json.loads(json.dumps(two.to_json()))) == two


def test_two_of_a_kind_in_one_write_both_stay() -> None:
    g5, g4dn = (Event("1", Kind.OTHER_INSTANCES, f"no {type}") for type in ("g5", "g4dn"))
    assert merged((g5, g4dn), (g5,)) == (g5, g4dn)


def test_turning_down_a_former_champion_rolls_nothing_back() -> None:
    world = World()
    world.drop(good(1))
    world.drop(good(2))
    new, old = world.datasets.history(DATASET, 20, None)["versions"]
    world.datasets.reject(DATASET, "anna", "bags", old["version"])
    world.settle()
    told = world.datasets.version(DATASET, old["version"], str)
    assert (told["events"][-1]["kind"], told["events"][-1]["by"]) == ("Rejected", "anna")
    assert (told["decision"]["verdict"], told["decision"]["by"]) == ("rejected", "anna")
    assert told["live"][0]["ended_by"] == f"replaced by {new['jobs'][0]['training_job']}"
    last = world.notifications.sent[-1]
    assert last.subject.endswith(f"{DATASET}: a model was rejected by anna")
    assert f"Live as before: {world.jobs[1]}" in last.text


@pytest.mark.parametrize("text", ["short", "x" * 500, "很" * 500, "🎉" * 500, '"\\' * 300])
def test_texts_are_cut_by_what_json_makes_of_them(text: str) -> None:
    short = shorten(text, 400)
    assert len(json.dumps(short)) - 2 <= 400
    assert text.startswith(short.removesuffix("…"))
    assert len(text) > 400 or short == text or len(json.dumps(text)) > 402
