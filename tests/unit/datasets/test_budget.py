"""What a job costs, caps and approvals: from the drop to the model, as a user sees it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.aws.training import TrainingJob
from chalicelib.datasets.cost import budget
from chalicelib.datasets.cost.ledger import Entry, Month
from chalicelib.errors import Conflict
from tests.unit.datasets.budgeted import (
    CPU,
    MONTH,
    asked_for,
    decide,
    enter,
    entry,
    limit,
    month,
    says,
    stage,
    wait_a_while,
)
from tests.unit.datasets.world import DATASET, Broken, Trained, World, good


@pytest.fixture
def world() -> World:
    return World()


# What is told and counted


def test_the_cost_is_told_before_the_start_and_counted_after_the_end(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    told = world.status()["cost"]
    assert told["training_job"] == world.jobs[0]
    assert 0 < told["estimated_usd"] < told["most_usd"]
    assert told["most_usd"] == round(0.23 * (3600 + 300) / 3600, 2)
    assert (told["spent_usd"], told["spent_seconds"]) == (None, None)
    assert month(world).reserved() == pytest.approx(0.23 * 3900 / 3600)
    cost = world.settle()["cost"]
    assert (cost["spent_usd"], cost["spent_seconds"]) == (round(0.23 / 6, 4), 600)
    assert month(world).spent(DATASET) == pytest.approx(0.23 / 6)
    assert month(world).reserved() == 0


def test_a_second_job_is_estimated_by_the_first(world: World) -> None:
    world.training.seconds = 1000
    first = world.drop(good(1))["cost"]
    second = world.drop(good(2))["cost"]
    assert "table" in first["basis"]
    assert "earlier job" in second["basis"]
    assert second["estimated_seconds"] == 1200


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_jobs_that_did_not_complete_cost_what_was_billed(world: World, status: str) -> None:
    world.results = [Broken("AlgorithmError: no", status=status)]
    world.drop(good())
    assert month(world).spent() == pytest.approx(0.23 / 6)


def test_a_job_of_an_unknown_price_starts_and_says_so(world: World) -> None:
    says(world, instances={"type": "ml.new.xlarge"})
    status = world.drop(good())
    assert status["outcome"] == "Live"
    assert (status["cost"]["estimated_usd"], status["cost"]["spent_usd"]) == (None, None)
    assert month(world).spent() == 0


def test_other_jobs_are_counted_where_they_were_created(world: World) -> None:
    """A judging job, of which the dataset's item says nothing."""
    created = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    job = TrainingJob(
        f"pigeonhole-local-{DATASET}-{'0' * 12}-1-j1",
        "Completed",
        "Completed",
        "",
        instance_type=CPU,
        billable_seconds=360,
        created=created,
    )
    for _ in range(2):
        assert budget.count(world.datasets._parts, job) == pytest.approx(0.023)
    assert month(world, "2026-10").spent() == pytest.approx(0.023)
    assert month(world) == Month(MONTH)


# Caps


def test_over_the_cap_of_a_job_it_waits_and_nothing_is_started(world: World) -> None:
    stage(world, budget_job_usd=0.01)
    status = world.drop(good())
    assert (status["phase"], status["outcome"]) == ("PendingApproval", "PendingApproval")
    assert world.state().awaits == "cost"
    assert f"`pigeonhole approve {DATASET}`" in status["message"]
    assert "over the $0.01 that a job may cost" in status["message"]
    assert not world.jobs
    assert month(world).reserved() == 0


def test_what_a_person_approves_is_the_very_job(world: World) -> None:
    stage(world, budget_job_usd=0.01, budget_month_usd=0.01)
    world.drop(good())
    decide(world, yes=True, why="we need it")
    status = world.settle()
    assert (status["outcome"], status["attempt"]) == ("Live", 1)
    assert len(world.jobs) == 1
    assert asked_for(world)["StoppingCondition"]["MaxRuntimeInSeconds"] == 3600


def test_what_a_person_turns_down_is_not_asked_again_until_it_is_dropped_again(
    world: World,
) -> None:
    stage(world, budget_job_usd=0.01)
    world.drop(good())
    decide(world, yes=False, why="too dear")
    status = world.settle()
    assert (status["phase"], status["outcome"]) == ("Rejected", "Rejected")
    assert "anna turned down" in status["message"]
    assert "too dear" in status["message"]
    assert f"`pigeonhole retrain {DATASET}` asks again" in status["message"]
    world.datasets.retrain(DATASET)
    assert world.settle()["outcome"] == "PendingApproval"
    assert not world.jobs


def test_nobody_decides_on_what_was_not_asked(world: World) -> None:
    world.drop(good())
    for yes in (True, False):
        with pytest.raises(Conflict, match="no training"):
            decide(world, yes=yes)


def test_a_model_stays_what_it_was_when_its_retraining_is_turned_down(world: World) -> None:
    live = world.drop(good())["champion"]
    stage(world, budget_job_usd=0.01)
    world.datasets.retrain(DATASET)
    assert world.settle()["outcome"] == "PendingApproval"
    decide(world, yes=False)
    status = world.settle()
    assert status["outcome"] == "Rejected"
    assert status["champion"] == live
    world.put("a.csv", good())
    world.ready()
    assert world.settle()["outcome"] == "AlreadyTrained"
    assert len(world.jobs) == 1


def test_new_data_takes_the_place_of_what_waits(world: World) -> None:
    stage(world, budget_job_usd=0.01)
    first = world.drop(good(1))
    stage(world, budget_job_usd=None)
    second = world.drop(good(2))
    assert second["version"] != first["version"]
    assert (second["outcome"], len(world.jobs)) == ("Live", 1)
    assert world.state().awaits is None


