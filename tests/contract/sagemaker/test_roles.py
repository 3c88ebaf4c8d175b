"""Execution roles: who is handed one asks first whether SageMaker can assume it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .account import ROLE, TARGET
from .conftest import Running


@pytest.fixture
def unknown(sagemaker: Running) -> str:
    """A role that does not exist, or does not trust SageMaker: AWS does not tell which."""
    role = f"{ROLE}-that-is-not-there"
    if not TARGET.real:
        sagemaker.access.missing_roles.add(role)
    return role


def refused(role: str) -> Any:
    return pytest.raises(
        ClientError,
        match=re.escape(
            f"Could not assume role {role}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role."
        ),
    )


def test_create_training_job_refuses_a_role_that_cannot_be_assumed(
    sagemaker: Running, unknown: str
) -> None:
    with refused(unknown) as error:
        sagemaker.api.create_training_job(
            **sagemaker.training_request("with-no-role", RoleArn=unknown)
        )
    assert error.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.api.describe_training_job(TrainingJobName="with-no-role")


def test_create_model_refuses_a_role_that_cannot_be_assumed(
    sagemaker: Running, unknown: str
) -> None:
    with refused(unknown) as error:
        sagemaker.api.create_model(
            ModelName="with-no-role",
            ExecutionRoleArn=unknown,
            PrimaryContainer={"Image": TARGET.server_image},
        )
    assert error.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.api.describe_model(ModelName="with-no-role")


def test_create_tuning_job_refuses_a_role_that_cannot_be_assumed(
    sagemaker: Running, unknown: str
) -> None:
    trials = sagemaker.training_request("trials", RoleArn=unknown)
    del trials["TrainingJobName"]
    objective = {"Type": "Minimize", "MetricName": "loss"}
    ranges = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.2"}]}
    with refused(unknown):
        sagemaker.api.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="with-no-role",
            HyperParameterTuningJobConfig={
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": objective,
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
                "ParameterRanges": ranges,
            },
            TrainingJobDefinition=trials,
        )


def test_a_model_whose_role_is_gone_makes_no_transform_jobs(sagemaker: Running) -> None:
    role = f"{ROLE}-that-goes"
    sagemaker.access.missing_roles.discard(role)
    name = "of-a-role-that-goes"
    sagemaker.api.create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": TARGET.server_image}
    )
    sagemaker.access.missing_roles.add(role)
    with refused(role):
        sagemaker.api.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{sagemaker.bucket}/in/",
                    }
                }
            },
            TransformOutput={"S3OutputPath": f"s3://{sagemaker.bucket}/out/"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
    assert not sagemaker.api.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
