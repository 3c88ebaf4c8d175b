"""Endpoints on instances: several variants, weights, counts, and changes of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker import Timeouts
from localcloud.trouble import Rule

from .account import Account, wait_until
from .calls import code, create, invoke, pid
from .conftest import Running, running

KIND = "SageMaker Endpoint State Change"
GROUP = "/aws/sagemaker/Endpoints/"


def config(
    sagemaker: Account, *models: str, weights: tuple[float, ...] = (), count: int = 1
) -> str:
    """A config with a variant for each model, of that name."""
    name = f"config-{'-'.join(models)}-{sagemaker.model()}"
    sagemaker.api.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": model,
                "ModelName": sagemaker.model(name=model),
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count,
                "InitialVariantWeight": weight,
            }
            for model, weight in zip(models, weights or (1.0,) * len(models), strict=True)
        ],
    )
    return name


def change(sagemaker: Account, endpoint: str, *wanted: dict[str, Any]) -> None:
    sagemaker.api.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=list(wanted)
    )


def answers(sagemaker: Account, endpoint: str, calls: int = 40) -> set[bytes]:
    return {invoke(sagemaker, endpoint) for _ in range(calls)}


def test_weights_share_the_traffic_and_a_target_overrides_them(sagemaker: Running) -> None:
    made = create(sagemaker, "shared", config(sagemaker, "a", "b", "c", weights=(1, 1, 0)))
    assert [v["CurrentWeight"] for v in made["ProductionVariants"]] == [1, 1, 0]
    assert answers(sagemaker, "shared") == {b"a:hello", b"b:hello"}
    answer = sagemaker.runtime.invoke_endpoint(EndpointName="shared", Body=b"x", TargetVariant="c")
    assert (answer["InvokedProductionVariant"], answer["Body"].read()) == ("c", b"c:x")
    share = sagemaker.metrics.values("AWS/SageMaker", "Invocations", VariantName="a")
    assert 0 < len(share) < 40
    with pytest.raises(ClientError, match="Variant d not found") as caught:
        invoke(sagemaker, "shared", TargetVariant="d")
    assert code(caught.value) == "ValidationError"


def test_weights_are_changed_in_service(sagemaker: Running) -> None:
    create(sagemaker, "shifted", config(sagemaker, "a", "b", weights=(1, 0)))
    assert answers(sagemaker, "shifted", 10) == {b"a:hello"}
    change(
        sagemaker,
        "shifted",
        {"VariantName": "a", "DesiredWeight": 0},
        {"VariantName": "b", "DesiredWeight": 2},
    )
    found = sagemaker.endpoint_settles("shifted")["ProductionVariants"]
    assert [v["CurrentWeight"] for v in found] == [v["DesiredWeight"] for v in found] == [0, 2]
    assert answers(sagemaker, "shifted", 10) == {b"b:hello"}
    told = sagemaker.events.told({"EndpointStatus": "IN_SERVICE"}, KIND, EndpointName="shifted")
    assert [detail["EndpointStatus"] for detail in told][-2:] == ["UPDATING", "IN_SERVICE"]


def test_each_instance_is_a_container_and_one_that_dies_comes_back(sagemaker: Running) -> None:
    create(sagemaker, "two", config(sagemaker, "a", count=2))
    found: set[int] = set()

    def both() -> bool:
        found.add(pid(sagemaker, "two"))
        return len(found) == 2

    wait_until(both, "both answer")
    dead = found.pop()
    os.kill(dead, signal.SIGKILL)

    def third() -> bool:
        return sagemaker.logs.text(GROUP + "two").count("serving as good") == 3

    wait_until(third, "a third container starts by itself")
    wait_until(lambda: pid(sagemaker, "two") not in {dead, *found}, "it answers")


def test_instances_come_and_go(sagemaker: Running) -> None:
    create(sagemaker, "grown", config(sagemaker, "a"))
    first = pid(sagemaker, "grown")
    change(sagemaker, "grown", {"VariantName": "a", "DesiredInstanceCount": 2})
    during = sagemaker.api.describe_endpoint(EndpointName="grown")
    if during["EndpointStatus"] == "Updating":
        shown = during["ProductionVariants"][0]
        assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 2)
    shown = sagemaker.endpoint_settles("grown")["ProductionVariants"][0]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (2, 2)
    wait_until(lambda: pid(sagemaker, "grown") != first, "the new one answers")
    change(sagemaker, "grown", {"VariantName": "a", "DesiredInstanceCount": 1})
    assert sagemaker.endpoint_settles("grown")["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert {pid(sagemaker, "grown") for _ in range(10)} == {first}


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"VariantName": "z", "DesiredWeight": 1}, "Could not find variant"),
        ({"VariantName": "a", "DesiredInstanceCount": 0}, "not supported by the local cloud"),
        (
            {"VariantName": "a", "ServerlessUpdateConfig": {"MaxConcurrency": 1}},
            "needs a serverless variant",
        ),
    ],
)
def test_change_that_cannot_be(sagemaker: Running, wanted: dict[str, Any], problem: str) -> None:
    name = f"cannot-{sagemaker.model()}"
    create(sagemaker, name, config(sagemaker, "a"))
    with pytest.raises(ClientError, match=problem) as caught:
        change(sagemaker, name, wanted)
    assert code(caught.value) == "ValidationException"


@pytest.fixture
def impatient(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A SageMaker that waits for a container for a short time only."""
    timeouts = Timeouts(stop_server=2.0, instance_start=3.0, invocation=2.0)
    with running(s3_url, tmp_path_factory.mktemp("home"), timeouts=timeouts) as found:
        yield found


