"""Input channels: where the data comes from, in which mode, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker import private

from .account import TARGET, unpack
from .conftest import Running


def channel(name: str, uri: str, mode: str | None = None, **source: Any) -> dict[str, Any]:
    given = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
    found = {"ChannelName": name, "DataSource": {"S3DataSource": given}}
    return {**found, "InputMode": mode} if mode else found


def seen(sagemaker: Running, job: dict[str, Any]) -> dict[str, Any]:
    assert job["TrainingJobStatus"] == "Completed", job
    archive = sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])
    return json.loads(unpack(archive)["report.json"])


def test_fast_file_is_a_folder_of_its_prefix(sagemaker: Running) -> None:
    """Unlike File mode, whose prefix may end inside a name."""
    uri = sagemaker.put("fast/a.csv", "a").removesuffix("/a.csv")
    sagemaker.put("fast/deep/b.csv", "b")
    sagemaker.put("faster/c.csv", "c")
    job = sagemaker.train(
        "fast",
        InputDataConfig=[channel("fast", uri, "FastFile"), channel("file", uri, "File")],
    )
    report = seen(sagemaker, job)
    assert report["files"] == {
        "fast/a.csv": "a",
        "fast/deep/b.csv": "b",
        "file/a.csv": "a",
        "file/deep/b.csv": "b",
        "file/faster/c.csv": "c",
    }
    configs = report["configs"]["inputdataconfig.json"]
    assert configs["fast"]["TrainingInputMode"] == "FastFile"
    assert configs["file"]["TrainingInputMode"] == "File"


@pytest.mark.skipif(not private.available(), reason="the system gives no read-only mounts")
def test_fast_file_cannot_be_written_to(sagemaker: Running) -> None:
    uri = sagemaker.put("ro/a.csv", "a").removesuffix("a.csv")
    job = sagemaker.train(
        "read-only",
        HyperParameters={"mode": "read-only"},
        AlgorithmSpecification={
            "TrainingImage": TARGET.trainer_image,
            "TrainingInputMode": "FastFile",
        },
        InputDataConfig=[channel("train", uri)],
    )
    archive = unpack(sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert archive["outcome"] in ("a OSError", "a PermissionError")


def test_shuffled_shards_hold_every_object_once(sagemaker: Running) -> None:
    for number in range(4):
        sagemaker.put(f"shuffled/{number}", str(number))
    given = channel(
        "train",
        f"s3://{sagemaker.bucket}/shuffled/",
        S3DataDistributionType="ShardedByS3Key",
    )
    job = sagemaker.train("shuffled", InputDataConfig=[{**given, "ShuffleConfig": {"Seed": 7}}])
    report = seen(sagemaker, job)
    assert sorted(report["files"]) == [f"train/{number}" for number in range(4)]
    config = report["configs"]["inputdataconfig.json"]["train"]
    assert config["S3DistributionType"] == "ShardedByS3Key"


def test_manifest_may_name_objects_anywhere_below_its_prefix(sagemaker: Running) -> None:
    sagemaker.put("m/1/a.csv", "a")
    sagemaker.put("m/2/b.csv", "b")
    listed = [{"prefix": f"s3://{sagemaker.bucket}/m/"}, "1/a.csv", "2/b.csv"]
    uri = sagemaker.put("lists/m.manifest", json.dumps(listed))
    job = sagemaker.train(
        "manifest", InputDataConfig=[channel("train", uri, S3DataType="ManifestFile")]
    )
    assert seen(sagemaker, job)["files"] == {"train/1/a.csv": "a", "train/2/b.csv": "b"}


def test_objects_that_no_file_system_can_hold_fail_the_job(sagemaker: Running) -> None:
    """A key that is the folder of another."""
    uri = sagemaker.put("clash/a", "a").removesuffix("a")
    sagemaker.put("clash/a/b", "b")
    job = sagemaker.train("clashing", InputDataConfig=[channel("train", uri)])
    assert job["FailureReason"].startswith("ClientError: Data download failed:s3://")


@pytest.mark.parametrize("content", ["not json", "[]", '[{"prefix": "s3://b/"}, 1]', "{}"])
def test_manifest_that_is_none_fails_the_job(sagemaker: Running, content: str) -> None:
    name = f"bad-manifest-{abs(hash(content))}"
    uri = sagemaker.put(f"lists/{name}", content)
    job = sagemaker.train(name, InputDataConfig=[channel("x", uri, S3DataType="ManifestFile")])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"CompressionType": "Gzip"}, "CompressionType is only supported in Pipe"),
        ({"RecordWrapperType": "RecordIO"}, "RecordWrapperType is only supported in Pipe"),
        ({"InputMode": "Pipe"}, "InputMode.* is not supported by the local cloud"),
    ],
)
def test_channel_that_is_refused(sagemaker: Running, changes: dict[str, Any], match: str) -> None:
    given = {**channel("train", f"s3://{sagemaker.bucket}/x/"), **changes}
    with pytest.raises(ClientError, match=match) as caught:
        sagemaker.train("refused", InputDataConfig=[given])
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_fast_file_takes_no_manifest(sagemaker: Running) -> None:
    given = channel("t", f"s3://{sagemaker.bucket}/x", "FastFile", S3DataType="ManifestFile")
    with pytest.raises(ClientError, match="S3Prefix"):
        sagemaker.train("refused", InputDataConfig=[given])


def test_twenty_channels_and_no_name_twice(sagemaker: Running) -> None:
    uri = f"s3://{sagemaker.bucket}/x/"
    with pytest.raises(ClientError, match="inputDataConfig"):
        sagemaker.train(
            "refused", InputDataConfig=[channel(f"c{number}", uri) for number in range(21)]
        )
    with pytest.raises(ClientError, match="unique"):
        sagemaker.train("refused", InputDataConfig=[channel("c", uri), channel("c", uri)])
