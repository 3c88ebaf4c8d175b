"""What counts as one upload, and what each upload leads to."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest

from chalicelib import names
from chalicelib.datasets.content import content_version, look
from tests.fakes.ticks import die, survived
from tests.unit.datasets.world import DATASET, LIVE, Broken, Trained, World, csv, good


@pytest.fixture
def world() -> World:
    return World()


def trained_versions(world: World) -> list[str]:
    """The 12 digits of the version of each job."""
    return [job.rsplit("-", 2)[1] for job in world.jobs]


def waits(world: World, seconds: float) -> bool:
    """Does it still wait after so many seconds, with nothing done yet?"""
    world.later(seconds)
    world.reconcile()
    return world.status()["phase"] == "Waiting" and world.jobs == []


# The quiet period


def test_a_dataset_says_how_long_it_wants_to_be_quiet(world: World) -> None:
    world.put("dataset.json", b'{"quiet_seconds": 100}')
    world.put("a.csv", good())
    world.reconcile()
    assert "for 100 s" in world.status()["message"]
    assert "_READY" in world.status()["message"]
    assert waits(world, 98)
    assert not waits(world, 3)


def test_another_quiet_period_takes_effect_while_an_upload_is_waited_for(world: World) -> None:
    world.put("dataset.json", b'{"quiet_seconds": 3600}')
    world.put("a.csv", good())
    world.reconcile()
    world.put("dataset.json", b'{"quiet_seconds": 1}')
    world.reconcile()
    start = world.now
    world.until("Checking")
    assert (world.now - start).total_seconds() <= 300


def test_no_quiet_period_starts_at_once(world: World) -> None:
    world.put("dataset.json", b'{"quiet_seconds": 0}')
    world.put("a.csv", good())
    world.reconcile()
    assert world.status()["phase"] == "Checking"


def test_an_upload_that_is_not_finished_is_named_and_waited_for(world: World) -> None:
    world.put("a.csv", good())
    world.storage.begin_upload("datasets/fm/b.csv")
    assert waits(world, 0)
    assert waits(world, 60)
    message = world.status()["message"]
    assert "datasets/fm/b.csv" in message
    assert "abort it" in message
    assert waits(world, 3500)
    world.storage.parts["datasets/fm/b.csv"] = world.now
    assert waits(world, 3500)  # parts still come
    assert not waits(world, 200)


def test_an_upload_that_somebody_gave_up_holds_nothing_up(world: World) -> None:
    world.storage.begin_upload("datasets/fm/b.csv")
    world.later(3601)
    world.put("a.csv", good())
    assert waits(world, 0)
    assert world.settle()["outcome"] == "Live"
    assert "datasets/fm/b.csv" in world.storage.uploading


# _READY


def test_ready_counts_by_its_event_and_is_no_lock(world: World) -> None:
    world.drop(good(1))
    assert len(world.jobs) == 1
    world.put("a.csv", good(2))  # _READY still lies there
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    world.ready()
    world.reconcile()
    assert world.status()["phase"] == "Checking"


def test_what_comes_behind_ready_is_waited_for(world: World) -> None:
    world.ready()  # as a copy of a folder does, in the order of the names
    world.later(3)
    world.put("a.csv", good(1))
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    world.later(5)
    world.put("b.csv", good(2))
    assert waits(world, 1)
    listings = world.storage.listings
    for _ in range(20):
        world.reconcile()
    assert world.storage.listings == listings
    assert world.settle()["outcome"] == "Live"
    assert len(world.jobs) == 1


def test_ready_while_a_job_runs_is_one_look_after_it(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    for _ in range(3):
        ready = world.ready()
        world.reconcile()
    status = world.settle()
    assert (status["outcome"], status["ready"]) == ("AlreadyTrained", ready)
    assert len(world.jobs) == 1


# What happens while something is under way


def test_what_lands_while_a_job_runs_is_one_further_job_with_all_of_it(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()
    world.until("Training")
    for i in range(30):
        world.put(f"more/{i}.csv", good(i))
        world.reconcile()
        world.later(20)
    world.remove("more/0.csv")
    assert world.settle()["outcome"] == "Live"
    assert trained_versions(world)[1:] == [look(world.storage, DATASET).version[:12]]
    version = world.storage.get_json(
        names.preflight_prefix(DATASET, world.status()["version"]) + "version.json"
    )
    assert len(version["files"]) == 30


def test_files_overwritten_and_deleted_on_the_way_are_one_version(world: World) -> None:
    for i in range(200):
        world.put(f"{i % 150}.csv", good(i))
        if i % 7 == 0:
            world.remove(f"{i % 150}.csv")
        world.reconcile()
        world.later(1)
    assert world.settle()["outcome"] == "Live"
    assert len(world.jobs) == 1


def test_a_deletion_is_a_new_version(world: World) -> None:
    world.put("b.csv", good(2))
    world.drop(good(1))
    world.remove("b.csv")
    status = world.settle()
    assert (status["outcome"], len(set(trained_versions(world)))) == ("Live", 2)


def test_what_an_older_release_trained_is_not_trained_again(world: World) -> None:
    """It counted dataset.json by its ETag and size, whatever stood in it."""
    world.put("dataset.json", b'{"preset": "dense-128", "quiet_seconds": 5}')
    world.drop(good())
    state = world.state()
    former = content_version(look(world.storage, DATASET).used)
    assert state.champion is not None
    old = replace(state, taken=former, version=former)
    old = replace(old, champion=replace(state.champion, version=former))
    revision, _ = world.table.held["dataset/fm"]
    world.table.put("dataset/fm", old.to_json(), revision)
    world.settle()
    world.ready()
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("AlreadyTrained", 1)


# A -> B -> A


def test_data_taken_back_while_its_job_runs_never_goes_live(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(accuracy=0.9, difference=0.05)]  # better, but on data that is gone
    world.put("a.csv", good(2))
    world.ready()
    world.until("Training")
    world.put("a.csv", good(1))
    world.reconcile()
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("AlreadyTrained", 2)
    assert status["champion"]["training_job"] == world.jobs[0]
    assert {config for _, config in world.runtime.asked} == {world.jobs[0]}
    assert [p.approval for p in world.registry.packages.values()] == ["Approved", "Approved"]
    assert world.drop(good(2))["champion"]["training_job"] == world.jobs[1]  # it comes to its own
    assert len(world.jobs) == 2


@pytest.mark.parametrize("phase", ["Checking", "Training", "Judging", "Verifying", "Deploying"])
def test_data_taken_back_at_any_time_ends_with_its_own_model(world: World, phase: str) -> None:
    world.drop(good(1))
    world.put("a.csv", good(2))
    world.ready()
    world.until("Training" if phase == "Judging" else phase)
    world.put("a.csv", good(1))
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[0]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]
    assert len(world.jobs) <= 2


def test_refused_data_that_returns_is_neither_checked_nor_trained_again(world: World) -> None:
    bad = csv("0,1,2")
    world.drop(bad)
    world.drop(good(2))
    checks = world.queues.sent["preflight"]
    world.put("a.csv", bad)
    status = world.settle()
    assert (status["outcome"], world.queues.sent["preflight"]) == ("Refused", checks)
    assert status["champion"]["training_job"] == world.jobs[0]


def test_data_whose_job_failed_and_that_returns_is_trained_when_people_say_so(world: World) -> None:
    world.results = [Broken("out of memory"), Trained(), Trained()]
    world.drop(good(1))
    world.drop(good(2))
    world.put("a.csv", good(1))
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Failed", 2)
    world.ready()
    status = world.settle()
    assert (status["outcome"], status["attempt"]) == ("Live", 2)


# What it costs


def test_watching_a_large_upload_lists_it_no_oftener_than_it_must(world: World) -> None:
    for i in range(300):
        world.put(f"train/{'ab'[i % 2]}/{i}.png", b"image %d" % i)
        world.reconcile()
        world.reconcile()  # S3 tells twice
        world.later(0.2)
    assert world.storage.listings < 10
    assert len(world.queues.woken) < 10


def test_files_that_land_while_a_job_runs_ask_nothing_of_sagemaker(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()
    world.until("Training")
    world.put("a.csv", good(2))
    described, listings = [], world.storage.listings
    describe = world.training.describe
    world.training.describe = lambda name: described.append(name) or describe(name)  # type: ignore[func-returns-value,method-assign]
    for _ in range(50):
        world.datasets.watch(DATASET)
    assert (described, world.storage.listings) == ([], listings)
    assert world.settle()["champion"]["training_job"] == world.jobs[1]
    world.put("a.csv", good(3))
    world.datasets.watch(DATASET)
    assert world.status()["phase"] == "Waiting"


def test_files_that_land_while_data_is_checked_are_looked_at_now_and_then(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()
    world.until("Checking")
    before = world.storage.listings
    for i in range(50):
        world.put("a.csv", good(i + 2))
        world.datasets.watch(DATASET)
        world.later(0.1)
    assert (world.storage.listings, len(world.queues.woken)) == (before, 3)
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 1)


def test_events_that_change_nothing_in_a_large_dataset_list_it_now_and_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.datasets.quiet.MANY", 3)
    for i in range(5):
        world.put(f"{i}.csv", good(i))
    world.drop(good(9))
    world.later(60)
    before = world.storage.listings
    for i in range(100):
        world.put(f"notes/{i}.txt", b"x")
        world.reconcile()
        world.later(1)
    assert world.storage.listings - before < 8
    world.put("a.csv", good(10))
    world.reconcile()
    assert world.settle()["outcome"] == "Live"  # what came in between is not overlooked
    assert len(world.jobs) == 2


def test_looks_at_a_large_dataset_do_not_make_it_one_that_changed_of_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the sweep would list it every five minutes for ever."""
    monkeypatch.setattr("chalicelib.datasets.quiet.MANY", 0)
    updated = world.drop(good(1))["updated"]
    for _ in range(3):
        world.later(3600)
        world.reconcile()
        listed = world.state().listed_at
        assert listed is not None
        assert world.status()["updated"] == updated
    world.later(60)
    world.put("a.csv", good(2))
    world.reconcile()
    assert world.status()["updated"] > updated