def test_instance_that_does_not_come_up_is_rolled_back(impatient: Running) -> None:
    create(impatient, "stuck", config(impatient, "a"))
    impatient.trouble.add(Rule("slow-start", "stuck", seconds=3.1))
    change(impatient, "stuck", {"VariantName": "a", "DesiredInstanceCount": 2, "DesiredWeight": 5})
    found = impatient.endpoint_settles("stuck")
    assert "did not pass the ping health check" in found["FailureReason"]
    shown = found["ProductionVariants"][0]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 1)
    assert shown["DesiredWeight"] == 1
    told = impatient.events.told({"EndpointStatus": "IN_SERVICE"}, KIND, EndpointName="stuck")
    statuses = [detail["EndpointStatus"] for detail in told]
    assert statuses[-3:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    assert invoke(impatient, "stuck") == b"a:hello"


def test_update_may_retain_weights_and_counts(sagemaker: Running) -> None:
    create(sagemaker, "kept", config(sagemaker, "a", "b"))
    change(sagemaker, "kept", {"VariantName": "a", "DesiredWeight": 7, "DesiredInstanceCount": 2})
    sagemaker.endpoint_settles("kept")
    sagemaker.api.update_endpoint(
        EndpointName="kept",
        EndpointConfigName=config(sagemaker, "a", "c", weights=(1, 3)),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    found = sagemaker.endpoint_settles("kept")["ProductionVariants"]
    assert [(v["VariantName"], v["CurrentWeight"]) for v in found] == [("a", 7), ("c", 3)]
    assert [v["CurrentInstanceCount"] for v in found] == [1, 1]


def test_real_time_endpoint_cannot_become_serverless_but_the_reverse(sagemaker: Running) -> None:
    create(sagemaker, "way", sagemaker.config(sagemaker.model(name="s")))
    real_time = config(sagemaker, "a")
    sagemaker.api.update_endpoint(EndpointName="way", EndpointConfigName=real_time)
    assert sagemaker.endpoint_settles("way")["EndpointConfigName"] == real_time
    assert invoke(sagemaker, "way") == b"a:hello"
    back = sagemaker.config(sagemaker.model(name="s"))
    with pytest.raises(ClientError, match="cannot be updated to a serverless") as caught:
        sagemaker.api.update_endpoint(EndpointName="way", EndpointConfigName=back)
    assert code(caught.value) == "ValidationException"


def test_trouble_rolls_an_update_back_silently(sagemaker: Running) -> None:
    before = config(sagemaker, "a")
    create(sagemaker, "troubled", before)
    sagemaker.trouble.add(Rule("rollback", "troubled"))
    after = config(sagemaker, "b")
    sagemaker.api.update_endpoint(EndpointName="troubled", EndpointConfigName=after)
    found = sagemaker.endpoint_settles("troubled")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", before)
    assert "variant b did not pass the ping health check" in found["FailureReason"]
    assert invoke(sagemaker, "troubled") == b"a:hello"
    sagemaker.api.update_endpoint(EndpointName="troubled", EndpointConfigName=after)
    assert sagemaker.endpoint_settles("troubled")["EndpointConfigName"] == after


def test_every_variant_serves_again_after_a_restart(s3_url: str, tmp_path: Any) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        create(sagemaker, "many", config(sagemaker, "a", "b", count=2))
        change(sagemaker, "many", {"VariantName": "b", "DesiredWeight": 0})
        sagemaker.endpoint_settles("many")
        sagemaker.stop()
        sagemaker.start()
        views = sagemaker.cloud.hosting.views
        wait_until(lambda: [v.running for v in views("many").values()] == [2, 2], "all run again")
        assert answers(sagemaker, "many", 10) == {b"a:hello"}
        assert invoke(sagemaker, "many", TargetVariant="b") == b"b:hello"
