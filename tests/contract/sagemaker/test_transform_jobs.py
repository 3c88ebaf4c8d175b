"""Batch transform jobs run for real."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import wait_until
from .conftest import Running

GROUP = "/aws/sagemaker/TransformJobs"


def request(sagemaker: Running, name: str, model: str, **changes: Any) -> dict[str, Any]:
    """A request over the objects under `in/<name>/`."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{sagemaker.bucket}/in/{name}/"}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/plain",
            "SplitType": "None",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{sagemaker.bucket}/out/{name}"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }


def run(sagemaker: Running, name: str, files: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Transform these files; returns the job at its end."""
    for key, body in files.items():
        sagemaker.put(f"in/{name}/{key}", body)
    model = sagemaker.model(name="m", **changes.pop("artifact", {}))
    sagemaker.api.create_transform_job(**request(sagemaker, name, model, **changes))
    return sagemaker.transform_ends(name)


def outputs(sagemaker: Running, name: str) -> dict[str, str]:
    prefix = f"out/{name}/"
    return {
        key.removeprefix(prefix): sagemaker.read(f"s3://{sagemaker.bucket}/{key}").decode()
        for key in sagemaker.keys(prefix)
    }


def test_create_transform_job_writes_an_output_an_object(sagemaker: Running) -> None:
    job = run(sagemaker, "good", {"a.txt": "1", "sub/b.txt": "2"}, MaxConcurrentTransforms=2)
    assert job["TransformJobStatus"] == "Completed"
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert outputs(sagemaker, "good") == {"a.txt.out": "m:1", "sub/b.txt.out": "m:2"}
    told = sagemaker.events.details("SageMaker Transform Job State Change", TransformJobName="good")
    assert [d["TransformJobStatus"] for d in told] == ["InProgress", "InProgress", "Completed"]
    assert told[-1]["TransformEndTime"].endswith("Z")
    text = sagemaker.logs.text(GROUP, "/data-log")
    assert "MaxConcurrentTransforms=2, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in text


def test_one_bad_object_fails_the_job_and_keeps_the_other_outputs(sagemaker: Running) -> None:
    files = {"a": "1", "b": "status 400", "c": "3"}
    job = run(sagemaker, "partial", files)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert outputs(sagemaker, "partial") == {"a.out": "m:1", "c.out": "m:3"}
    text = sagemaker.logs.text(GROUP, "partial/")
    assert "in/partial/b: Bad HTTP status received from algorithm: 400" in text
    assert "the model says no" in text


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (2, 3)])
def test_model_client_config_says_how_often_a_5xx_is_tried(
    sagemaker: Running, retries: int, tries: int
) -> None:
    name = f"retry-{retries}"
    client = {"InvocationsMaxRetries": retries, "InvocationsTimeoutInSeconds": 5}
    job = run(sagemaker, name, {"a": "status 500"}, ModelClientConfig=client)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    invoked = sagemaker.logs.text(GROUP, f"{name}/").count("invoked with 10 bytes")
    assert invoked == tries


def test_execution_parameters_of_the_container_are_honoured(sagemaker: Running) -> None:
    run(sagemaker, "own", {"a": "1"}, artifact={"mode": "parameters"})
    run(
        sagemaker,
        "asked",
        {"a": "1"},
        artifact={"mode": "parameters"},
        MaxConcurrentTransforms=1,
    )
    assert "MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD" in (
        sagemaker.logs.text(GROUP, "own/")
    )
    assert "MaxConcurrentTransforms=1," in sagemaker.logs.text(GROUP, "asked/")


def test_container_is_told_of_the_batch(sagemaker: Running) -> None:
    run(sagemaker, "told", {"a": "environment"}, MaxPayloadInMB=2, Environment={"FOR": "this job"})
    seen = json.loads(outputs(sagemaker, "told")["a.out"])
    assert seen["SAGEMAKER_BATCH"] == "true"
    assert seen["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "2"
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in seen
    assert seen["FOR"] == "this job"


def test_input_manifest_names_the_objects(sagemaker: Running) -> None:
    sagemaker.put("in/listed/a", "1")
    sagemaker.put("in/listed/b", "2")
    manifest = json.dumps([{"prefix": f"s3://{sagemaker.bucket}/in/listed/"}, "b"])
    uri = sagemaker.put("manifest", manifest)
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": uri}}
    job = run(sagemaker, "listed", {}, TransformInput={"DataSource": source})
    assert job["TransformJobStatus"] == "Completed"
    assert outputs(sagemaker, "listed") == {"b.out": "m:2"}


def test_object_over_the_payload_limit_is_not_sent(sagemaker: Running) -> None:
    job = run(sagemaker, "large", {"a": "x" * (1024 * 1024 + 1), "b": "1"}, MaxPayloadInMB=1)
    assert job["TransformJobStatus"] == "Failed"
    assert list(outputs(sagemaker, "large")) == ["b.out"]
    assert "MaxPayloadInMB=1" in sagemaker.logs.text(GROUP, "large/")


@pytest.mark.parametrize("mode", ["unhealthy", "dead"])
def test_container_that_does_not_come_up_fails_the_job(sagemaker: Running, mode: str) -> None:
    job = run(sagemaker, f"ill-{mode}", {"a": "1"}, artifact={"mode": mode})
    assert job["TransformJobStatus"] == "Failed"
    assert "failed to respond to ping" in job["FailureReason"]


def test_no_input_fails_the_job(sagemaker: Running) -> None:
    job = run(sagemaker, "empty", {})
    assert "No S3 objects found" in job["FailureReason"]


def test_stop_transform_job(sagemaker: Running) -> None:
    sagemaker.put("in/stopped/a", "sleep 60")
    model = sagemaker.model(name="m")
    sagemaker.api.create_transform_job(**request(sagemaker, "stopped", model))
    wait_until(lambda: "invoked" in sagemaker.logs.text(GROUP, "stopped/"), "it works")
    sagemaker.api.stop_transform_job(TransformJobName="stopped")
    assert sagemaker.transform_ends("stopped")["TransformJobStatus"] == "Stopped"
    assert outputs(sagemaker, "stopped") == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        sagemaker.api.stop_transform_job(TransformJobName="stopped")


def test_describe_transform_job_that_is_not_there(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="Could not find requested job") as caught:
        sagemaker.api.describe_transform_job(TransformJobName="never")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_list_transform_jobs(sagemaker: Running) -> None:
    run(sagemaker, "list-a", {"a": "1"})
    run(sagemaker, "list-b", {"a": "status 400"})
    listed = sagemaker.api.list_transform_jobs(NameContains="list-", SortBy="Name")
    jobs = listed["TransformJobSummaries"]
    found = [(j["TransformJobName"], j["TransformJobStatus"]) for j in jobs]
    assert found == [("list-b", "Failed"), ("list-a", "Completed")]


@pytest.mark.parametrize(
    "changes",
    [
        {"DataProcessing": {"JoinSource": "Input"}},
        {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
    ],
)
def test_what_is_not_supported_is_said(sagemaker: Running, changes: dict[str, Any]) -> None:
    model = sagemaker.model(name="m")
    with pytest.raises(ClientError, match="not supported by the local cloud") as caught:
        sagemaker.api.create_transform_job(**request(sagemaker, "odd", model, **changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_split_types_are_refused_until_they_are_there(sagemaker: Running) -> None:
    full = request(sagemaker, "split", sagemaker.model(name="m"))
    full["TransformInput"]["SplitType"] = "Line"
    with pytest.raises(ClientError, match="SplitType=Line is not supported"):
        sagemaker.api.create_transform_job(**full)
