"""Caps, approvals, instances that cannot be had: from the drop to the model, as a user sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.aws.registry import Approval
from chalicelib.aws.training import TrainingJob
from chalicelib.datasets.cost import budget
from chalicelib.datasets.cost.ledger import Entry, Month
from chalicelib.datasets.state import State
from chalicelib.errors import Conflict
from tests.unit.datasets.world import DATASET, Broken, Trained, World, good

MONTH = "2026-11"
GPU, NEXT_GPU, CPU = "ml.g4dn.xlarge", "ml.g5.xlarge", "ml.m5.xlarge"
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)


def limit(kind: str, count: int = 0, used: int = 0) -> str:
    return (
        f"The account-level service limit '{kind} for training job usage' is {count} Instances, "
        f"with current utilization of {used} Instances and a request delta of 1 Instances. Please "
        "use AWS Service Quotas to request an increase for this quota."
    )


@pytest.fixture
def world() -> World:
    return World()


def stage(world: World, **changes: Any) -> World:
    """With other settings."""
    parts = world.datasets._parts
    world.datasets._parts = replace(parts, settings=replace(parts.settings, **changes))
    return world


def gpus(world: World, **changes: Any) -> World:
    """A stage with two types that have a GPU, and a last resort."""
    given = {
        "training_instance_type": f"{GPU}, {NEXT_GPU}",
        "training_cpu_instance_type": CPU,
    }
    return stage(world, **given, **changes)


def says(world: World, **settings: Any) -> None:
    world.put("dataset.json", json.dumps(settings).encode())


def decide(world: World, yes: bool, why: str = "") -> None:
    """As the API writes it: a person's decision on the cost."""
    id = f"dataset/{DATASET}"
    item = world.table.get(id)
    assert item is not None
    decided = budget.approve if yes else budget.turn_down
    state = decided(world.datasets._parts, State.from_json(item.state), "anna", why)
    world.table.put(id, state.to_json(), item.revision)


def month(world: World, name: str = MONTH) -> Month:
    return world.datasets._parts.ledger.month(name)


def enter(world: World, job: str, entry: Entry) -> None:
    world.datasets._parts.ledger.change(MONTH, lambda found: found.with_job(job, entry))


def entry(usd: float, spent: float | None = None) -> Entry:
    seconds = None if spent is None else 60
    return Entry("other", usd, usd, "2026-11-21T09:00:00+00:00", spent, seconds)


def wait_a_while(world: World) -> None:
    """Long enough for a job to be made, if it can be."""
    for _ in range(8):
        if not world.step():
            world.reconcile()


def asked_for(world: World, number: int = -1) -> Any:
    return world.training.requests[world.jobs[number]]


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


# Instances that cannot be had


def test_a_quota_of_0_takes_the_next_type_under_the_same_name(world: World) -> None:
    gpus(world).training.limits[GPU] = limit(GPU)
    status = world.drop(good())
    assert (status["outcome"], status["attempt"], len(world.jobs)) == ("Live", 1, 1)
    assert status["instances"] == f"1 x {NEXT_GPU}"
    assert status["instances_refused"] == {f"1 x {GPU}": "the account's limit is 0"}
    assert asked_for(world)["ResourceConfig"]["InstanceType"] == NEXT_GPU
    properties = world.registry.packages[status["champion"]["model_package_arn"]].properties
    assert properties["instance_type"] == NEXT_GPU
    assert GPU in properties["instances_refused"]


def test_without_any_gpu_it_is_trained_on_a_cpu_with_its_own_image(world: World) -> None:
    gpus(world).training.limits = {GPU: limit(GPU), NEXT_GPU: limit(NEXT_GPU)}
    status = world.drop(good())
    assert (status["outcome"], status["instances"]) == ("Live", f"1 x {CPU}")
    assert list(status["instances_refused"]) == [f"1 x {GPU}", f"1 x {NEXT_GPU}"]
    assert asked_for(world)["AlgorithmSpecification"]["TrainingImage"] == "training:cpu"
    assert status["cost"]["spent_usd"] == round(0.23 / 6, 4)


def test_a_type_that_a_region_does_not_have_is_passed_over(world: World) -> None:
    said = f"The requested resource training-job/{GPU} is not available in this region"
    gpus(world).training.limits[GPU] = said
    status = world.drop(good())
    assert status["instances"] == f"1 x {NEXT_GPU}"
    assert status["instances_refused"] == {f"1 x {GPU}": "not offered in this region"}


def test_a_limit_that_is_used_up_is_waited_for(world: World) -> None:
    gpus(world).training.limits[GPU] = limit(GPU, count=2, used=2)
    world.put("a.csv", good())
    world.ready()
    wait_a_while(world)
    status = world.status()
    assert f"waits for 1 x {GPU}" in status["message"]
    assert not world.jobs
    world.training.limits.clear()
    status = world.settle()
    assert (status["outcome"], status["instances"]) == ("Live", f"1 x {GPU}")


