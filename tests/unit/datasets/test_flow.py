"""From dropped data to a live model, as a user sees it."""

from __future__ import annotations

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from tests.unit.datasets.world import CLASSES, LIVE, NEXT, Broken, Trained, World, csv, good, row


@pytest.fixture
def world() -> World:
    return World()


def test_a_drop_goes_live(world: World) -> None:
    ready = world.put("a.csv", good()) and world.ready()
    status = world.settle()
    [job] = world.jobs
    assert (status["phase"], status["outcome"], status["settled"]) == ("Live", "Live", True)
    assert (status["ready"], status["training_job"], status["attempt"]) == (ready, job, 1)
    assert status["champion"]["training_job"] == job
    assert status["champion"]["accuracy"] == 0.85
    assert world.endpoints.endpoints[LIVE].config == job
    assert NEXT not in world.endpoints.endpoints
    assert world.registry.packages[status["champion"]["model_package_arn"]].approval == "Approved"


def test_the_challenger_answers_before_it_gets_traffic(world: World) -> None:
    world.drop(good())
    first_live = [endpoint for endpoint, _ in world.runtime.asked].index(LIVE)
    assert [endpoint for endpoint, _ in world.runtime.asked[:first_live]] == [NEXT] * 3


def test_requests_are_what_sagemaker_takes(world: World) -> None:
    world.drop(good(1))
    world.drop(good(2))
    model = get_session().get_service_model("sagemaker")
    for request in world.training.requests.values():
        shape = model.operation_model("CreateTrainingJob").input_shape
        assert not ParamValidator().validate(dict(request), shape).has_errors()
    for request in world.registry.requests.values():
        shape = model.operation_model("CreateModelPackage").input_shape
        assert not ParamValidator().validate(dict(request), shape).has_errors()
        assert len(request["ClientToken"]) <= 36
    channels = world.training.requests[world.jobs[1]]["InputDataConfig"]
    uris = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in channels}
    assert uris["champion"].endswith(f"/models/fm/{world.jobs[0]}/output/model.tar.gz")
    assert uris["train"].endswith("/train.manifest")


def test_the_same_event_many_times_is_one_job(world: World) -> None:
    world.drop(good())
    for _ in range(5):
        world.reconcile()
    world.settle()
    assert len(world.jobs) == len(world.registry.packages) == 1


def test_the_same_data_again_says_so(world: World) -> None:
    world.drop(good())
    world.put("a.csv", good())
    ready = world.ready()
    status = world.settle()
    assert (status["outcome"], status["ready"]) == ("AlreadyTrained", ready)
    assert world.jobs[0] in status["message"]
    assert "0.85" in status["message"]
    assert len(world.jobs) == 1


def test_without_ready_it_waits_until_uploads_are_quiet(world: World) -> None:
    world.put("a.csv", good())
    world.reconcile()
    assert (world.status()["phase"], world.status()["settled"]) == ("Waiting", False)
    world.later(6)
    world.put("b.csv", good())
    for _ in range(20):  # an event for each of many files
        world.reconcile()
    assert len(world.queues.woken) == 1
    world.later(6)
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    assert world.settle()["outcome"] == "Live"


def test_an_open_multipart_upload_is_waited_for(world: World) -> None:
    world.put("a.csv", good())
    world.storage.begin_upload("datasets/fm/b.csv")
    world.reconcile()
    world.later(60)
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    world.storage.uploading.clear()
    assert world.settle()["outcome"] == "Live"


