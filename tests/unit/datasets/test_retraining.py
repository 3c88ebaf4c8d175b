"""Training once more: by call, by message, on a schedule."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.clock import iso
from chalicelib.errors import Conflict, DatasetNotFound
from tests.fakes.ticks import die, survived
from tests.unit.datasets.world import Broken, Trained, World, csv, good

WEEKLY = b'{"schedule": "rate(7 days)"}'
WEEK = timedelta(days=7).total_seconds()


@pytest.fixture
def world() -> World:
    return World()


def sweep(world: World) -> None:
    """As the sweep wakes whom it finds due, or under way."""
    [mark] = world.table.marks()
    if mark.unsettled or (mark.due is not None and mark.due <= world.now):
        world.settle()


def asked_by(world: World) -> list[str | None]:
    """Who asked for its trainings, as the history tells."""
    told = world.datasets.version("fm", world.status()["version"], str)["events"]
    return [event.get("by") for event in told if event["kind"] == "RetrainingAsked"]


def test_the_history_tells_who_asked(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    world.drop(good())
    assert "as anna asks" in world.datasets.retrain("fm", None, "anna")["message"]
    world.datasets.retrain("fm", "monday", "bert")  # before it began: one with anna's
    world.settle()
    world.later(WEEK)
    sweep(world)
    assert asked_by(world) == ["anna", "its schedule, rate(7 days)"]
    world.drop(good(1))
    assert asked_by(world) == []


# By message


def test_one_request_is_one_training_however_often_it_comes(world: World) -> None:
    world.drop(good())
    world.datasets.retrain("fm", "monday")
    world.datasets.retrain("fm", "monday")
    status = world.settle()
    world.datasets.retrain("fm", "monday")
    assert world.settle()["attempt"] == status["attempt"] == 2
    world.datasets.retrain("fm", "tuesday")
    assert world.settle()["attempt"] == 3


def test_a_request_whose_wake_was_lost_is_made_up_for_when_it_comes_again(world: World) -> None:
    world.drop(good())
    world.datasets.retrain("fm", "monday")
    world.queues.woken.clear()
    world.datasets.retrain("fm", "monday")
    assert world.queues.woken == [("dataset/fm", 0)]


@pytest.mark.parametrize("effect", [1, 2])
def test_a_function_that_dies_over_a_request_takes_it_once(world: World, effect: int) -> None:
    world.drop(good())
    world.tick.at, world.tick.then = world.tick.count + effect, die
    while not survived(lambda: world.datasets.retrain("fm", "monday")):
        pass  # SQS delivers it again
    assert world.tick.then is None
    assert world.settle()["attempt"] == 2


def test_requests_while_a_job_runs_are_one_training_after_it(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    for i in range(5):
        world.datasets.retrain("fm", f"request {i}")
    assert world.settle()["attempt"] == 2


def test_endless_ids_of_requests_are_remembered_in_little_room(world: World) -> None:
    world.drop(good())
    for i in range(200):
        world.datasets.retrain("fm", f"{i}" * 500)
    assert len(str(world.table.held["dataset/fm"])) < 30_000
    world.settle()
    attempt = world.status()["attempt"]
    world.datasets.retrain("fm", "199" * 500)
    assert world.settle()["attempt"] == attempt == 2


def test_what_cannot_be_trained_says_why(world: World) -> None:
    with pytest.raises(DatasetNotFound, match="datasets/fm/"):
        world.datasets.retrain("fm", "monday")
    world.drop(good())
    world.remove("a.csv")
    world.settle()
    with pytest.raises(Conflict, match="put CSVs or images under datasets/fm/"):
        world.datasets.retrain("fm", "monday")


def test_an_upload_that_goes_on_is_waited_for_and_trained_once(world: World) -> None:
    world.drop(good(1))
    world.put("b.csv", good(2))
    world.datasets.retrain("fm")
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    world.put("c.csv", good(3))
    status = world.settle()
    assert (status["outcome"], status["attempt"], len(world.jobs)) == ("Live", 1, 2)


# On a schedule


def test_a_schedule_trains_the_present_version_once_more_each_time(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    began = world.now
    status = world.drop(good())
    assert status["next_training"] == iso(began + timedelta(seconds=WEEK))
    world.now = began + timedelta(seconds=WEEK - 60)
    sweep(world)
    assert len(world.jobs) == 1
    world.later(60)
    for _ in range(3):
        sweep(world)
    status = world.status()
    assert (status["outcome"], status["attempt"], len(world.jobs)) == ("Live", 2, 2)
    assert status["champion"]["training_job"] == world.jobs[1]
    world.later(WEEK)
    sweep(world)
    assert len(world.jobs) == 3


def test_new_data_puts_the_schedule_off(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    world.drop(good(1))
    world.later(WEEK / 2)
    world.drop(good(2))
    world.later(WEEK / 2)
    sweep(world)
    assert len(world.jobs) == 2


def test_a_schedule_that_is_taken_out_is_over(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    world.drop(good())
    world.remove("dataset.json")
    status = world.settle()
    assert (status["next_training"], len(world.jobs)) == (None, 1)
    assert world.table.marks()[0].due is None


def test_a_schedule_given_later_counts_from_the_last_training(world: World) -> None:
    began = world.now
    world.drop(good())
    world.later(86400)
    world.put("dataset.json", WEEKLY)
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 1)
    assert status["next_training"] == iso(began + timedelta(seconds=WEEK))


def test_nothing_is_scheduled_while_a_person_is_asked(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    world.results = [Trained(rows=100)]
    assert world.drop(good())["next_training"] is None
    world.later(2 * WEEK)
    sweep(world)
    assert len(world.jobs) == 1


def test_nothing_is_scheduled_of_data_that_was_never_trained(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    assert world.drop(csv("0,1,2"))["next_training"] is None
    world.remove("a.csv")
    assert world.settle()["next_training"] is None
    assert world.table.marks()[0].due is None


def test_a_scheduled_training_that_comes_to_nothing_is_tried_a_week_later(world: World) -> None:
    world.put("dataset.json", WEEKLY)
    world.results = [Trained(), Broken("out of memory"), Trained()]
    world.drop(good())
    world.later(WEEK)
    for _ in range(3):
        sweep(world)
    status = world.status()
    assert (status["outcome"], len(world.jobs)) == ("Failed", 2)
    assert status["champion"]["training_job"] == world.jobs[0]
    world.later(WEEK)
    sweep(world)
    assert world.status()["champion"]["training_job"] == world.jobs[2]


def test_a_scheduled_check_that_is_lost_again_and_again_is_given_up_for_a_week(
    world: World,
) -> None:
    world.put("dataset.json", WEEKLY)
    world.drop(good())
    world.later(WEEK)
    for _ in range(8):
        world.queues.asked.clear()
        world.queues.woken.clear()
        world.reconcile()
        world.later(1000)
    status = world.status()
    assert (status["outcome"], world.queues.asked) == ("Failed", [])
    assert status["next_training"] > iso(world.now + timedelta(days=6))
