"""Batch transform jobs run for real: their states, their limits, what becomes of bad objects."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.trouble import Rule

from .account import TARGET
from .conftest import TIMEOUTS as USUAL
from .conftest import Running, wait_until
from .transforms import GROUP, completed, outputs, request, run, unique

TIMEOUTS = dataclasses.replace(USUAL, instance_start=6.0)  # some never come up
KIND = "SageMaker Transform Job State Change"


def test_create_transform_job_writes_an_output_an_object(sagemaker: Running) -> None:
    job = run(sagemaker, "good", {"a.txt": "1", "sub/b.txt": "2"}, MaxConcurrentTransforms=2)
    assert completed(sagemaker, job) == {"a.txt.out": "m:1", "sub/b.txt.out": "m:2"}
    assert job["TransformStartTime"] <= job["TransformEndTime"]


def test_each_state_is_told_and_the_data_log_begins_with_the_limits(sagemaker: Running) -> None:
    job = run(sagemaker, "told", {"a": "1"}, MaxConcurrentTransforms=2)
    name = job["TransformJobName"]
    told = sagemaker.events.told({"TransformJobStatus": "Completed"}, KIND, TransformJobName=name)
    assert [d["TransformJobStatus"] for d in told] == ["InProgress", "InProgress", "Completed"]
    assert told[-1]["TransformEndTime"].endswith("Z")
    limits = "MaxConcurrentTransforms=2, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert f":[sagemaker logs]: {limits}" in sagemaker.logs.text(GROUP, f"{name}/")


def test_one_bad_object_fails_the_job_and_keeps_the_other_outputs(sagemaker: Running) -> None:
    job = run(sagemaker, "partial", {"a": "1", "b": "status 400", "c": "3"})
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert outputs(sagemaker, job) == {"a.out": "m:1", "c.out": "m:3"}
    name = job["TransformJobName"]
    log = sagemaker.logs.text(GROUP, f"{name}/")
    for line in ("Bad HTTP status received from algorithm: 400", "Message:", "the model says no"):
        assert f"in/{name}/b: {line}" in log


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (2, 3)])
def test_model_client_config_says_how_often_a_5xx_is_tried(
    sagemaker: Running, retries: int, tries: int
) -> None:
    client = {"InvocationsMaxRetries": retries, "InvocationsTimeoutInSeconds": 5}
    job = run(sagemaker, f"retry-{retries}", {"a": "status 500"}, ModelClientConfig=client)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    log = sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")
    assert log.count("invoked with 10 bytes") == tries


def test_container_that_does_not_answer_in_time_fails_the_object(sagemaker: Running) -> None:
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    job = run(sagemaker, "late", {"a": "sleep 20", "b": "1"}, ModelClientConfig=client)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert outputs(sagemaker, job) == {"b.out": "m:1"}
    log = sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")
    assert "Unable to get response from algorithm" in log


def test_execution_parameters_of_the_container_are_honoured(sagemaker: Running) -> None:
    own = run(sagemaker, "own", {"a": "1"}, mode="parameters")
    asked = run(sagemaker, "asked", {"a": "1"}, mode="parameters", MaxConcurrentTransforms=1)
    assert "MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD" in (
        sagemaker.logs.text(GROUP, f"{own['TransformJobName']}/")
    )
    log = sagemaker.logs.text(GROUP, f"{asked['TransformJobName']}/")
    assert "MaxConcurrentTransforms=1," in log


def test_container_is_told_of_the_batch(sagemaker: Running) -> None:
    job = run(
        sagemaker, "environ", {"a": "environment"}, MaxPayloadInMB=2, Environment={"FOR": "this"}
    )
    seen = json.loads(completed(sagemaker, job)["a.out"])
    assert seen["SAGEMAKER_BATCH"] == "true"
    assert seen["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "2"
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in seen
    assert seen["FOR"] == "this"


def test_content_type_and_accept_reach_the_container(sagemaker: Running) -> None:
    job = run(sagemaker, "types", {"a": "headers"}, output={"Accept": "image/png"})
    seen = json.loads(completed(sagemaker, job)["a.out"])
    assert (seen["content-type"], seen["accept"]) == ("text/plain", "image/png")
    key = f"out/{job['TransformJobName']}/a.out"
    assert sagemaker.s3.head_object(Bucket=sagemaker.bucket, Key=key)["ContentType"] == "image/png"


@pytest.mark.skipif(TARGET.real, reason="a real account has no such key")
def test_output_is_encrypted_by_the_key_that_is_named(sagemaker: Running) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    job = run(sagemaker, "key", {"a": "1"}, output={"KmsKeyId": key})
    assert completed(sagemaker, job)["a.out"] == "m:1"
    put = f"out/{job['TransformJobName']}/a.out"
    found = sagemaker.s3.head_object(Bucket=sagemaker.bucket, Key=put)
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)


def test_input_manifest_names_the_objects(sagemaker: Running) -> None:
    for key in ("a", "b", "sub/c"):
        sagemaker.put(f"in/listed/{key}", key)
    prefix = {"prefix": f"s3://{sagemaker.bucket}/in/listed/"}
    uri = sagemaker.put("manifest", json.dumps([prefix, "b", "sub/c"]))
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": uri}}
    job = run(sagemaker, "listed", {}, input_={"DataSource": source})
    assert completed(sagemaker, job) == {"b.out": "m:b", "sub/c.out": "m:sub/c"}


def test_object_over_the_payload_limit_is_not_sent(sagemaker: Running) -> None:
    files = {"a": "x" * (1024 * 1024 + 1), "b": "1"}
    job = run(sagemaker, "large", files, MaxPayloadInMB=1)
    assert job["TransformJobStatus"] == "Failed"
    assert outputs(sagemaker, job) == {"b.out": "m:1"}
    assert "MaxPayloadInMB=1" in sagemaker.logs.text(GROUP, f"{job['TransformJobName']}/")


@pytest.mark.parametrize("mode", ["unhealthy", "dead"])
def test_container_that_does_not_come_up_fails_the_job(sagemaker: Running, mode: str) -> None:
    job = run(sagemaker, f"ill-{mode}", {"a": "1"}, mode=mode)
    assert job["TransformJobStatus"] == "Failed"
    assert "failed to respond to ping" in job["FailureReason"]


def test_no_input_fails_the_job(sagemaker: Running) -> None:
    assert "No S3 objects found" in run(sagemaker, "empty", {})["FailureReason"]


def test_output_that_cannot_be_written_fails_the_job(sagemaker: Running) -> None:
    output = {"S3OutputPath": "s3://no-such-bucket-of-anybody/out"}
    job = run(sagemaker, "nowhere", {"a": "1"}, output=output)
    assert job["FailureReason"] == "ClientError: See job logs for more information"


def test_no_capacity_fails_the_job(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("capacity", "ml.p3.2xlarge", times=1))
    gpu = {"InstanceType": "ml.p3.2xlarge"}
    job = run(sagemaker, "short", {"a": "1"}, resources=gpu)
    assert job["FailureReason"].startswith("CapacityError: ")
    assert completed(sagemaker, run(sagemaker, "again", {"a": "1"}, resources=gpu))


def test_stop_transform_job(sagemaker: Running) -> None:
    name = unique("stopped")
    for key in ("a", "b"):
        sagemaker.put(f"in/{name}/{key}", "sleep 60")
    sagemaker.api.create_transform_job(**request(sagemaker, name, sagemaker.model(name="m")))
    wait_until(lambda: "invoked" in sagemaker.logs.text(GROUP, f"{name}/"), "it works")
    sagemaker.api.stop_transform_job(TransformJobName=name)
    job = sagemaker.transform_ends(name)
    assert job["TransformJobStatus"] == "Stopped"
    assert "TransformEndTime" in job
    assert outputs(sagemaker, name) == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        sagemaker.api.stop_transform_job(TransformJobName=name)


def test_describe_transform_job_that_is_not_there(sagemaker: Running) -> None:
    with pytest.raises(ClientError, match="Could not find requested job") as caught:
        sagemaker.api.describe_transform_job(TransformJobName="never")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_describe_shows_what_was_asked(sagemaker: Running) -> None:
    job = run(
        sagemaker,
        "shown",
        {"a": "1"},
        input_={"SplitType": "Line"},
        BatchStrategy="SingleRecord",
        Tags=[{"Key": "k", "Value": "v"}],
    )
    assert job["TransformInput"]["SplitType"] == "Line"
    assert job["TransformInput"]["CompressionType"] == "None"
    assert job["TransformOutput"]["AssembleWith"] == "None"
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert job["BatchStrategy"] == "SingleRecord"
    assert "Tags" not in job
    tags = sagemaker.api.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]


def test_list_transform_jobs(sagemaker: Running) -> None:
    first = run(sagemaker, "list-a", {"a": "1"})
    second = run(sagemaker, "list-b", {"a": "status 400"})

    def listed(**query: Any) -> list[tuple[str, str]]:
        found = sagemaker.api.list_transform_jobs(NameContains="list-", **query)
        jobs = found["TransformJobSummaries"]
        return [(j["TransformJobName"], j["TransformJobStatus"]) for j in jobs]

    a, b = (first["TransformJobName"], "Completed"), (second["TransformJobName"], "Failed")
    assert listed(SortBy="Name") == [b, a]
    assert listed(SortOrder="Ascending") == [a, b]
    assert listed(StatusEquals="Failed") == [b]
