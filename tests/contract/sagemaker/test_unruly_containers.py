"""Containers that leave what no one expects in their /opt/ml: the job still ends, and says so."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from .conftest import Running


def run(sagemaker: Running, name: str, script: str, **changes: Any) -> dict[str, Any]:
    """A training job of a shell script that begins in its /opt/ml."""
    algorithm = sagemaker.training_request(name)["AlgorithmSpecification"]
    script = f'cd "${{SAGEMAKER_BASE_DIR:-/opt/ml}}" && {script}'
    algorithm["ContainerEntrypoint"] = ["sh", "-c", script]
    return sagemaker.train(name, AlgorithmSpecification=algorithm, **changes)


SOCKET = "import socket; socket.socket(socket.AF_UNIX).bind"


@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("mkfifo checkpoints/pipe", ["good"]),
        (f"""python3 -c '{SOCKET}("checkpoints/s")'""", ["good"]),
        ("ln -s nowhere checkpoints/link; ln -s . checkpoints/loop", ["good"]),
        ("touch \"checkpoints/$(printf 'a\\nb')\"", ["a\nb", "good"]),
        ("sleep 0.5; rm -r checkpoints", []),
        ("sleep 0.5; rm -r checkpoints; touch checkpoints", []),
    ],
    ids=["pipe", "socket", "links", "newline", "removed", "a-file"],
)
def test_odd_checkpoints(
    sagemaker: Running, request: pytest.FixtureRequest, script: str, left: list[str]
) -> None:
    name = f"odd-checkpoints-{request.node.callspec.id}"
    uri = f"s3://{sagemaker.bucket}/{name}/"
    script = f"mkdir -p checkpoints; echo x > checkpoints/good; {script}"
    job = run(sagemaker, name, script, CheckpointConfig={"S3Uri": uri})
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert sagemaker.keys(name) == [f"{name}/{key}" for key in left]


def test_a_checkpoint_whose_name_no_object_can_have(sagemaker: Running) -> None:
    job = run(
        sagemaker,
        "odd-checkpoints-name",
        "touch checkpoints/good checkpoints/$(printf '\\377')",
        CheckpointConfig={"S3Uri": f"s3://{sagemaker.bucket}/odd-checkpoints-name"},
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == r"ClientError: '\udcff' cannot be the key of an object"
    assert sagemaker.keys("odd-checkpoints-name/") == ["odd-checkpoints-name/good"]


@pytest.mark.parametrize(
    "script",
    [
        f"""mkfifo model/pipe output/data/pipe; python3 -c '{SOCKET}("model/s")'""",
        "ln -s nowhere model/link; ln -s . model/loop; ln -s / model/root",
        "touch model/$(printf '\\377')",
        "rm -r output; touch output",
    ],
    ids=["pipe", "links", "no-text", "no-output"],
)
def test_odd_models(sagemaker: Running, request: pytest.FixtureRequest, script: str) -> None:
    name = f"odd-model-{request.node.callspec.id}"
    job = run(sagemaker, name, f"echo x > model/good; {script}")
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    packed = sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert "good" in tar.getnames()


@pytest.mark.parametrize("script", ["rm -r model", "rm -r model; touch model"])
def test_no_folder_for_the_model(sagemaker: Running, script: str) -> None:
    job = run(sagemaker, f"no-model-{len(script)}", script)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    packed = sagemaker.read(job["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == []


@pytest.mark.parametrize(
    "script",
    [
        "mkfifo output/failure",
        "mkdir output/failure",
        "ln -s /dev/zero output/failure",
        "head -c 5000 /dev/urandom > output/failure",
    ],
    ids=["pipe", "folder", "endless", "noise"],
)
def test_odd_failures(sagemaker: Running, request: pytest.FixtureRequest, script: str) -> None:
    job = run(sagemaker, f"odd-failure-{request.node.callspec.id}", f"{script}; exit 3")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert job["FailureReason"].endswith(", exit code: 3")
