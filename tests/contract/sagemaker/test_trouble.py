"""Trouble on demand, as a client of SageMaker meets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud.trouble import Rule

from .account import REGION
from .conftest import Running


@pytest.fixture(autouse=True)
def _no_trouble_left(sagemaker: Running) -> None:
    sagemaker.trouble.clear()


def patient(sagemaker: Running, service: str = "sagemaker", attempts: int = 3) -> Any:
    """A client that tries again by itself."""
    return boto3.client(
        service,
        endpoint_url=sagemaker.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


def group(sagemaker: Running, name: str) -> bool:
    """Whether the model package group is there."""
    listed = sagemaker.api.list_model_package_groups(NameContains=name)
    return bool(listed["ModelPackageGroupSummaryList"])


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [("throttle", "ThrottlingException", 400), ("error-500", "InternalFailure", 500)],
)
def test_the_next_call_is_refused_and_the_one_after_it_is_not(
    sagemaker: Running, kind: str, code: str, status: int
) -> None:
    once = patient(sagemaker, attempts=1)
    sagemaker.trouble.add(Rule(kind, "CreateModelPackageGroup"))
    name = f"refused-{kind}"
    once.list_models()  # other operations do not mind
    with pytest.raises(ClientError) as refused:
        once.create_model_package_group(ModelPackageGroupName=name)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert not group(sagemaker, name)
    once.create_model_package_group(ModelPackageGroupName=name)


@pytest.mark.parametrize("kind", ["throttle", "error-500"])
def test_botocore_tries_again_by_itself(sagemaker: Running, kind: str) -> None:
    sagemaker.trouble.add(Rule(kind, "sagemaker:ListModels", times=2))
    answer = patient(sagemaker).list_models()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_a_call_takes_effect_and_its_reply_is_lost(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("lose-reply", "CreateModelPackageGroup"))
    with pytest.raises(ConnectionClosedError):
        patient(sagemaker, attempts=1).create_model_package_group(ModelPackageGroupName="lost")
    assert group(sagemaker, "lost")


def test_who_sends_again_after_a_lost_reply_hears_that_the_name_is_taken(
    sagemaker: Running,
) -> None:
    sagemaker.trouble.add(Rule("lose-reply", "CreateModelPackageGroup"))
    with pytest.raises(ClientError, match="already exists"):
        patient(sagemaker).create_model_package_group(ModelPackageGroupName="again")


def test_a_call_that_is_refused_anyway_loses_no_reply(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("lose-reply", "DescribeModel"))
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.api.describe_model(ModelName="nowhere")
    assert len(sagemaker.trouble.all()) == 1


def test_a_call_waits_and_is_carried_out(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("slow", "ListModels", seconds=0.3))
    began = time.monotonic()
    sagemaker.api.list_models()
    assert time.monotonic() - began >= 0.3
    assert sagemaker.trouble.all() == []


def test_trouble_may_be_for_some_callers_only(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("throttle", "ListModels", by="somebody-else"))
    sagemaker.api.list_models()
    sagemaker.trouble.add(Rule("throttle", "ListModels", by="*:root"))
    with pytest.raises(ClientError, match="ThrottlingException"):
        patient(sagemaker, attempts=1).list_models()


def test_invocations_have_their_trouble(sagemaker: Running) -> None:
    sagemaker.endpoint("troubled")
    once = patient(sagemaker, "sagemaker-runtime", attempts=1)

    def invoke() -> bytes:
        answer = once.invoke_endpoint(EndpointName="troubled", Body=b"hello")
        body: bytes = answer["Body"].read()
        return body

    sagemaker.trouble.add(Rule("throttle", "InvokeEndpoint"))
    with pytest.raises(ClientError) as throttled:
        invoke()
    assert throttled.value.response["Error"]["Code"] == "ThrottlingException"
    sagemaker.trouble.add(Rule("error-500", "sagemaker-runtime:*"))
    with pytest.raises(ClientError) as failed:
        invoke()
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    sagemaker.trouble.add(Rule("lose-reply", "sagemaker:InvokeEndpoint"))
    with pytest.raises(ConnectionClosedError):
        invoke()
    assert invoke()


def on(instance_type: str, count: int = 2) -> dict[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 1}


def training(sagemaker: Running, name: str, **changes: Any) -> Callable[[], Any]:
    request = sagemaker.training_request(name, ResourceConfig=on("ml.g5.xlarge"), **changes)
    return lambda: sagemaker.api.create_training_job(**request)


def transform(sagemaker: Running, name: str) -> Callable[[], Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": sagemaker.put("in/a.txt", "a")}
    request = {
        "TransformJobName": name,
        "ModelName": sagemaker.model(),
        "TransformInput": {"DataSource": {"S3DataSource": source}},
        "TransformOutput": {"S3OutputPath": f"s3://{sagemaker.bucket}/out/"},
        "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    }
    return lambda: sagemaker.api.create_transform_job(**request)


def endpoint(sagemaker: Running, name: str) -> Callable[[], Any]:
    config = sagemaker.config(
        sagemaker.model(), InstanceType="ml.g5.xlarge", InitialInstanceCount=1
    )
    return lambda: sagemaker.api.create_endpoint(EndpointName=name, EndpointConfigName=config)


@pytest.mark.parametrize(
    ("make", "usage", "delta"),
    [
        (training, "training job", 2),
        (
            lambda s, n: training(
                s,
                n,
                EnableManagedSpotTraining=True,
                StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
            ),
            "spot training job",
            2,
        ),
        (transform, "transform job", 1),
        (endpoint, "endpoint", 1),
    ],
    ids=["training", "spot", "transform", "endpoint"],
)
def test_a_quota_of_0_refuses_what_asks_for_such_instances(
    sagemaker: Running, make: Callable[[Running, str], Callable[[], Any]], usage: str, delta: int
) -> None:
    create = make(sagemaker, "limited")
    sagemaker.trouble.add(Rule("quota", "ml.g*"))
    for _ in range(2):  # it stays
        with pytest.raises(ClientError) as limited:
            create()
        error = limited.value.response["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        assert error["Message"].startswith(
            f"The account-level service limit 'ml.g5.xlarge for {usage} usage' is 0 Instances, "
            "with current utilization of 0 Instances and a request delta of "
            f"{delta} Instances. "
        )


def test_a_quota_leaves_other_types_and_names_that_are_taken_alone(sagemaker: Running) -> None:
    sagemaker.trouble.add(Rule("quota", "ml.g*"))
    sagemaker.train("cheap")
    sagemaker.trouble.add(Rule("quota", "*"))
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.train("cheap")
