"""What CreateTrainingJob refuses, and DeleteTrainingJob."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Running

GROUP_ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p-0123456789abcdef"


def resources(**members: Any) -> dict[str, Any]:
    return {
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
            **members,
        }
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"EnableNetworkIsolation": True},
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
        {"ExperimentConfig": {"ExperimentName": "e"}},
        {"InfraCheckConfig": {"EnableInfraCheck": True}},
        {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
        {"OutputDataConfig": {"S3OutputPath": "https://s3.amazonaws.com/bucket/models"}},
        {"CheckpointConfig": {"S3Uri": "https://s3.amazonaws.com/bucket/checkpoints"}},
        {"TensorBoardOutputConfig": {"S3OutputPath": "https://s3.amazonaws.com/bucket/events"}},
        resources(KeepAlivePeriodInSeconds=60),
        resources(VolumeKmsKeyId="key"),
        resources(TrainingPlanArn=GROUP_ARN),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_here_is_refused(sagemaker: Running, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="is not supported by the local cloud") as caught:
        sagemaker.train("refused", **changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert not sagemaker.api.list_training_jobs(NameContains="refused")["TrainingJobSummaries"]


@pytest.mark.parametrize(
    ("definitions", "match"),
    [
        ([{"Name": f"m{n}", "Regex": "(x)"} for n in range(41)], "less than or equal to 40"),
        ([{"Name": "m", "Regex": "(x"}], "Invalid regular expression"),
        ([{"Name": "m", "Regex": "x"}], "exactly one group"),
        ([{"Name": "m", "Regex": "(x)" * 200}], "less than or equal to 500"),
    ],
)
def test_metric_definitions(
    sagemaker: Running, definitions: list[dict[str, str]], match: str
) -> None:
    algorithm = sagemaker.training_request("refused")["AlgorithmSpecification"]
    with pytest.raises(ClientError, match=match):
        sagemaker.train(
            "refused", AlgorithmSpecification={**algorithm, "MetricDefinitions": definitions}
        )


def test_encryption_between_hosts_changes_nothing_here(sagemaker: Running) -> None:
    """Hosts talk over the loopback interface: nobody else listens."""
    job = sagemaker.train("encrypted", EnableInterContainerTrafficEncryption=True)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableInterContainerTrafficEncryption"] is True


def test_entry_point_and_arguments_of_ones_own(sagemaker: Running) -> None:
    algorithm = sagemaker.training_request("own")["AlgorithmSpecification"]
    job = sagemaker.train(
        "own",
        AlgorithmSpecification={
            **algorithm,
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": ['echo "loss=0.5;"; echo own > $SAGEMAKER_BASE_DIR/model/mine'],
        },
    )
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["FinalMetricDataList"][0]["Value"] == 0.5
    assert job["AlgorithmSpecification"]["ContainerEntrypoint"] == ["/bin/sh", "-c"]


def test_delete_training_job_frees_its_name(sagemaker: Running) -> None:
    sagemaker.train("deleted")
    kept = sagemaker.keys("models/deleted/")
    sagemaker.api.delete_training_job(TrainingJobName="deleted")
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.api.describe_training_job(TrainingJobName="deleted")
    assert sagemaker.keys("models/deleted/") == kept
    assert sagemaker.train("deleted")["TrainingJobStatus"] == "Completed"


def test_delete_training_job_that_runs(sagemaker: Running) -> None:
    sagemaker.train("kept", wait=False, HyperParameters={"mode": "polite"})
    with pytest.raises(sagemaker.api.exceptions.ResourceInUse, match="InProgress"):
        sagemaker.api.delete_training_job(TrainingJobName="kept")
    sagemaker.api.stop_training_job(TrainingJobName="kept")
    sagemaker.training_ends("kept")