def test_data_that_changes_while_a_job_runs_follows_after_it(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()
    world.until("Training")
    for value in (2, 3, 4):
        world.put("a.csv", good(value))
        world.reconcile()
    ready = world.ready()
    status = world.settle()
    assert len(world.jobs) == 2
    assert (status["outcome"], status["ready"]) == ("Live", ready)
    assert status["champion"]["training_job"] == world.jobs[1]


def test_data_that_changes_while_it_is_checked_is_checked_again(world: World) -> None:
    world.put("a.csv", good(1))
    world.ready()
    world.until("Checking")
    world.put("a.csv", good(2))
    world.reconcile()
    assert world.status()["phase"] == "Waiting"  # at once, not when the check's lease is over
    status = world.settle()
    assert (status["outcome"], len(world.jobs)) == ("Live", 1)


def test_removed_data_is_back_to_idle_and_the_champion_stays(world: World) -> None:
    world.drop(good())
    world.remove("a.csv")
    status = world.settle()
    assert (status["phase"], status["settled"], status["outcome"]) == ("Waiting", True, None)
    assert "datasets/fm/" in status["message"]
    assert status["champion"]["training_job"] == world.jobs[0]
    assert world.endpoints.endpoints[LIVE].status == "InService"


def test_shuffled_labels_never_go_live(world: World) -> None:
    world.results = [Trained(accuracy=0.51, majority=0.5)]
    status = world.drop(good())
    assert (status["outcome"], status["champion"]) == ("Rejected", None)
    assert world.endpoints.endpoints == {}
    assert [p.approval for p in world.registry.packages.values()] == ["Rejected"]


def test_a_worse_model_never_goes_live(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(accuracy=0.80, difference=-0.05)]
    status = world.drop(good(2))
    assert status["outcome"] == "Rejected"
    assert "-0.05" in status["message"]
    assert status["champion"]["training_job"] == world.jobs[0]
    assert {config for _, config in world.runtime.asked} == {world.jobs[0]}


def test_a_failed_job_keeps_the_champion_and_can_be_tried_again(world: World) -> None:
    world.drop(good(1))
    world.results = [Broken("AlgorithmError: out of memory in epoch 3")]
    status = world.drop(good(2))
    assert status["outcome"] == "Failed"
    assert "out of memory in epoch 3" in status["message"]
    assert status["champion"]["training_job"] == world.jobs[0]
    assert world.settle()["outcome"] == "Failed"  # a sweep alone does not spend money again
    world.ready()
    status = world.settle()
    assert (status["outcome"], status["attempt"]) == ("Live", 2)
    assert status["training_job"] == world.jobs[1][:-1] + "2"


def test_a_failure_of_the_service_is_tried_once_more_by_itself(world: World) -> None:
    world.results = [Broken("InternalServerError: please retry"), Trained()]
    assert world.drop(good())["attempt"] == 2
    world.results = [Broken("CapacityError: none left")] * 2
    status = world.drop(good(9))
    assert (status["outcome"], status["attempt"]) == ("Failed", 2)


def test_data_that_returns_goes_back_to_the_gate_not_to_training(world: World) -> None:
    world.drop(good(1))
    world.drop(good(2))  # as good as the first
    status = world.drop(good(1))
    assert len(world.jobs) == 2
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[0])
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]


def test_data_that_returns_brings_its_model_back_whatever_its_numbers(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(accuracy=0.9, difference=0.05)]
    world.drop(good(2))
    status = world.drop(good(1))  # what the second model learnt from is gone
    assert (status["outcome"], len(world.jobs)) == ("Live", 2)
    assert status["champion"]["training_job"] == world.jobs[0]
    assert "-0.0500" in world.registry.packages[status["champion"]["model_package_arn"]].description


def test_retrain_trains_the_same_data_once_more(world: World) -> None:
    world.drop(good())
    assert world.datasets.retrain("fm")["settled"] is False
    status = world.settle()
    assert (status["outcome"], status["attempt"], len(world.jobs)) == ("Live", 2, 2)
    assert status["champion"]["training_job"] == world.jobs[1]


