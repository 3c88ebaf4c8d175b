"""Two TensorFlow processes train one model: a real job of two hosts on the training image."""

from __future__ import annotations

import json
import random
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from localcloud.sagemaker import private

from .account import PATIENCE, REGION, TARGET, Account, pack, unpack

SCRIPT = Path(__file__).with_name("images") / "data_parallel.py"
IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/tensorflow-training:2.21.0-cpu-py312"
FILES = [f"{number}.csv" for number in range(4)]

pytestmark = pytest.mark.skipif(
    not TARGET.real and not private.available(),
    reason="several hosts need names that resolve on this system",
)


def rows(count: int, seed: int) -> str:
    """CSV rows of two classes: label, eight features."""
    numbers = random.Random(seed)
    lines = []
    for _ in range(count):
        features = [numbers.gauss(0, 1) for _ in range(8)]
        lines.append(",".join([str(int(sum(features) > 0)), *(f"{x:.4f}" for x in features)]))
    return "\n".join(lines) + "\n"


def start(sagemaker: Account, name: str, hosts: int, **hyperparameters: str) -> None:
    """A job of the script; several hosts share the files and know of each other."""
    code = sagemaker.put(f"{name}/sourcedir.tar.gz", pack({"train.py": SCRIPT.read_text()}))
    # Shards of different sizes: the hosts' gradients must not simply be averaged.
    for number, file in enumerate(FILES):
        data = sagemaker.put(f"{name}/data/{file}", rows(16 + 3 * number, seed=number))
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": data.rsplit("/", 1)[0] + "/",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1}
    request = sagemaker.training_request(
        name,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=([0-9.]+);"}],
        },
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": code,
            **hyperparameters,
        },
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        ResourceConfig=resources,
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    sagemaker.api.create_training_job(**request)


def reports(sagemaker: Account, job: dict[str, Any]) -> dict[str, Any]:
    """What each host says, by its name."""
    archive = job["ModelArtifacts"]["S3ModelArtifacts"].replace("model.tar.gz", "output.tar.gz")
    files = unpack(sagemaker.read(archive))
    return {name.removesuffix(".json"): json.loads(text) for name, text in files.items()}


def test_two_hosts_train_as_one_does_with_all_the_data(sagemaker: Account) -> None:
    start(sagemaker, "two-hosts", 2, sagemaker_multi_worker_mirrored_strategy_enabled="true")
    start(sagemaker, "one-host", 1)
    jobs = [sagemaker.training_ends(name, 6 * PATIENCE) for name in ("two-hosts", "one-host")]
    assert [(job["TrainingJobStatus"], job.get("FailureReason")) for job in jobs] == [
        ("Completed", None)
    ] * 2
    two, one = reports(sagemaker, jobs[0]), reports(sagemaker, jobs[1])["algo-1"]

    first, second = two["algo-1"], two["algo-2"]
    assert len(first["files"]) == len(second["files"]) == 2
    assert sorted(first["files"] + second["files"]) == one["files"] == FILES
    assert first["rows"] + second["rows"] == one["rows"]

    assert first["hash"] == second["hash"]
    assert first["losses"] == second["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert one["losses"][-1] < one["losses"][0] * 0.9
    assert first["weights"] == pytest.approx(one["weights"], abs=1e-5)

    assert (first["saved"], second["saved"]) == (True, False)
    model = sagemaker.read(jobs[0]["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(fileobj=BytesIO(model)) as tar:
        assert [member.name for member in tar if member.isfile()] == ["model.keras"]
        saved = tar.extractfile("model.keras")
        assert saved is not None
        assert "model.weights.h5" in zipfile.ZipFile(BytesIO(saved.read())).namelist()
