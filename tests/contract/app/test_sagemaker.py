"""What the SageMaker adapters promise: a name of ours that is there already is success."""

from __future__ import annotations

import uuid

import pytest

from chalicelib.aws.endpoints import Instances, Serverless
from chalicelib.aws.registry import Approval, metadata
from chalicelib.datasets.cost import shortage
from chalicelib.errors import LimitReached, RequestRefused, ResourceNotFound, Unavailable
from tests.contract.app.conftest import SageMaker

ROLE = "arn:aws:iam::000000000000:role/execution"
TAGS = {"pigeonhole:dataset": "x"}


def name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def package(sagemaker: SageMaker, group: str, token: str, **properties: str) -> str:
    sagemaker.registry.ensure_group(group, TAGS)
    container = {"Image": "test/server:1", "ModelDataUrl": sagemaker.model_url}
    return sagemaker.registry.register(
        {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {"Containers": [container]},
            "ModelApprovalStatus": "PendingManualApproval",
            "CustomerMetadataProperties": properties,
            "ClientToken": token,
        }
    )


def config(sagemaker: SageMaker) -> str:
    """An endpoint config over an approved package."""
    found = name("c")
    arn = package(sagemaker, name("g"), name("t"), training_job=found)
    sagemaker.registry.decide(arn, Approval.APPROVED, "good")
    for _ in range(2):
        sagemaker.endpoints.ensure_model(found, arn, ROLE, TAGS)
        sagemaker.endpoints.ensure_config(found, found, Serverless(2048, 5), TAGS)
    return found


def test_a_training_job_is_made_once(sagemaker: SageMaker) -> None:
    job = name("j")
    assert sagemaker.training.describe(job) is None
    for _ in range(2):
        sagemaker.training.create(sagemaker.training_request(job))
    found = sagemaker.training.describe(job)
    assert found is not None
    assert found.name == job
    assert found.status in ("InProgress", "Completed")


def test_a_job_tells_what_it_ran_on_and_was_billed(sagemaker: SageMaker) -> None:
    job = name("j")
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    sagemaker.training.create(sagemaker.training_request(job) | {"ResourceConfig": resources})
    started = sagemaker.training.describe(job)
    assert started is not None
    assert (started.instance_type, started.instance_count) == ("ml.m5.large", 1)
    assert not started.spot
    sagemaker.end_job(job)
    ended = sagemaker.training.describe(job)
    assert ended is not None
    assert ended.training_seconds >= 1
    assert ended.billable_seconds >= 1


def test_a_quota_is_told_apart_and_makes_no_job(sagemaker: SageMaker) -> None:
    job, resources = name("j"), {"InstanceCount": 1, "VolumeSizeInGB": 10}
    denied = {"ResourceConfig": {"InstanceType": "ml.g6.xlarge", **resources}}
    sagemaker.deny("ml.g6.xlarge")
    with pytest.raises(LimitReached) as refused:
        sagemaker.training.create(sagemaker.training_request(job) | denied)
    assert shortage.too_small(str(refused.value)) == "the account's limit is 0"
    assert sagemaker.training.describe(job) is None


def test_a_request_that_is_refused_for_good_is_told_apart(sagemaker: SageMaker) -> None:
    request = sagemaker.training_request(name("j")) | {"HyperParameters": {"x": "a\nb"}}
    with pytest.raises(RequestRefused, match="pattern"):
        sagemaker.training.create(request)
    assert sagemaker.training.describe(request["TrainingJobName"]) is None


def test_a_package_is_registered_once_and_decided_with_a_reason(sagemaker: SageMaker) -> None:
    group, token = name("g"), name("t")
    first = package(sagemaker, group, token, training_job="a")
    assert package(sagemaker, group, token, training_job="a") == first
    second = package(sagemaker, group, name("t"), training_job="b")
    assert second != first
    sagemaker.registry.decide(second, Approval.REJECTED, "worse than a")
    found = sagemaker.registry.describe(second)
    assert found is not None
    assert (found.approval, found.description) == ("Rejected", "worse than a")
    assert found.properties["training_job"] == "b"
    untouched = sagemaker.registry.describe(first)
    assert untouched is not None
    assert untouched.approval == "PendingManualApproval"


def test_a_decision_adds_its_numbers_and_takes_stale_ones_away(sagemaker: SageMaker) -> None:
    arn = package(sagemaker, name("g"), name("t"), training_job="a", decision="Pending", stale="1")
    numbers = {"decision": "Rejected", "decided_by": metadata("anna (arn:aws:iam::0:user/a), 2")}
    sagemaker.registry.decide(arn, Approval.REJECTED, "worse:\nby 2 %", numbers, ["stale"])
    found = sagemaker.registry.describe(arn)
    assert found is not None
    assert found.properties == {
        "training_job": "a",
        "decision": "Rejected",
        "decided_by": "anna _arn:aws:iam::0:user/a__ 2",
    }
    sagemaker.registry.decide(arn, Approval.APPROVED, "x" * 2000)
    found = sagemaker.registry.describe(arn)
    assert found is not None
    assert found.properties["decision"] == "Rejected"  # a status alone leaves them as they are
    assert found.modified_by.startswith("arn:aws:")


