"""Requests that no SDK sends, or that one client puts together from another's answers."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from .account import Account
from .conftest import Running
from .test_wire import post
from .tuning import request as tuning_request


def test_a_null_is_as_good_as_nothing_at_any_depth(sagemaker: Running) -> None:
    request = sagemaker.training_request("null-members")
    request["AlgorithmSpecification"]["MetricDefinitions"] = None
    request["ResourceConfig"]["InstanceGroups"] = None
    request["InputDataConfig"] = None
    status, answer = post(sagemaker, "SageMaker.CreateTrainingJob", json.dumps(request).encode())
    assert status == 200, answer
    job = sagemaker.training_ends("null-members")
    assert job["TrainingJobStatus"] == "Completed"
    assert "MetricDefinitions" not in job["AlgorithmSpecification"]


@pytest.mark.parametrize(
    "member", ["ParameterRanges", "TuningJobCompletionCriteria", "HyperParameterTuningJobObjective"]
)
def test_a_null_in_a_tuning_job_is_no_fault_of_the_service(sagemaker: Running, member: str) -> None:
    request = tuning_request(sagemaker, f"null-{member[:9].lower()}")
    request["HyperParameterTuningJobConfig"][member] = None
    status, answer = post(
        sagemaker, "SageMaker.CreateHyperParameterTuningJob", json.dumps(request).encode()
    )
    assert status in (200, 400), answer


def test_a_body_too_deep_to_read_is_refused(sagemaker: Running) -> None:
    status, answer = post(sagemaker, "SageMaker.ListModels", b"[" * 100_000)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_the_token_of_another_list_is_refused(sagemaker: Account) -> None:
    for number in range(2):
        sagemaker.api.create_model_package_group(ModelPackageGroupName=f"rough-{number}")
    token = sagemaker.api.list_model_package_groups(MaxResults=1)["NextToken"]
    for call in (
        sagemaker.api.list_hyper_parameter_tuning_jobs,
        sagemaker.api.list_training_jobs,
        sagemaker.api.list_models,
    ):
        with pytest.raises(ClientError) as caught:
            call(MaxResults=1, NextToken=token)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
