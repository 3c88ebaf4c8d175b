"""Where the processes of SageMaker listen while jobs run: on loopback, or nowhere."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import psutil

from .account import wait_until
from .conftest import Running

TRAINING, TRANSFORM = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/TransformJobs"


def listeners(process: psutil.Process) -> list[str]:
    """The addresses that it listens on. A process that has just ended has none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        connections = process.net_connections("inet")
        return [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
    return []


def cloud() -> list[psutil.Process]:
    """SageMaker's own process, MiniStack, the keepers and the containers."""
    here = psutil.Process()
    return [here, *here.children(recursive=True)]


def containers(script: str) -> list[psutil.Process]:
    """The processes of this image's containers, with what they started."""
    found = []
    for process in cloud()[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            line = process.cmdline()
            if any(word.endswith(f"images/{script}") for word in line) and not any(
                word.endswith("keeper.py") for word in line
            ):
                found += [process, *process.children(recursive=True)]
    return found


def everywhere() -> set[str]:
    """All addresses of the cloud that are not loopback's; some of loopback's there must be."""
    found = {address for process in cloud() for address in listeners(process)}
    assert any(ip_address(address).is_loopback for address in found)
    return {address for address in found if not ip_address(address).is_loopback}


def test_a_training_container_listens_nowhere_and_nothing_off_loopback(
    sagemaker: Running,
) -> None:
    sagemaker.train("listens", wait=False, HyperParameters={"mode": "polite"})
    wait_until(lambda: "waiting" in sagemaker.logs.text(TRAINING, "listens/"), "it trains")
    (container,) = containers("trainer.py")
    assert listeners(container) == []
    assert everywhere() == set()
    sagemaker.api.stop_training_job(TrainingJobName="listens")
    assert sagemaker.training_ends("listens")["TrainingJobStatus"] == "Stopped"


def test_while_a_batch_transform_runs_nothing_listens_off_loopback(sagemaker: Running) -> None:
    uri = sagemaker.put("in/listens/a", "sleep 60")
    sagemaker.api.create_transform_job(
        TransformJobName="listens",
        ModelName=sagemaker.model(name="m"),
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri.removesuffix("a")}
            }
        },
        TransformOutput={"S3OutputPath": f"s3://{sagemaker.bucket}/out/listens"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    wait_until(lambda: "invoked" in sagemaker.logs.text(TRANSFORM, "listens/"), "it works")
    (container,) = containers("server.py")
    assert [ip_address(address).is_loopback for address in listeners(container)] == [True]
    assert everywhere() == set()
    sagemaker.api.stop_transform_job(TransformJobName="listens")
    assert sagemaker.transform_ends("listens")["TransformJobStatus"] == "Stopped"
