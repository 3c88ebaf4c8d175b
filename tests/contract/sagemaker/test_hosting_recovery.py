"""Endpoints after a kill -9 and a restart: those that serve serve again, changes go on."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Any

from localcloud.trouble import Rule

from . import test_recovery
from .account import wait_until
from .calls import create, invoke, pid
from .conftest import Running, running

killed = test_recovery.killed
processes_of = test_recovery.processes_of


def instances(sagemaker: Running, *names: str, **config: Any) -> str:
    """A config with a variant of one instance for each name."""
    made = f"c-{uuid.uuid4().hex[:8]}"
    sagemaker.api.create_endpoint_config(
        EndpointConfigName=made,
        ProductionVariants=[
            {
                "VariantName": name,
                "ModelName": sagemaker.model(name=name),
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
            for name in names
        ],
        **config,
    )
    return made


def test_every_kind_of_endpoint_serves_after_a_kill(
    killed: tuple[Running, subprocess.Popen[bytes]],
) -> None:
    sagemaker, process = killed
    create(sagemaker, "many", instances(sagemaker, "a", "b"))
    size = {"MemorySizeInMB": 1024, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
    create(sagemaker, "warm", sagemaker.config(sagemaker.model(name="w"), ServerlessConfig=size))
    output = {"OutputConfig": {"S3OutputPath": f"s3://{sagemaker.bucket}/out"}}
    create(sagemaker, "queued", instances(sagemaker, "q", AsyncInferenceConfig=output))
    sent = sagemaker.runtime.invoke_endpoint_async(EndpointName="queued", Body=b"sleep 2")
    before = pid(sagemaker, "warm")

    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(sagemaker.home), "every process of its is gone")
    sagemaker.start()

    assert invoke(sagemaker, "many", TargetVariant="a") == b"a:hello"
    assert invoke(sagemaker, "many", TargetVariant="b") == b"b:hello"
    views = sagemaker.cloud.hosting.views
    wait_until(lambda: views("warm")["AllTraffic"].running == 1, "the provisioned one runs again")
    assert pid(sagemaker, "warm") != before
    wait_until(lambda: sagemaker.keys("out/"), "the asynchronous answer")
    assert sagemaker.read(sent["OutputLocation"]) == b"slept"


def test_update_under_way_goes_on_after_a_restart(s3_url: str, tmp_path: Path) -> None:
    with running(s3_url, tmp_path) as sagemaker:
        create(sagemaker, "moving", instances(sagemaker, "old"))
        create(sagemaker, "growing", instances(sagemaker, "x"))
        for name in ("moving", "growing"):
            sagemaker.trouble.add(Rule("slow-start", name, seconds=600))
        new = instances(sagemaker, "new")
        sagemaker.api.update_endpoint(EndpointName="moving", EndpointConfigName=new)
        sagemaker.api.update_endpoint_weights_and_capacities(
            EndpointName="growing",
            DesiredWeightsAndCapacities=[{"VariantName": "x", "DesiredInstanceCount": 2}],
        )
        assert invoke(sagemaker, "moving") == b"old:hello"
        sagemaker.stop()
        sagemaker.trouble.clear()
        sagemaker.start()
        for name in ("moving", "growing"):
            found = sagemaker.endpoint_settles(name)
            assert "FailureReason" not in found
        assert invoke(sagemaker, "moving") == b"new:hello"
        assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
