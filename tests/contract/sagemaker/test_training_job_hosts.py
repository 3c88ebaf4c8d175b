"""Our own training job on two hosts: one dies, and a rerun goes on from its checkpoint."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcloud.sagemaker import private

from .account import PATIENCE, REGION, TARGET, wait_until
from .conftest import REPO, Running

IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/tensorflow-training:2.21.0-cpu-py312"
SIDE = 8
ROWS = {"a.csv": 960, "b_test.csv": 240}
EPOCHS = 12
LOGS = "/aws/sagemaker/TrainingJobs"

pytestmark = pytest.mark.skipif(
    TARGET.real or not private.available(), reason="needs the local SageMaker, and names for hosts"
)


def rows(count: int, seed: int) -> bytes:
    """Grey images of noise with a bright column whose place is the class: label, pixels."""
    numbers = random.Random(seed)
    lines = []
    for number in range(count):
        label = number % 3
        pixels = [numbers.randrange(100) for _ in range(SIDE * SIDE)]
        for line in range(SIDE):
            pixels[line * SIDE + 2 * label + 1] = 255
        lines.append(",".join(map(str, [label, *pixels])))
    return "\n".join(lines).encode()


def source() -> bytes:
    """sourcedir.tar.gz, as it is deployed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted((REPO / "training_job").rglob("*.py")):
            tar.add(path, path.relative_to(REPO / "training_job"))
    return packed.getvalue()


def start(sagemaker: Running, name: str) -> None:
    """A job of two hosts over the same data and the same checkpoints."""
    files: list[dict[str, Any]] = []
    for seed, (path, count) in enumerate(ROWS.items()):
        content = rows(count, seed)
        sagemaker.put(f"hosts/data/{path}", content)
        files.append(
            {
                "key": f"hosts/data/{path}",
                "path": path,
                "version_id": "1",
                "etag": "e",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "role": "test" if "test" in path else "train",
                "header": False,
                "rows": count,
            }
        )
    version = {
        "format": 1,
        "dataset": "columns",
        "version": "cd" * 32,
        "bucket": sagemaker.bucket,
        "prefix": "hosts/data/",
        "files": files,
        "shape": {"height": SIDE, "width": SIDE, "channels": 1},
        "classes": ["left", "middle", "right"],
        "labels": ["0", "1", "2"],
    }
    sagemaker.put("hosts/version/version.json", json.dumps(version))

    def channel(name: str, prefix: str) -> dict[str, Any]:
        place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{sagemaker.bucket}/{prefix}"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": place}}

    request = sagemaker.training_request(
        name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": sagemaker.put("hosts/sourcedir.tar.gz", source()),
            "sagemaker_multi_worker_mirrored_strategy_enabled": "true",
            "epochs": str(EPOCHS),
            "batch_size": "64",
        },
        InputDataConfig=[
            channel("train", "hosts/data/"),
            channel("version", "hosts/version/"),
        ],
        CheckpointConfig={"S3Uri": f"s3://{sagemaker.bucket}/hosts/checkpoints"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    sagemaker.api.create_training_job(**request)


def process_of(job: str, host: str) -> int | None:
    """The process that runs train.py on a host of a job."""
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        wanted = {f"TRAINING_JOB_NAME={job}".encode(), f"SM_CURRENT_HOST={host}".encode()}
        if b"train.py" in command and wanted <= set(environment):
            return int(folder.name)
    return None


def contents(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_a_host_that_dies_ends_the_job_and_a_rerun_goes_on(sagemaker: Running) -> None:
    start(sagemaker, "dying")
    wait_until(lambda: sagemaker.keys("hosts/checkpoints/"), "a checkpoint", 6 * PATIENCE)
    process = process_of("dying", "algo-2")
    assert process is not None
    os.kill(process, signal.SIGKILL)
    job = sagemaker.training_ends("dying", 6 * PATIENCE)
    assert job["TrainingJobStatus"] == "Failed"
    assert "exit code" in job["FailureReason"]
    assert not sagemaker.keys("models/dying/output/model.tar.gz")

    start(sagemaker, "again")
    job = sagemaker.training_ends("again", 6 * PATIENCE)
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    archive = job["ModelArtifacts"]["S3ModelArtifacts"]
    model = contents(sagemaker.read(archive))
    assert set(model) == {"golden.jsonl", "model.json", "model.onnx", "trained_rows.bin"}
    output = contents(sagemaker.read(archive.replace("model.tar.gz", "output.tar.gz")))
    history = json.loads(output["history.json"])
    assert [epoch["epoch"] for epoch in history["epochs"]] == list(range(1, EPOCHS + 1))
    assert json.loads(output["evaluation.json"])["challenger"]["accuracy"] > 0.95
    wait_until(lambda: not sagemaker.keys("hosts/checkpoints/"), "no checkpoint is left")
    assert "Resuming after step" in sagemaker.logs.text(LOGS, "again/algo-1")
    assert "This host is done" in sagemaker.logs.text(LOGS, "again/algo-2")