def test_a_cap_cuts_the_time_that_a_job_may_run(world: World) -> None:
    stage(world, budget_job_usd=0.1)
    status = world.drop(good())
    longest = asked_for(world)["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert longest < 3600
    assert 0.23 * (longest + 300) / 3600 <= 0.1
    assert status["cost"]["most_usd"] == pytest.approx(0.1, abs=0.001)


def test_a_job_stopped_at_its_cap_goes_on_from_its_checkpoint_when_approved(
    world: World,
) -> None:
    stage(world, budget_job_usd=0.1)
    world.results = [Broken("", status="Stopped", secondary="MaxRuntimeExceeded"), Trained()]
    status = world.drop(good())
    assert status["outcome"] == "PendingApproval"
    assert "was stopped at its cap, when it had cost $0.04" in status["message"]
    decide(world, yes=True)
    assert world.settle()["outcome"] == "Live"
    first, second = (world.training.requests[job] for job in world.jobs)
    assert first["CheckpointConfig"] == second["CheckpointConfig"]
    assert second["StoppingCondition"]["MaxRuntimeInSeconds"] == 3600
    assert world.state().costs.timed == {}  # half a training teaches nothing of how long one takes
    assert month(world).spent() == pytest.approx(2 * 0.23 / 6)


def test_the_longest_time_of_the_stage_is_no_cap(world: World) -> None:
    world.results = [Broken("", status="Stopped", secondary="MaxRuntimeExceeded")]
    status = world.drop(good())
    assert status["outcome"] == "Failed"
    assert "PIGEONHOLE_TRAINING_MAX_RUNTIME_SECONDS" in status["message"]


def test_of_the_stages_and_the_datasets_cap_the_smaller_counts(world: World) -> None:
    stage(world, budget_job_usd=5.0)
    says(world, budget={"job_usd": 0.01})
    assert world.drop(good())["outcome"] == "PendingApproval"
    stage(world, budget_job_usd=0.01)
    says(world, budget={"job_usd": 5})
    world.ready()
    assert world.settle()["outcome"] == "PendingApproval"
    assert not world.jobs


def test_an_unknown_price_waits_where_there_is_a_cap(world: World) -> None:
    says(world, instances={"type": "ml.new.xlarge"}, budget={"month_usd": 100})
    assert "nobody knows its price" in world.drop(good())["message"]
    decide(world, yes=True)
    assert world.settle()["outcome"] == "Live"


def test_a_month_that_is_spent_waits_for_a_person(world: World) -> None:
    stage(world, budget_month_usd=10.0)
    enter(world, "other-1", entry(9.99, spent=9.99))
    status = world.drop(good())
    assert status["outcome"] == "PendingApproval"
    assert "$9.99 are spent" in status["message"]


def test_jobs_under_way_are_waited_for(world: World) -> None:
    stage(world, budget_month_usd=10.0)
    under_way = Entry("other", 0.1, 9.99, "2026-11-21T09:00:00+00:00")
    enter(world, "pigeonhole-local-other-000000000000-1", under_way)
    world.put("a.csv", good())
    world.ready()
    wait_a_while(world)
    status = world.status()
    assert (status["phase"], status["settled"]) == ("Training", False)
    assert "jobs under way may still cost $9.99" in status["message"]
    enter(world, "pigeonhole-local-other-000000000000-1", entry(0.1, spent=0.1))
    assert world.settle()["outcome"] == "Live"


def test_a_job_under_way_whose_end_nobody_told_is_looked_up(world: World) -> None:
    stage(world, budget_month_usd=10.0)
    job = "pigeonhole-local-other-000000000000-1"
    enter(world, job, Entry("other", 0.1, 9.99, "2026-11-20T10:00:00+00:00"))
    world.training.create(
        {"TrainingJobName": job, "ResourceConfig": {"InstanceType": CPU, "InstanceCount": 2}}
    )
    world.training.end(job, "Completed")
    assert world.drop(good())["outcome"] == "Live"
    assert month(world).spent("other") == pytest.approx(2 * 0.23 / 6)


def test_a_wait_over_the_end_of_the_month_counts_in_the_new_one(world: World) -> None:
    world.training.limits[CPU] = limit(CPU, count=1, used=1)
    world.put("a.csv", good())
    world.ready()
    wait_a_while(world)
    assert month(world).reserved() > 0
    world.now = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
    world.training.limits.clear()
    assert world.settle()["outcome"] == "Live"
    assert month(world) == Month(MONTH)
    assert month(world, "2026-12").spent() > 0


def test_a_job_that_sagemaker_refuses_costs_nothing(world: World) -> None:
    from chalicelib.errors import RequestRefused  # noqa: PLC0415

    world.training.refusals = [RequestRefused("no such thing")]
    assert world.drop(good())["outcome"] == "Failed"
    assert month(world) == Month(MONTH)


def test_data_that_changes_before_the_job_is_made_is_checked_anew(world: World) -> None:
    world.training.limits[CPU] = limit(CPU, count=1, used=1)
    world.put("a.csv", good(1))
    world.ready()
    wait_a_while(world)
    assert "as many as the account may have are in use" in world.status()["message"]
    world.training.limits.clear()
    status = world.drop(good(2))
    assert (status["outcome"], len(world.jobs)) == ("Live", 1)
    assert list(month(world).jobs) == world.jobs