def test_without_capacity_the_next_attempt_has_the_next_type_and_the_checkpoints(
    world: World,
) -> None:
    gpus(world).results = [Broken(NO_CAPACITY), Broken(NO_CAPACITY), Trained()]
    status = world.drop(good())
    assert (status["outcome"], status["attempt"]) == ("Live", 3)
    kinds = [r["ResourceConfig"]["InstanceType"] for r in world.training.requests.values()]
    assert kinds == [GPU, NEXT_GPU, CPU]
    assert len({str(r["CheckpointConfig"]) for r in world.training.requests.values()}) == 1
    assert status["instances_refused"][f"1 x {GPU}"] == "AWS had no capacity"


def test_spot_that_never_comes_goes_down_the_list_and_ends_on_demand(world: World) -> None:
    waited = Broken("", status="Stopped", secondary="MaxWaitTimeExceeded")
    gpus(world, training_spot=True).results = [waited, waited, Trained()]
    status = world.drop(good())
    assert (status["outcome"], status["instances"]) == ("Live", f"1 x {CPU}")
    spots = [r["EnableManagedSpotTraining"] for r in world.training.requests.values()]
    assert spots == [True, True, False]
    assert list(status["instances_refused"]) == [f"1 x {GPU}, spot", f"1 x {NEXT_GPU}, spot"]


def test_the_datasets_list_goes_before_the_stages(world: World) -> None:
    gpus(world).training.limits["ml.g6.xlarge"] = limit("ml.g6.xlarge")
    says(world, instances={"type": ["ml.g6.xlarge", "ml.g6e.xlarge"], "count": 2})
    status = world.drop(good())
    assert status["instances"] == "2 x ml.g6e.xlarge"


def test_where_all_are_refused_it_fails_with_what_each_said(world: World) -> None:
    gpus(world).training.limits = {kind: limit(kind) for kind in (GPU, NEXT_GPU, CPU)}
    status = world.drop(good())
    assert (status["outcome"], world.jobs) == ("Failed", [])
    for said in (GPU, NEXT_GPU, CPU, "Service Quotas", "pigeonhole retrain"):
        assert said in status["message"]
    assert month(world) == Month(MONTH)
    world.training.limits.clear()
    world.datasets.retrain(DATASET)
    status = world.settle()  # from the first type again
    assert (status["outcome"], status["instances"]) == ("Live", f"1 x {GPU}")
    assert status["instances_refused"] == {}


def test_a_network_too_large_for_a_cpu_waits_for_a_person(world: World) -> None:
    gpus(world, training_max_runtime_seconds=200)
    world.training.limits = {GPU: limit(GPU), NEXT_GPU: limit(NEXT_GPU)}
    says(world, preset="wide-28-10", hyperparameters={"epochs": 1000})
    status = world.drop(good())
    assert status["outcome"] == "PendingApproval"
    assert "without a GPU" in status["message"]
    decide(world, yes=True)
    assert world.settle()["instances"] == f"1 x {CPU}"


def test_an_approval_of_less_is_none_of_more(world: World) -> None:
    """The next type costs more than what a person let the first one cost: they are asked again."""
    gpus(world, budget_job_usd=0.001)
    stage(world, training_instance_type=f"{CPU}, ml.p5.48xlarge", training_cpu_instance_type="")
    world.results = [Broken(NO_CAPACITY), Trained()]
    world.drop(good())
    decide(world, yes=True)
    status = world.settle()
    assert status["outcome"] == "PendingApproval"
    assert "1 x ml.p5.48xlarge" in status["message"]
    decide(world, yes=True)
    assert world.settle()["outcome"] == "Live"


def test_an_approved_model_is_not_brought_live_by_turning_its_retraining_down(
    world: World,
) -> None:
    world.drop(good(1))
    arn = world.drop(good(2))["champion"]["model_package_arn"]
    world.put("a.csv", good(1))
    world.ready()
    status = world.settle()
    stage(world, budget_job_usd=0.001)
    world.put("a.csv", good(1))
    world.datasets.retrain(DATASET)
    world.settle()
    decide(world, yes=False)
    before = status["champion"]
    assert world.settle()["champion"] == before
    assert world.registry.packages[arn].approval == Approval.APPROVED
    for value in (2, 1):  # both are known still: to the gate, not to training
        world.put("a.csv", good(value))
        world.ready()
        assert world.settle()["outcome"] == "Live"
    assert len(world.jobs) == 2


def test_a_job_that_compares_models_is_set_apart_for_and_then_counted(world: World) -> None:
    parts, name = world.datasets._parts, f"pigeonhole-local-{DATASET}-{'0' * 12}-1-j1"
    request = {
        "TrainingJobName": name,
        "ResourceConfig": {"InstanceType": CPU, "InstanceCount": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3300},
    }
    for _ in range(2):
        budget.set_apart(parts, request)
    assert month(world).reserved(DATASET) == pytest.approx(0.23)
    world.training.create(request)
    world.training.end(name, "Completed")
    job = world.training.describe(name)
    assert job is not None
    budget.count(parts, job)
    budget.set_apart(parts, request)  # by a reconciler that is late
    assert (month(world).reserved(), month(world).spent()) == (0, pytest.approx(0.23 / 6))
