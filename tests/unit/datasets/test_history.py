"""What a dataset's history tells, and that nothing of it is lost or grows without bound."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib import names
from chalicelib.datasets.history import records
from chalicelib.datasets.history.notices import LONGEST_TEXT
from chalicelib.datasets.history.outbox import MOST, SHOWN
from chalicelib.datasets.history.timeline import KEPT, Event, Kind, shorten
from chalicelib.datasets.state import REMEMBERED, Past, State
from chalicelib.errors import Conflict, VersionNotFound
from tests.unit.datasets.world import DATASET, SETTINGS, Broken, Trained, World, csv, good

AT = "2026-11-21T10:00:00+00:00"
LARGEST_ITEM = 400 * 1024  # DynamoDB
LARGEST_ANSWER = 6 << 20  # Lambda


def kinds(world: World) -> list[str]:
    """Of the newest version."""
    newest = world.datasets.history(DATASET, 1, None)["versions"][0]["version"]
    events = world.datasets.version(DATASET, newest, str)["events"]
    return [event["kind"] for event in events]


def test_a_first_model_tells_every_step_of_its_way() -> None:
    world = World()
    world.drop(good(1))
    assert kinds(world) == [
        "TakenUp",
        "Checked",
        "JobStarted",
        "Trained",
        "Approved",
        "Verified",
        "Live",
    ]
    [job] = world.datasets.history(DATASET, 20, None)["versions"][0]["jobs"]
    assert job["training_job"] == world.jobs[0]
    assert (job["outcome"], job["code_version"]) == ("Completed", "0123456789ab")
    assert (job["preset"], job["instances"]) == ("default", "1 x ml.m5.xlarge")


def test_the_next_champion_ends_the_time_of_the_former_one() -> None:
    world = World()
    world.drop(good(1))
    world.later(3600)
    world.drop(good(2))
    new, old = world.datasets.history(DATASET, 20, None)["versions"]
    assert new["is_live"]
    assert not old["is_live"]
    [was], [now] = old["live"], new["live"]
    assert was["until"] == now["since"] > was["since"]
    assert was["ended_by"] == f"replaced by {world.jobs[1]}"
    assert now["until"] is None
    decision = new["decision"]
    assert (decision["verdict"], decision["by"]) == ("approved", "gate")
    assert (decision["compared_with"], decision["paired_rows"]) == (world.jobs[0], 1000)


def test_a_job_that_was_stopped_at_its_cap_has_ended_and_cost_something() -> None:
    world = World(settings=replace(SETTINGS, budget_job_usd=0.05))
    world.results = [Broken("", "Stopped", "MaxRuntimeExceeded")]
    world.drop(good(1))
    world.datasets.approve(DATASET, "anna")
    world.settle()
    [listed] = world.datasets.history(DATASET, 20, None)["versions"]
    assert [job["outcome"] for job in listed["jobs"]] == ["Stopped", "Completed"]
    stopped, completed = (job["usd"] for job in listed["jobs"])
    assert listed["cost"]["usd"] == pytest.approx(stopped + completed)


def test_a_retraining_that_was_rejected_does_not_speak_for_the_live_model() -> None:
    world = World()
    world.results = [Trained(accuracy=0.85), Trained(accuracy=0.7, difference=-0.1)]
    world.drop(good(1))
    world.datasets.retrain(DATASET)
    world.settle()
    [listed] = world.datasets.history(DATASET, 20, None)["versions"]
    whole = world.datasets.version(DATASET, listed["version"], str)
    assert listed["is_live"]
    for told in (listed, whole):
        assert (told["metrics"]["training_job"], told["metrics"]["accuracy"]) == (
            world.jobs[0],
            0.85,
        )
        decision = told["decision"]
        assert (decision["verdict"], decision["training_job"]) == ("rejected", world.jobs[1])
        assert (decision["compared_with"], decision["difference"]) == (world.jobs[0], -0.1)


def test_what_was_refused_failed_and_rejected_says_why() -> None:
    world = World()
    world.results = [Trained(), Trained(accuracy=0.7, difference=-0.1), Broken("bad luck")]
    world.drop(good(1))
    world.drop(good(2))
    world.drop(good(3))
    world.drop(csv("x,1", "2"))
    refused, failed, rejected, live = world.datasets.history(DATASET, 20, None)["versions"]
    assert [v["outcome"] for v in (refused, failed, rejected, live)] == [
        "Refused",
        "Failed",
        "Rejected",
        "Live",
    ]
    assert "a.csv, line " in refused["message"]
    assert refused["jobs"] == []
    assert "bad luck" in failed["message"]
    assert failed["jobs"][0]["outcome"] == "Failed"
    assert "worse than the champion" in rejected["decision"]["why"]
    assert live["is_live"]


def test_one_version_whole_has_the_files_the_classes_and_links() -> None:
    world = World()
    world.drop(good(1))
    whole = world.datasets.version(DATASET, world.jobs[0], lambda key: f"https://link/{key}")
    [file] = whole["data"]["listed"]
    stored = world.storage.head(f"datasets/{DATASET}/a.csv")
    assert stored is not None
    assert (file["key"], file["etag"], file["rows"]) == (
        stored.key,
        stored.etag,
        good(1).count(b"\n"),
    )
    assert set(whole["data"]["class_rows"]) == {"0", "1"}
    assert sum(rows["train"] for rows in whole["data"]["class_rows"].values()) == file["rows"]
    assert whole["metrics"]["accuracy"] == 0.85
    assert whole["registry"]["approval"] == "Approved"
    for report in whole["reports"].values():
        key = report["uri"].removeprefix(world.storage.uri(""))
        assert report["url"] == f"https://link/{key}"
        assert world.storage.head(key) is not None, key


def test_a_version_is_named_by_its_beginning_its_job_or_what_answers_carry() -> None:
    world = World()
    version = world.drop(good(1))["version"]
    for named in (version, version[:4], world.jobs[0], f"{version[:12]}-1"):
        assert world.datasets.version(DATASET, named, str)["version"] == version
    for named in (version[:3], "ffff", "pigeonhole-local-other-0123456789ab-1", ""):
        with pytest.raises(VersionNotFound, match="pigeonhole history"):
            world.datasets.version(DATASET, named, str)


def test_a_version_is_named_in_capitals_too() -> None:
    world = World()
    world.drop(good(1))
    [version] = world.state().past
    assert world.datasets.version(DATASET, version[:8].upper(), str)["version"] == version


def test_an_ambiguous_beginning_lists_the_choices() -> None:
    world = World()
    world.drop(good(1))
    for end in "01":
        key = names.history_key(DATASET, "abcd" + end * 60)
        world.storage.put_json(key, {"version": "abcd" + end * 60, "past": {}, "events": []})
    with pytest.raises(Conflict, match="abcd00000000, abcd11111111"):
        world.datasets.version(DATASET, "abcd", str)


def test_pages_give_every_version_once_the_newest_first() -> None:
    world = World()
    dropped = [world.drop(good(n))["version"] for n in range(1, 6)]
    seen: list[str] = []
    after: str | None = None
    while True:
        page = world.datasets.history(DATASET, 2, after)
        seen += [entry["version"] for entry in page["versions"]]
        after = page["next"]
        if after is None:
            break
    assert seen == dropped[::-1]


def test_versions_that_the_item_forgot_are_in_their_records() -> None:
    world = World()
    first = world.drop(good(1))["version"]
    world.drop(good(2))
    for n in range(REMEMBERED + 2):
        world.drop(csv(f"x,{n}", "2"))
    assert first not in world.state().past
    assert len(world.state().past) <= REMEMBERED
    assert world.status()["champion"]["version"] in world.state().past
    oldest = world.datasets.history(DATASET, 100, None)["versions"][-1]
    assert oldest["version"] == first
    assert oldest["live"][0]["until"] is not None
    live = [v for v in world.datasets.history(DATASET, 100, None)["versions"] if v["is_live"]]
    assert [v["live"][-1]["training_job"] for v in live] == [world.jobs[1]]


def test_what_is_in_no_record_yet_is_not_forgotten() -> None:
    state = State(DATASET, unrecorded=("0",))
    for n in range(REMEMBERED + 5):
        state = state.remember(str(n), Past())
    assert "0" in state.past
    assert "1" not in state.past
    assert len(state.past) == REMEMBERED


def test_a_version_that_the_item_forgot_is_known_when_it_comes_back() -> None:
    world = World()
    world.results = [Broken("bad luck")]
    version = world.drop(good(1))["version"]
    for n in range(REMEMBERED + 1):
        world.drop(csv(f"x,{n}", "2"))
    assert version not in world.state().past
    status = world.drop(good(1))
    assert status["outcome"] == "Live"  # its failed job is not taken for the new one
    assert status["champion"]["training_job"].endswith("-2")
    assert [e[0] for e in world.happened()[version]].count("JobStarted") == 2


def test_the_same_data_dropped_over_and_over_is_told_once() -> None:
    world = World()
    world.drop(good(1))
    for _ in range(5):
        world.ready()
        world.settle()
    assert kinds(world).count("AlreadyTrained") == 1


def test_a_lost_item_gets_its_memory_back() -> None:
    world = World()
    world.drop(good(1))
    world.drop(csv("x,1", "2"))
    world.drop(good(2))
    before, since = world.happened(), world.status()["champion"]["since"]
    world.table.held.clear()
    world.later(60)
    world.settle()
    told = world.happened()
    assert {v: events[: len(before[v])] for v, events in told.items()} == before
    assert world.status()["champion"]["since"] == since
    assert len(world.jobs) == 2


def test_the_item_stays_small_whatever_reasons_say() -> None:
    """Names of classes in Chinese take six bytes a character in JSON."""
    world = World()
    long = "很" * 1000
    world.results = [Broken(long)] * 4
    for _ in range(4):
        world.drop(good(1))
        world.datasets.retrain(DATASET)
        world.settle()
    state = world.state()
    [past] = state.past.values()
    assert len(past.events) == KEPT
    crowded = replace(state, past={str(n) * 64: past for n in range(REMEMBERED)}, outbox=())
    notice = replace(state.told[0], text=shorten(long, LONGEST_TEXT))
    crowded = replace(crowded, outbox=(notice,) * MOST, told=(notice,) * SHOWN)
    assert len(json.dumps(crowded.to_json()).encode()) < LARGEST_ITEM / 2


def test_a_record_that_others_write_at_once_loses_no_event() -> None:
    world = World()
    version = world.drop(good(1))["version"]
    key = names.history_key(DATASET, version)
    before = world.storage.get_json(key)["events"]
    theirs = {"at": "2026-11-22T00:00:00+00:00", "kind": "Replaced"}
    head = world.storage.head

    def cut_in(asked: str) -> object:
        """Between the look at the record and the write over it."""
        found = head(asked)
        if asked == key:
            world.storage.head = head  # type: ignore[method-assign]
            record = world.storage.get_json(key)
            world.storage.put_json(key, {**record, "events": [*record["events"], theirs]})
        return found

    world.storage.head = cut_in  # type: ignore[method-assign, assignment]
    world.ready()
    world.settle()
    events = world.storage.get_json(key)["events"]
    assert events[: len(before)] == before
    assert theirs in events
    assert events[-2]["kind"] == "AlreadyTrained"


def test_people_are_named_with_what_they_decided_and_why() -> None:
    world = World()
    world.results = [Trained(), Trained(rows=199)]
    world.drop(good(1))
    world.later(60)
    waiting = world.drop(good(2))["version"]
    world.datasets.approve(DATASET, "otto", "the bags are fine")
    world.settle()
    [approved] = [v for v in world.datasets.history(DATASET, 20, None)["versions"] if v["is_live"]]
    assert approved["version"] == waiting
    assert (approved["decision"]["by"], approved["decision"]["why"]) == (
        "otto",
        "the bags are fine",
    )
    [asked] = approved["decision"]["before"]
    assert asked["verdict"] == "a person must decide"
    world.later(60)
    world.datasets.rollback(DATASET, None, "anna", "too many bags")
    world.settle()
    whole = world.datasets.version(DATASET, waiting, str)
    [live] = whole["live"]
    assert live["ended_by"] == f"rolled back to {world.jobs[0]}: too many bags (anna)"
    assert world.notifications.kinds == ["Live", "ModelPendingApproval", "Live", "RolledBack"]
    assert world.notifications.sent[-1].document["message"] == (
        f"anna rolled back from {world.jobs[1]} to {world.jobs[0]}: too many bags"
    )


def test_a_version_that_a_schedule_trains_for_years_fits_an_answer() -> None:
    world = World()
    world.drop(good(1))
    [version] = world.state().past
    times = 3000
    events = [
        Event(f"{n:09}", kind, "w" * 400, job=f"{version}-{n}")
        for n in range(times)
        for kind in (Kind.JOB_STARTED, Kind.APPROVED, Kind.LIVE, Kind.REPLACED)
    ]
    records.write(world.storage, DATASET, version, Past(events=tuple(events)))
    whole = world.datasets.version(DATASET, version, str)
    [listed] = world.datasets.history(DATASET, 100, None)["versions"]
    assert whole["jobs_of"] == listed["jobs_of"] == times + 1
    assert whole["jobs"][-1] == listed["jobs"][-1]
    assert whole["events"][-1]["kind"] == "Live"
    assert len(json.dumps(whole)) < LARGEST_ANSWER / 2
    assert len(json.dumps(listed)) < LARGEST_ANSWER / 100