def test_what_is_approved_is_listed_the_newest_first(sagemaker: SageMaker) -> None:
    group = name("g")
    assert sagemaker.registry.approved(group) == []
    arns = [package(sagemaker, group, name("t"), training_job=job) for job in "abc"]
    for arn, approval in zip(arns, ("Approved", "Rejected", "Approved"), strict=True):
        sagemaker.registry.decide(arn, Approval(approval), "")
    assert sagemaker.registry.approved(group) == [arns[2], arns[0]]
    found = sagemaker.registry.search(group, lambda one: one.approval == "Rejected")
    assert found is not None
    assert found.arn == arns[1]


def test_a_card_that_is_none_is_refused_for_good(sagemaker: SageMaker) -> None:
    group = name("g")
    sagemaker.registry.ensure_group(group, TAGS)
    container = {"Image": "test/server:1", "ModelDataUrl": sagemaker.model_url}
    request = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {"Containers": [container]},
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": {"training_job": "a"},
        "ClientToken": name("t"),
    }
    with pytest.raises(RequestRefused, match="ModelCardContent"):
        sagemaker.registry.register(request | {"ModelCard": {"ModelCardContent": "no JSON"}})
    assert sagemaker.registry.register(request | {"ModelCard": {"ModelCardContent": "{}"}})


def test_packages_are_found_by_their_properties(sagemaker: SageMaker) -> None:
    group = name("g")
    assert sagemaker.registry.find(group, {"training_job": "a"}) is None
    arns = [package(sagemaker, group, name("t"), training_job=job, x="1") for job in "aba"]
    newest = sagemaker.registry.find(group, {"training_job": "a"})
    assert newest is not None
    assert newest.arn == arns[2]
    assert sagemaker.registry.find(group, {"training_job": "a", "x": "2"}) is None


def test_a_missing_package_is_none(sagemaker: SageMaker) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{name('g')}/1"
    assert sagemaker.registry.describe(arn) is None


def test_an_endpoint_comes_up_changes_and_goes(sagemaker: SageMaker) -> None:
    endpoint, first, second = name("e"), config(sagemaker), config(sagemaker)
    assert sagemaker.endpoints.describe(endpoint) is None
    for _ in range(2):
        sagemaker.endpoints.create(endpoint, first, TAGS)
    sagemaker.settle(endpoint)
    found = sagemaker.endpoints.describe(endpoint)
    assert found is not None
    assert (found.status, found.config) == ("InService", first)
    sagemaker.endpoints.update(endpoint, second)
    with pytest.raises(Unavailable):  # busy: later
        sagemaker.endpoints.update(endpoint, first)
    sagemaker.settle(endpoint)
    found = sagemaker.endpoints.describe(endpoint)
    assert found is not None
    assert (found.status, found.config) == ("InService", second)
    sagemaker.endpoints.delete(endpoint)
    sagemaker.settle(endpoint)
    assert sagemaker.endpoints.describe(endpoint) is None
    sagemaker.endpoints.delete(endpoint)


def test_a_config_tells_what_it_runs_on_until_it_is_deleted(sagemaker: SageMaker) -> None:
    endpoints, model = sagemaker.endpoints, config(sagemaker)
    other = f"{model}-h0123"
    for _ in range(2):
        endpoints.ensure_config(other, model, Instances("ml.m5.large", 2), TAGS)
    assert endpoints.capacity(model) == Serverless(2048, 5)
    assert endpoints.capacity(other) == Instances("ml.m5.large", 2)
    assert endpoints.configs(model) == [model, other]
    for _ in range(2):
        endpoints.delete_model(model)
        endpoints.delete_config(other)
    assert endpoints.configs(model) == [model]
    assert endpoints.capacity(other) is None


def test_serverless_becomes_instances_and_not_the_other_way_round(sagemaker: SageMaker) -> None:
    endpoint, serverless = name("e"), config(sagemaker)
    instances = f"{serverless}-h0123"
    capacity = Instances("ml.m5.large", 1)
    sagemaker.endpoints.ensure_config(instances, serverless, capacity, TAGS)
    sagemaker.endpoints.create(endpoint, serverless, TAGS)
    sagemaker.settle(endpoint)
    found = sagemaker.endpoints.describe(endpoint)
    assert found is not None
    assert found.serverless
    sagemaker.endpoints.update(endpoint, instances)
    sagemaker.settle(endpoint)
    found = sagemaker.endpoints.describe(endpoint)
    assert found is not None
    assert (found.config, found.serverless, found.pending) == (instances, False, "")
    with pytest.raises(RequestRefused):
        sagemaker.endpoints.update(endpoint, serverless)


def test_what_is_not_there_is_said_so(sagemaker: SageMaker) -> None:
    with pytest.raises(ResourceNotFound):
        sagemaker.endpoints.update(name("e"), config(sagemaker))
    with pytest.raises(ResourceNotFound):
        sagemaker.runtime.invoke(name("e"), b"x", "image/png", "application/json")


@pytest.mark.parametrize("sagemaker", ["real"], indirect=True)  # the memory knows golden images
def test_an_endpoint_answers(sagemaker: SageMaker) -> None:
    endpoint = name("e")
    sagemaker.endpoints.create(endpoint, config(sagemaker), TAGS)
    sagemaker.settle(endpoint)
    answer = sagemaker.runtime.invoke(endpoint, b"hello", "image/png", "application/json")
    assert answer.body == b"one:hello"
