"""The gate at work: comparisons made again, and what the registry is told."""

from __future__ import annotations

import pytest

from chalicelib.aws.registry import Approval
from chalicelib.errors import LimitReached
from tests.unit.datasets.world import DATASET, LIVE, Broken, Trained, World, good

WORSE = Trained(accuracy=0.8, difference=-0.05)


@pytest.fixture
def world() -> World:
    return World()


def overtaken(world: World) -> str:
    """The second model was rejected against the first one; a third one is live when the second
    one's data is back."""
    world.drop(good(1))
    world.results = [WORSE, Trained(accuracy=0.9, difference=0.05)]
    world.drop(good(2))
    world.drop(good(3))
    rejected = world.jobs[1]
    world.put("a.csv", good(2))
    world.ready()
    return rejected


def test_a_model_that_comes_back_is_compared_with_the_present_champion(world: World) -> None:
    rejected = overtaken(world)
    status = world.settle()
    assert world.jobs[3:] == [f"{rejected}-j1"]
    request = world.training.requests[f"{rejected}-j1"]
    given = request["HyperParameters"]
    assert (given["task"], given["challenger"], given["champion"]) == (
        "judge",
        rejected,
        world.jobs[2],
    )
    channels = {
        c["ChannelName"]: c["DataSource"]["S3DataSource"] for c in request["InputDataConfig"]
    }
    assert channels["challenger"]["S3Uri"].endswith(f"/{rejected}/output/model.tar.gz")
    assert channels["champion"]["S3Uri"].endswith(f"/{world.jobs[2]}/output/model.tar.gz")
    assert request["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
    assert request["AlgorithmSpecification"]["TrainingImage"] == "training:cpu"
    assert "CheckpointConfig" not in request
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", rejected)
    package = world.registry.packages[status["champion"]["model_package_arn"]]
    assert package.properties["compared_with"] == world.jobs[2]
    assert package.properties["judged_by"] == f"{rejected}-j1"


def test_the_judging_job_decides_against_it_too(world: World) -> None:
    overtaken(world)
    world.judgings = [WORSE]
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Rejected", world.jobs[2])
    assert f"difference to {world.jobs[2]} -0.0500" in status["message"]


def test_one_judging_job_for_a_pair(world: World) -> None:
    overtaken(world)
    world.judgings = [WORSE]
    world.settle()
    world.ready()
    assert world.settle()["outcome"] == "Rejected"
    assert len(world.jobs) == 4


@pytest.mark.parametrize(
    "broken", [Broken("AlgorithmError: data changed: a.csv"), Broken("", "Stopped", "Stopped")]
)
def test_where_the_comparison_cannot_be_made_a_person_is_asked(
    world: World, broken: Broken
) -> None:
    rejected = overtaken(world)
    world.judgings = [broken]
    status = world.settle()
    assert (status["outcome"], status["settled"]) == ("PendingApproval", True)
    assert f"judging job {rejected}-j1 could not compare them" in status["message"]
    assert broken.reason in status["message"]
    assert "pigeonhole approve fm" in status["message"]
    assert world.endpoints.endpoints[LIVE].config == world.jobs[2]


def test_an_approval_while_another_job_trains_is_taken_up_after_it(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(same_classes=False)]
    world.drop(good(2))
    world.put("a.csv", good(3))
    world.ready()
    world.until("Training")
    world.registry.decide(list(world.registry.packages)[1], "Approved", "")
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[1]
    assert len(world.jobs) == 3


def test_the_registry_tells_the_decision_and_its_numbers(world: World) -> None:
    world.drop(good(1))
    world.results = [WORSE]
    world.drop(good(2))
    first, second = world.registry.packages.values()
    assert (first.approval, first.properties["decision"]) == ("Approved", "Approved")
    assert first.properties["decided_by"] == "gate"
    assert "compared_with" not in first.properties
    assert first.description.startswith("The gate approves: accuracy 0.8500")
    assert second.description.startswith("The gate rejects: worse than the champion")
    told = second.properties
    assert (told["decision"], told["compared_with"]) == ("Rejected", world.jobs[0])
    assert (told["difference"], told["standard_error"]) == ("-0.05", "0.01")
    assert told["paired_rows"] == "1000"
    assert told["decided_at"].startswith("2026-11-21T")


def test_a_decision_made_again_leaves_nothing_of_the_one_before(world: World) -> None:
    rejected = overtaken(world)
    world.judgings = [Broken("no memory")]
    world.settle()
    told = world.registry.packages[list(world.registry.packages)[1]].properties
    assert told["training_job"] == rejected
    assert told["decision"] == Approval.PENDING
    assert not {"compared_with", "difference", "paired_rows"} & told.keys()


def test_who_decided_and_why_stands_in_the_item(world: World) -> None:
    world.results = [Trained(rows=100)]
    status = world.drop(good())
    assert status["outcome"] == "PendingApproval"
    state = world.state()
    assert (state.awaits, state.decided_by) == ("model", "gate")
    assert "fewer than 200" in (state.decided_why or "")
    world.registry.caller = "arn:aws:iam::000000000000:user/anna"
    world.registry.decide(next(iter(world.registry.packages)), "Approved", "looks fine")
    world.settle()
    state = world.state()
    assert (state.awaits, state.decided_by) == (None, "arn:aws:iam::000000000000:user/anna")
    assert state.decided_why == "looks fine"


def test_a_model_that_is_gone_from_the_registry_fails_with_what_to_do(world: World) -> None:
    overtaken(world)
    world.until("Judging")
    world.registry.packages.clear()
    status = world.settle()
    assert status["outcome"] == "Failed"
    assert "retrain" in status["message"]


def limit(most: int) -> LimitReached:
    return LimitReached(
        f"The account-level service limit 'ml.m5.xlarge for training job usage' is {most} "
        "Instances, with current utilization of 0 Instances and a request delta of 1 Instances."
    )


def test_a_judging_job_that_never_gets_an_instance_leaves_it_to_a_person(world: World) -> None:
    overtaken(world)
    world.training.refusals = [limit(0)]
    status = world.settle()
    assert status["outcome"] == "PendingApproval"
    assert "the account's limit is 0" in status["message"]


def test_a_judging_job_waits_for_instances_that_are_in_use(world: World) -> None:
    rejected = overtaken(world)
    world.training.refusals = [limit(1), limit(1)]
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", rejected)


def test_a_champion_whose_archive_is_gone_costs_no_training(world: World) -> None:
    world.drop(good(1))
    [first] = world.jobs
    world.storage.delete(f"models/fm/{first}/output/model.tar.gz")
    world.judgings = [Broken("ClientError: no S3 objects found")]
    status = world.drop(good(2))
    channels = world.training.requests[world.jobs[1]]["InputDataConfig"]
    assert "champion" not in [channel["ChannelName"] for channel in channels]
    assert status["outcome"] == "PendingApproval"
    assert "no S3 objects found" in status["message"]


def test_a_judging_job_counts_in_the_ledger(world: World) -> None:
    rejected = overtaken(world)
    world.settle()
    entry = world.datasets._parts.ledger.month("2026-11").jobs[f"{rejected}-j1"]
    assert (entry.dataset, entry.ended) == ("fm", True)


def test_data_that_is_back_brings_what_was_live_not_what_was_rejected_later() -> None:
    world = World()
    world.drop(good(1))
    world.results = [Trained(accuracy=0.8, difference=-0.05)]
    world.datasets.retrain(DATASET)
    assert world.settle()["outcome"] == "Rejected"
    assert world.drop(good(2))["outcome"] == "Live"
    status = world.drop(good(1))
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[0])
    assert len(world.jobs) == 3
