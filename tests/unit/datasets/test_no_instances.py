"""Instances that cannot be had: the next type, the CPU, a person."""

from __future__ import annotations

import pytest

from chalicelib.aws.registry import Approval
from chalicelib.datasets.cost import budget
from chalicelib.datasets.cost.ledger import Month
from tests.unit.datasets.budgeted import (
    CPU,
    GPU,
    MONTH,
    NEXT_GPU,
    NO_CAPACITY,
    asked_for,
    decide,
    gpus,
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