def test_a_retrain_that_waits_for_a_running_job_is_not_settled(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    world.until("Training")
    world.datasets.retrain("fm")
    seen = []
    while world.step():
        seen.append((world.status()["settled"], len(world.jobs)))
    assert (True, 1) not in seen
    assert seen[-1] == (True, 2)


def test_few_held_out_rows_wait_for_a_person(world: World) -> None:
    world.results = [Trained(rows=100)]
    status = world.drop(good())
    assert (status["outcome"], status["settled"]) == ("PendingApproval", True)
    [arn] = world.registry.packages
    assert arn in status["message"]
    world.registry.decide(arn, "Approved", "looks fine")  # type: ignore[arg-type]
    assert world.settle()["outcome"] == "Live"


def test_a_person_rejects(world: World) -> None:
    world.results = [Trained(rows=100)]
    world.drop(good())
    [arn] = world.registry.packages
    world.registry.decide(arn, "Rejected", "bags look odd")  # type: ignore[arg-type]
    status = world.settle()
    assert status["outcome"] == "Rejected"
    assert "bags look odd" in status["message"]
    world.ready()
    assert world.settle()["outcome"] == "Rejected"  # the gate does not overrule a person
    assert world.endpoints.endpoints == {}


def test_a_person_overrules_the_gate(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(accuracy=0.8, difference=-0.05)]
    world.drop(good(2))
    arn = list(world.registry.packages)[-1]
    world.registry.decide(arn, "Approved", "we want it")  # type: ignore[arg-type]
    status = world.settle()
    assert (status["outcome"], status["champion"]["training_job"]) == ("Live", world.jobs[1])


def test_an_older_pending_model_can_still_be_approved(world: World) -> None:
    world.results = [Trained(rows=100), Trained(accuracy=0.5)]
    world.drop(good(1))
    assert world.drop(good(2))["outcome"] == "Rejected"
    world.registry.decide(next(iter(world.registry.packages)), "Approved", "")  # type: ignore[arg-type]
    status = world.settle()
    assert status["champion"]["training_job"] == world.jobs[0]
    assert len(world.jobs) == 2


def test_other_classes_wait_for_a_person(world: World) -> None:
    world.drop(good(1))
    world.results = [Trained(same_classes=False)]
    assert world.drop(good(2))["outcome"] == "PendingApproval"
    assert world.endpoints.endpoints[LIVE].config == world.jobs[0]


def test_bad_data_is_refused_with_a_report_and_nothing_is_trained(world: World) -> None:
    status = world.drop(csv(row(0), "1,2,x"))
    assert (status["phase"], status["outcome"], world.jobs) == ("Refused", "Refused", [])
    assert "a.csv, line 2, column 3" in status["message"]
    assert "a.csv, line 2, column 3" in world.report()
    assert "a.csv, line 2, column 3" in world.log.getvalue()
    assert world.storage.get_bytes("datasets/fm/a.csv") == csv(row(0), "1,2,x")


def test_refused_data_is_refused_again_and_put_right_goes_live(world: World) -> None:
    world.drop(csv("0,1"))
    world.ready()
    assert world.settle()["outcome"] == "Refused"
    world.drop(good())
    world.put("a.csv", csv("0,1"))
    before = len([k for k in world.storage.versions if k.startswith("reports/")])
    status = world.settle()
    assert status["outcome"] == "Refused"
    assert "a.csv" in world.report()
    assert len([k for k in world.storage.versions if k.startswith("reports/")]) == before
    assert world.drop(good())["outcome"] == "AlreadyTrained"


@pytest.mark.parametrize(
    ("path", "what_to_do"), [("1.png", "put each into a folder"), ("notes.txt", "CSV")]
)
def test_a_dataset_without_data_is_refused_with_what_to_do(
    world: World, path: str, what_to_do: str
) -> None:
    world.put(path, b"x")
    status = world.settle()
    assert status["outcome"] == "Refused"
    assert what_to_do in status["message"]
    assert path in world.report()


def test_ready_in_an_empty_dataset_is_refused(world: World) -> None:
    ready = world.ready()
    status = world.settle()
    assert (status["outcome"], status["ready"]) == ("Refused", ready)


def test_a_lost_preflight_is_asked_for_again_and_given_up_in_the_end(world: World) -> None:
    world.put("a.csv", good())
    world.ready()
    for _ in range(6):
        world.reconcile()
        assert world.status()["phase"] == "Checking"
        world.queues.asked.clear()
        world.queues.woken.clear()
        world.later(1000)
    status = world.settle()
    assert status["outcome"] == "Failed"
    world.ready()
    assert world.settle()["outcome"] == "Live"


def test_class_names_and_hyperparameters_reach_the_job(world: World) -> None:
    world.put("dataset.json", b'{"classes": ["Bag", "Shoe"], "hyperparameters": {"epochs": 2}}')
    world.drop(good())
    request = world.training.requests[world.jobs[0]]
    assert request["HyperParameters"]["epochs"] == "2"
    assert len(CLASSES) == 2


def test_a_dataset_that_is_not_there_leaves_no_item(world: World) -> None:
    world.reconcile()
    assert world.table.held == {}


def test_who_waits_for_a_person_stays_in_the_sweep() -> None:
    world = World()
    world.results = [Trained(rows=5)]
    status = world.drop(good(1))
    assert status["outcome"] == "PendingApproval"
    [mark] = world.table.marks()
    assert mark.unsettled is True
    world.drop(good(2))
    assert world.table.marks()[0].unsettled is True  # the first may still be approved


def test_who_is_live_leaves_the_sweep() -> None:
    world = World()
    world.drop(good(1))
    [mark] = world.table.marks()
    assert mark.unsettled is False
    assert mark.updated is not None


def test_a_delayed_message_that_comes_early_is_followed_by_another() -> None:
    world = World()
    world.put("a.csv", good())
    world.reconcile()
    [(_, delay)] = world.queues.woken
    world.queues.woken.clear()
    world.later(delay - 0.3)
    world.reconcile()
    assert world.status()["phase"] == "Waiting"
    assert len(world.queues.woken) == 1


def test_what_a_newer_release_wrote_is_passed_over(world: World) -> None:
    world.drop(good())
    item = world.table.get("dataset/fm")
    assert item is not None
    raw = item.state
    for members in (raw, raw["champion"], *raw["past"].values()):
        members["of_a_later_release"] = 1
    world.table.put("dataset/fm", raw, item.revision)
    assert world.drop(good())["outcome"] == "AlreadyTrained"
