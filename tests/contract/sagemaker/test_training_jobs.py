"""Training jobs run for real: the container contract, the states, stopping, failing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker import training

from .account import pack, unpack, wait_until
from .conftest import Running


def channel(name: str, uri: str, data_type: str = "S3Prefix") -> dict[str, Any]:
    source = {"S3DataType": data_type, "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def report(sagemaker: Running, job: dict[str, Any]) -> dict[str, Any]:
    """What the test trainer saw."""
    archive = sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])
    return json.loads(unpack(archive)["report.json"])


def test_create_training_job_walks_the_states_to_completed(sagemaker: Running) -> None:
    job = sagemaker.train("walks", HyperParameters={"output": "1"})
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    steps = job["SecondaryStatusTransitions"]
    walked = [step["Status"] for step in steps]
    assert walked == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(step["StartTime"] <= step["EndTime"] for step in steps)
    assert job["TrainingStartTime"] <= job["TrainingEndTime"] <= job["LastModifiedTime"]
    assert job["BillableTimeInSeconds"] >= 1
    assert sagemaker.keys("models/walks/") == [
        "models/walks/output/model.tar.gz",
        "models/walks/output/output.tar.gz",
    ]
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("walks/output/model.tar.gz")
    left = sagemaker.home / "sagemaker/training/walks"
    wait_until(lambda: not left.exists(), "nothing is left on disk")


def test_artifacts_are_encrypted_with_the_key_that_was_named(sagemaker: Running) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/1234"
    place = {"S3OutputPath": f"s3://{sagemaker.bucket}/secret", "KmsKeyId": key}
    job = sagemaker.train("secret", OutputDataConfig=place)
    assert job["OutputDataConfig"]["KmsKeyId"] == key
    head = sagemaker.s3.head_object(
        Bucket=sagemaker.bucket, Key="secret/secret/output/model.tar.gz"
    )
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_metrics_are_the_last_finite_value_of_each_definition(sagemaker: Running) -> None:
    job = sagemaker.train("metrics")
    found = [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]]
    assert found == [("loss", 0.25)]


def test_container_sees_its_tree_and_nothing_of_the_host(
    sagemaker: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-host")
    sagemaker.put("d1/a.csv", "a")
    sagemaker.put("d1/sub/b.csv", "b")
    sagemaker.put("d10/c.csv", "c")
    sagemaker.put("d1/list", json.dumps([{"prefix": f"s3://{sagemaker.bucket}/d1/"}, "sub/b.csv"]))
    job = sagemaker.train(
        "tree",
        HyperParameters={"epochs": "3"},
        Environment={"MINE": "yes"},
        InputDataConfig=[
            {**channel("train", f"s3://{sagemaker.bucket}/d1/"), "ContentType": "text/csv"},
            channel("one", f"s3://{sagemaker.bucket}/d1/a.csv"),
            channel("listed", f"s3://{sagemaker.bucket}/d1/list", "ManifestFile"),
        ],
    )
    seen = report(sagemaker, job)
    assert {k: v for k, v in seen["files"].items() if not k.endswith("list")} == {
        "train/a.csv": "a",
        "train/sub/b.csv": "b",
        "one/a.csv": "a",
        "listed/sub/b.csv": "b",
    }
    assert seen["configs"]["hyperparameters.json"] == {"epochs": "3"}
    assert seen["configs"]["inputdataconfig.json"]["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }
    assert "ContentType" not in seen["configs"]["inputdataconfig.json"]["one"]
    resources = seen["configs"]["resourceconfig.json"]
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])
    assert resources["current_instance_type"] == "ml.m5.large"
    environment = seen["environment"]
    assert environment["MINE"] == "yes"
    assert environment["TRAINING_JOB_NAME"] == "tree"
    assert environment["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert sorted(name for name in environment if name.startswith("AWS_")) == [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
    ]


def test_failure_file_is_the_failure_reason(sagemaker: Running) -> None:
    job = sagemaker.train("failing", HyperParameters={"mode": "failing"})
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: data changed: b.csv\nxxx")
    assert job["FailureReason"].endswith(", exit code: 3")
    assert len(job["FailureReason"]) == 1024
    assert sagemaker.keys("models/failing/") == []


def test_exit_status_is_told_without_a_failure_file(sagemaker: Running) -> None:
    job = sagemaker.train("silent", HyperParameters={"mode": "silent"})
    assert job["FailureReason"] == "AlgorithmError: , exit code: 7"


def test_unknown_image_fails_the_job_and_names_images_toml(sagemaker: Running) -> None:
    job = sagemaker.train(
        "no-image",
        AlgorithmSpecification={"TrainingImage": "somebody/else:1", "TrainingInputMode": "File"},
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert "somebody/else:1" in job["FailureReason"]
    assert "images.toml" in job["FailureReason"]


def test_missing_data_fails_the_job(sagemaker: Running) -> None:
    uri = f"s3://{sagemaker.bucket}/nothing/"
    job = sagemaker.train("no-data", InputDataConfig=[channel("train", uri)])
    assert job["FailureReason"].startswith("ClientError: Data download failed:No S3 objects found")
    assert "Training" not in [s["Status"] for s in job["SecondaryStatusTransitions"]]


@pytest.mark.parametrize(("mode", "keys"), [("stubborn", 0), ("polite", 1)])
def test_stop_training_job(sagemaker: Running, mode: str, keys: int) -> None:
    name = f"stop-{mode}"
    sagemaker.train(name, wait=False, HyperParameters={"mode": mode})
    group = "/aws/sagemaker/TrainingJobs"
    wait_until(lambda: "waiting" in sagemaker.logs.text(group, f"{name}/algo-1-"), "it runs")
    sagemaker.api.stop_training_job(TrainingJobName=name)
    job = sagemaker.training_ends(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    walked = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert walked == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
    assert len(sagemaker.keys(f"models/{name}/")) == keys
    with pytest.raises(ClientError, match="rejected because the training job is in status Stopped"):
        sagemaker.api.stop_training_job(TrainingJobName=name)


def test_job_that_is_stopped_as_it_ends_keeps_its_model(sagemaker: Running) -> None:
    """The container ends by itself before it hears of the stop."""
    sagemaker.train("photo-finish", wait=False, HyperParameters={"mode": "patient"})
    output = sagemaker.home / "sagemaker/training/photo-finish/algo-1/ml/output"
    wait_until((output / "ready").exists, "it trains")
    training.enter(sagemaker.cloud, "photo-finish", "Stopping", "Stopping")
    (output / "go").touch()
    job = sagemaker.training_ends("photo-finish")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert sagemaker.keys("models/photo-finish/") == ["models/photo-finish/output/model.tar.gz"]


def test_job_that_is_stopped_while_it_uploads_does_not_end_completed(sagemaker: Running) -> None:
    sagemaker.train("too-late", wait=False, HyperParameters={"mode": "big", "megabytes": "12"})

    def uploads() -> bool:
        job = sagemaker.api.describe_training_job(TrainingJobName="too-late")
        return bool(job["SecondaryStatus"] == "Uploading")

    wait_until(uploads, "it uploads")
    sagemaker.api.stop_training_job(TrainingJobName="too-late")
    job = sagemaker.training_ends("too-late")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_max_runtime_stops_the_job_and_keeps_its_model(sagemaker: Running) -> None:
    job = sagemaker.train(
        "too-long",
        HyperParameters={"mode": "polite"},
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert sagemaker.keys("models/too-long/") == ["models/too-long/output/model.tar.gz"]


def test_every_change_is_published_in_the_events_spelling(sagemaker: Running) -> None:
    job = sagemaker.train("told", Tags=[{"Key": "a", "Value": "b"}])
    kind = "SageMaker Training Job State Change"
    told = sagemaker.events.told({"SecondaryStatus": "Completed"}, kind, TrainingJobName="told")
    assert [d["SecondaryStatus"] for d in told] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    last = told[-1]
    assert last["TrainingJobStatus"] == "Completed"
    assert last["CreationTime"] == str(int(job["CreationTime"].timestamp() * 1000))
    assert last["Tags"] == {"a": "b"}
    assert last["ModelArtifacts"] == job["ModelArtifacts"]
    assert "FinalMetricDataList" not in last


def test_training_job_names_are_unique_for_ever(sagemaker: Running) -> None:
    sagemaker.train("once")
    with pytest.raises(sagemaker.api.exceptions.ResourceInUse, match="names must be unique"):
        sagemaker.train("once")


def test_describe_training_job_that_is_not_there(sagemaker: Running) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.api.describe_training_job(TrainingJobName="never")
    error = caught.value.response["Error"]
    assert error == {"Code": "ValidationException", "Message": "Requested resource not found."}


def test_list_training_jobs_pages_filters_and_sorts(sagemaker: Running) -> None:
    for number in range(5):
        sagemaker.train(f"listed-{number}", HyperParameters={"mode": "silent"})
    pages = sagemaker.api.get_paginator("list_training_jobs").paginate(
        NameContains="listed-",
        SortBy="Name",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 2},
    )
    pages = list(pages)
    assert [len(page["TrainingJobSummaries"]) for page in pages] == [2, 2, 1]
    names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert names == [f"listed-{number}" for number in (4, 3, 2, 1, 0)]
    listed = sagemaker.api.list_training_jobs(NameContains="LISTED", StatusEquals="Completed")
    assert listed["TrainingJobSummaries"] == []
    moment = datetime.now(UTC) + timedelta(minutes=1)
    for name, count in (("CreationTimeAfter", 0), ("CreationTimeBefore", 5)):
        found = sagemaker.api.list_training_jobs(NameContains="listed", **{name: moment})
        assert len(found["TrainingJobSummaries"]) == count
    token = sagemaker.api.list_training_jobs(MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="NextToken"):
        sagemaker.api.list_training_jobs(MaxResults=1, NextToken=token, NameContains="x")


def test_container_credentials_are_those_of_the_role(sagemaker: Running) -> None:
    script = (
        "import boto3, os\n"
        "c = boto3.Session().get_credentials().get_frozen_credentials()\n"
        "open(os.environ['SM_MODEL_DIR'] + '/key', 'w').write(c.access_key)\n"
    )
    code = sagemaker.put("code/sourcedir.tar.gz", pack({"train.py": script}))
    job = sagemaker.train(
        "credentials",
        AlgorithmSpecification={"TrainingImage": "test/toolkit:1", "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": code},
    )
    assert job["TrainingJobStatus"] == "Completed", job
    archive = sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert unpack(archive)["key"] == "AKIAEXECUTION"