# Whatever comes, in whatever order


def people_do(world: World, dice: random.Random) -> None:
    """Put, overwrite, remove, put back, say that it is ready, or wait."""
    world.tick.muted = True  # nobody kills people
    act = dice.randrange(7)
    if act <= 1:
        world.put("a.csv", good(dice.randrange(3)))
    elif act == 2:
        world.put("b.csv", good(dice.randrange(2)))
    elif act == 3:
        world.remove("b.csv")
    elif act == 4:
        world.ready()
    else:
        world.later(dice.choice([0, 1, 8, 200]))
    world.tick.muted = False


def cloud_does(world: World, dice: random.Random) -> None:
    """Deliver events not at all, late, twice or thrice; kill functions after an effect."""
    if world.tick.then is None and dice.random() < 0.3:
        world.tick.at, world.tick.then = world.tick.count + dice.randrange(1, 9), die
    for _ in range(dice.randrange(4)):
        survived(partial(world.datasets.watch, DATASET))
    if dice.random() < 0.5:
        return
    for _ in range(dice.randrange(1, 12)):
        world.step()
    if world.queues.asked and dice.random() < 0.3:
        world.queues.asked.append(world.queues.asked[0])  # SQS delivers twice


@pytest.mark.parametrize("seed", range(12))
def test_events_doubled_late_lost_and_out_of_order_are_one_job_a_version(seed: int) -> None:
    dice, world = random.Random(seed), World()
    for _ in range(60):
        dice.choice([people_do, cloud_does])(world, dice)
    world.tick.muted = True
    world.put("a.csv", good(dice.randrange(3)))
    world.tick.muted = False
    status = world.settle()
    now = look(world.storage, DATASET).version
    assert (status["settled"], world.queues.asked) == (True, [])
    versions = trained_versions(world)
    assert len(set(versions)) == len(versions)
    assert status["champion"]["version"] == now
    assert world.endpoints.endpoints[LIVE].config == status["champion"]["training_job"]
    assert status["champion"]["training_job"].rsplit("-", 2)[1] == now[:12]
