"""Who may read the page, what it says of the cloud itself, and what of SageMaker's state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localcloud.home import Home, Running
from localcloud.page.about import About
from localcloud.page.series import Series
from localcloud.page.snapshot import Snapshot
from localcloud.sagemaker.store import Kind, Resource, Store
from localcloud.tail import Tail

JOBS = "/aws/sagemaker/TrainingJobs"


def test_ministack_is_asked_now_and_then_not_at_every_look(tmp_path: Path) -> None:
    asked: list[float] = []
    time = [0.0]

    def healthy() -> bool:
        asked.append(time[0])
        return time[0] < 5

    about = About(
        Home.at(tmp_path / "a b"), Running(1, 4566, "eu-west-1", 5.0), healthy, lambda: time[0]
    )
    first = about()
    assert first["services"][1] == {
        "name": "MiniStack",
        "url": "http://127.0.0.1:4566",
        "healthy": True,
    }
    assert first["option"] == f" --home '{tmp_path}/a b'"
    assert (first["region"], first["env"]) == ("eu-west-1", None)
    time[0] = 4.9
    assert about() == first
    time[0] = 5.0
    assert about()["services"][1]["healthy"] is False
    assert asked == [0.0, 5.0]


class World:
    def __init__(self) -> None:
        self.store, self.series, self.tail = Store(":memory:"), Series(), Tail()
        self.snapshot = Snapshot(self.store, self.series, self.tail)

    def add(self, kind: Kind, name: str, status: str, created: float = 1.0, **view: Any) -> str:
        arn = f"arn:aws:sagemaker:us-east-1:000000000000:{kind}/{name}"
        state = {k: v for k, v in view.items() if k.startswith("_") or k == "SecondaryStatus"}
        request = {k: v for k, v in view.items() if k not in state}
        self.store.add(Resource(kind, name, arn, status, created, created, request, state))
        return arn

    def named(self, kind: str) -> list[str]:
        return [item["name"] for item in self.snapshot()[kind]]


def test_old_jobs_give_way_but_never_those_under_way() -> None:
    world = World()
    world.add(Kind.TRAINING_JOB, "long", "InProgress", 0.0)
    for number in range(40):
        world.add(Kind.TRAINING_JOB, f"job-{number:02}", "Completed", 1.0 + number)
    names = world.named("training")
    assert names[0] == "job-39"
    assert names[-1] == "long"
    assert len(names) == 31
    assert world.snapshot()["totals"]["training-job"] == {"Completed": 40, "InProgress": 1}


def test_trials_stand_under_their_tuning_job_with_the_best_of_them() -> None:
    world = World()
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate"}]},
    }
    arn = world.add(Kind.TUNING_JOB, "tune", "InProgress", HyperParameterTuningJobConfig=config)
    for number, (status, loss) in enumerate(
        [("Completed", 0.5), ("Completed", 0.2), ("Failed", None), ("InProgress", 0.4)]
    ):
        final = [{"MetricName": "loss", "Value": loss, "Timestamp": 1.0}] if loss else []
        world.add(
            Kind.TRAINING_JOB,
            f"tune-{number}",
            status,
            float(number),
            TuningJobArn=arn,
            HyperParameters={"rate": str(number), "epochs": "9", "_tuning_objective_metric": "x"},
            FinalMetricDataList=final,
        )
    world.add(Kind.TRAINING_JOB, "alone", "Completed")
    told = world.snapshot()
    assert [job["name"] for job in told["training"]] == ["alone"]
    (tuning,) = told["tuning"]
    assert [trial["value"] for trial in tuning["trials"]] == [0.5, 0.2, None, 0.4]
    assert tuning["best"]["name"] == "tune-1"
    assert tuning["best"]["parameters"] == {"rate": "1"}
    assert tuning["counters"] == {"Completed": 2, "Failed": 1, "InProgress": 1}
    assert (tuning["most"], tuning["parallel"]) == (4, 2)


def test_an_endpoint_says_which_of_its_containers_are_warm() -> None:
    world = World()
    summary = {"VariantName": "AllTraffic", "CurrentServerlessConfig": {"MaxConcurrency": 5}}
    world.add(Kind.ENDPOINT, "e", "InService", ProductionVariants=[summary])
    before = world.snapshot.version
    number = world.tail.opened("/aws/sagemaker/Endpoints/e", "AllTraffic/1")
    world.tail.opened("/aws/sagemaker/Endpoints/e", "AllTraffic2/1")
    assert world.snapshot()["endpoints"][0]["variants"][0]["containers"] == 1
    assert world.snapshot.version != before
    world.tail.closed("/aws/sagemaker/Endpoints/e", "AllTraffic/1", number)
    assert world.snapshot()["endpoints"][0]["variants"][0]["containers"] == 0


def test_a_job_of_an_earlier_run_keeps_its_final_values() -> None:
    world = World()
    final = [{"MetricName": "loss", "Value": 0.5, "Timestamp": 3.0}]
    world.add(Kind.TRAINING_JOB, "old", "Completed", 1.0, FinalMetricDataList=final)
    world.add(Kind.TRAINING_JOB, "new", "InProgress", 2.0)
    world.series.take(JOBS, "loss", 0.9, {"TrainingJobName": "new"}, 4.0)
    new, old = world.snapshot()["training"]
    assert new["metrics"] == [{"name": "loss", "last": 0.9, "points": [(4.0, 0.9)]}]
    assert old["metrics"] == [{"name": "loss", "last": 0.5, "points": [(3.0, 0.5)]}]


def test_versions_of_a_group_come_newest_first_and_old_ones_are_counted() -> None:
    world = World()
    world.add(Kind.MODEL_PACKAGE_GROUP, "g", "Completed")
    for version in range(1, 11):
        world.add(
            Kind.MODEL_PACKAGE,
            f"g/{version}",
            "Completed",
            float(version),
            ModelPackageGroupName="g",
            ModelPackageVersion=version,
            ModelApprovalStatus="Approved",
        )
    (group,) = world.snapshot()["groups"]
    assert [v["version"] for v in group["versions"]] == [10, 9, 8, 7, 6, 5, 4, 3]
    assert group["more"] == 2


def test_nothing_new_is_told_by_the_version() -> None:
    world = World()
    world.add(Kind.MODEL, "m", "")
    before = world.snapshot.version
    world.snapshot()
    assert world.snapshot.version == before
    world.store.set_tags("arn", {"a": "b"})
    assert world.snapshot.version != before
