"""Training on several hosts: who they are, what each gets, what they leave together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker import private

from .account import unpack, wait_until
from .conftest import Running

GROUP = "/aws/sagemaker/TrainingJobs"
several_hosts = pytest.mark.skipif(
    not private.available(), reason="the system gives hosts no names of their own"
)


def hosts(count: int, **members: Any) -> dict[str, Any]:
    """ResourceConfig."""
    return {
        "InstanceType": "ml.m5.large",
        "InstanceCount": count,
        "VolumeSizeInGB": 1,
        **members,
    }


def channel(name: str, uri: str, **source: Any) -> dict[str, Any]:
    given = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": given}}


def model(sagemaker: Running, job: dict[str, Any]) -> dict[str, str]:
    return unpack(sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"]))


@several_hosts
def test_hosts_meet_by_their_names_and_share_a_model(sagemaker: Running) -> None:
    for number in range(5):
        sagemaker.put(f"dealt/{number}.csv", str(number))
    uri = f"s3://{sagemaker.bucket}/dealt/"
    job = sagemaker.train(
        "three",
        HyperParameters={"mode": "hosts"},
        ResourceConfig=hosts(3),
        InputDataConfig=[
            channel("all", uri),
            channel("share", uri, S3DataDistributionType="ShardedByS3Key"),
        ],
    )
    assert job["TrainingJobStatus"] == "Completed", job
    files = model(sagemaker, job)
    names = ["algo-1", "algo-2", "algo-3"]
    seen = {name: json.loads(files[f"{name}.json"]) for name in names}
    assert [seen[name]["met"] for name in names] == ["algo-2 algo-3", "welcome", "welcome"]
    for name in names:
        config = seen[name]["config"]
        assert (config["current_host"], config["hosts"]) == (name, names)
        assert config["current_group_name"] == "homogeneousCluster"
        assert [f for f in seen[name]["files"] if f.startswith("all/")] == [
            f"all/{number}.csv" for number in range(5)
        ]
    shares = [[f for f in seen[n]["files"] if f.startswith("share/")] for n in names]
    assert sorted(len(share) for share in shares) == [1, 2, 2]
    assert sorted(name for share in shares for name in share) == [
        f"share/{number}.csv" for number in range(5)
    ]
    output = unpack(sagemaker.read(f"s3://{sagemaker.bucket}/models/three/output/output.tar.gz"))
    assert sorted(output) == sorted([*(f"{name}.json" for name in names), "who"])


@several_hosts
def test_each_host_has_a_log_stream_and_all_count_for_the_metrics(sagemaker: Running) -> None:
    job = sagemaker.train("logs", HyperParameters={"mode": "hosts"}, ResourceConfig=hosts(2))
    for name in ("algo-1", "algo-2"):
        assert "mode hosts" in sagemaker.logs.text(GROUP, f"logs/{name}-")
    assert [m["MetricName"] for m in job["FinalMetricDataList"]] == ["loss"]
    told = sagemaker.metrics.values(GROUP, "loss", TrainingJobName="logs")
    assert sorted(told) == [0.0, 0.1]


@several_hosts
def test_last_host_wins_where_names_clash(sagemaker: Running) -> None:
    """Ours: AWS says only that names must not clash."""
    job = sagemaker.train("clash", HyperParameters={"mode": "hosts"}, ResourceConfig=hosts(2))
    assert model(sagemaker, job)["who"] == "algo-2"


@several_hosts
def test_one_host_that_fails_ends_the_job_and_says_why(sagemaker: Running) -> None:
    job = sagemaker.train(
        "one-fails",
        HyperParameters={"mode": "hosts", "fail_on": "algo-2"},
        ResourceConfig=hosts(3),
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: algo-2 gives up, exit code: 4"
    assert sagemaker.keys("models/one-fails/") == []


@several_hosts
def test_stop_reaches_every_host(sagemaker: Running) -> None:
    sagemaker.train(
        "stop-all", wait=False, HyperParameters={"mode": "polite"}, ResourceConfig=hosts(2)
    )

    def wait() -> bool:
        texts = [sagemaker.logs.text(GROUP, f"stop-all/algo-{number}-") for number in (1, 2)]
        return all("waiting" in text for text in texts)

    wait_until(wait, "both train")
    sagemaker.api.stop_training_job(TrainingJobName="stop-all")
    job = sagemaker.training_ends("stop-all")
    assert job["TrainingJobStatus"] == "Stopped"
    assert model(sagemaker, job) == {"checkpoint": "half"}


@several_hosts
def test_instance_groups_name_hosts_and_take_channels(sagemaker: Running) -> None:
    uri = sagemaker.put("grouped/a.csv", "a").removesuffix("a.csv")
    groups = [
        {"InstanceGroupName": "big", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "small", "InstanceType": "ml.m5.large", "InstanceCount": 1},
    ]
    job = sagemaker.train(
        "groups",
        HyperParameters={"mode": "hosts"},
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
        InputDataConfig=[channel("train", uri, InstanceGroupNames=["small"])],
    )
    files = model(sagemaker, job)
    first, second = (json.loads(files[f"algo-{number}.json"]) for number in (1, 2))
    assert first["config"]["current_group_name"] == "big"
    assert second["config"]["current_instance_type"] == "ml.m5.large"
    assert [g["hosts"] for g in second["config"]["instance_groups"]] == [["algo-1"], ["algo-2"]]
    assert (first["files"], second["files"]) == ([], ["train/a.csv"])


def test_instance_groups_exclude_the_other_way_to_say_it(sagemaker: Running) -> None:
    group = {"InstanceGroupName": "g", "InstanceType": "ml.m5.large", "InstanceCount": 1}
    with pytest.raises(ClientError, match="InstanceGroups"):
        sagemaker.train("both", ResourceConfig=hosts(1, InstanceGroups=[group]))


@several_hosts
def test_two_jobs_of_two_hosts_run_at_the_same_time(sagemaker: Running) -> None:
    """Their hosts have the same names and use the same port."""
    for name in ("pair-a", "pair-b"):
        sagemaker.train(
            name, wait=False, HyperParameters={"mode": "hosts"}, ResourceConfig=hosts(2)
        )
    for name in ("pair-a", "pair-b"):
        job = sagemaker.training_ends(name)
        assert job["TrainingJobStatus"] == "Completed", job
        assert json.loads(model(sagemaker, job)["algo-1.json"])["met"] == "algo-2"


@several_hosts
def test_instance_metrics_name_the_host(sagemaker: Running) -> None:
    sagemaker.train(
        "measured", wait=False, HyperParameters={"mode": "polite"}, ResourceConfig=hosts(2)
    )

    def told() -> bool:
        return all(
            sagemaker.metrics.values(GROUP, name, Host=f"measured/algo-{number}")
            for name in ("CPUUtilization", "MemoryUtilization")
            for number in (1, 2)
        )

    wait_until(told, "both hosts are measured")
    sagemaker.api.stop_training_job(TrainingJobName="measured")
    sagemaker.training_ends("measured")
    memory = sagemaker.metrics.values(GROUP, "MemoryUtilization", Host="measured/algo-2")
    assert all(0 < value <= 100 for value in memory)
