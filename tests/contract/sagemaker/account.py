"""A SageMaker account as tests use it: clients, a bucket, and short ways to make things."""

from __future__ import annotations

import io
import re
import tarfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from . import target

TARGET = target.read()
REGION = TARGET.region
ROLE = TARGET.role
PATIENCE = TARGET.patience  # seconds until a condition that should come true counts as failed


def wait_until(
    condition: Callable[[], Any],
    what: str = "condition",
    patience: float = PATIENCE,
    pause: float = 5.0 if TARGET.real else 0.02,
) -> Any:
    """The first true value of `condition()`; `pause` in seconds lies between two looks."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause)
    raise AssertionError(f"never came true: {what}")


class Account:
    """What our SageMaker and a real account have in common."""

    bucket: str
    api: Any
    runtime: Any
    s3: Any

    def put(self, key: str, body: bytes | str) -> str:
        """Put an object; returns its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    def artifact(self, **files: str) -> str:
        """Put a model.tar.gz with these files; returns its URI."""
        return self.put(f"models/{uuid.uuid4().hex}/model.tar.gz", pack(files))

    def model(self, **files: str) -> str:
        """A model over the test server, whose artifact has these files; returns its name."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        self.api.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": TARGET.server_image, "ModelDataUrl": self.artifact(**files)},
        )
        return name

    def config(self, model: str, **variant: Any) -> str:
        """A serverless endpoint config (or with `variant`'s members); returns its name."""
        name = f"c-{uuid.uuid4().hex[:8]}"
        size = variant or {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        self.api.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": model, **size}],
        )
        return name

    def endpoint(self, name: str, /, **files: str) -> str:
        """An endpoint in service over a model with these files."""
        config = self.config(self.model(**files))
        self.api.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.endpoint_settles(name)
        return config

    def endpoint_settles(self, name: str) -> dict[str, Any]:
        def settled() -> Any:
            found = self.api.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        return wait_until(settled, f"endpoint {name} settles")

    def train(self, name: str, *, wait: bool = True, **changes: Any) -> dict[str, Any]:
        """Create a training job of the test trainer and wait for its end."""
        self.api.create_training_job(**self.training_request(name, **changes))
        return self.training_ends(name) if wait else {}

    def training_request(self, name: str, **changes: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": TARGET.trainer_image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "loss", "Regex": r"loss=([0-9.]+);"},
                    {"Name": "accuracy", "Regex": r"accuracy=(\S+);"},
                ],
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/models/"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }

    def training_ends(self, name: str, patience: float = PATIENCE) -> dict[str, Any]:
        def ended() -> Any:
            found = self.api.describe_training_job(TrainingJobName=name)
            return found if found["TrainingJobStatus"] in _ENDS else None

        return wait_until(ended, f"training job {name} ends", patience)

    def transform_ends(self, name: str) -> dict[str, Any]:
        def ended() -> Any:
            found = self.api.describe_transform_job(TransformJobName=name)
            return found if found["TransformJobStatus"] in _ENDS else None

        return wait_until(ended, f"transform job {name} ends")


class RealAccount(Account):
    """An account of AWS. What only the local SageMaker has skips the test that asks for it."""

    def __init__(self) -> None:
        run = f"t{uuid.uuid4().hex[:5]}-"
        self.api, self.runtime = (
            renamed(boto3.client(service, region_name=REGION), run)
            for service in ("sagemaker", "sagemaker-runtime")
        )
        self.s3 = boto3.client("s3", region_name=REGION)
        self.bucket = TARGET.bucket

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"needs the local SageMaker ({name})")


def renamed(client: Any, prefix: str) -> Any:
    """Put `prefix` before the names in requests and take it from the names in answers: names of
    training jobs can be used once in an account's life, and tests use the same ones each time.
    """

    def before(params: dict[str, Any], **_: Any) -> None:
        params.update(_with(params, prefix))

    def after(parsed: dict[str, Any], **_: Any) -> None:
        parsed.update(_without(parsed, prefix))

    client.meta.events.register("before-parameter-build", before)
    client.meta.events.register("after-call", after)
    return client


_NAMES = {
    "TrainingJobName",
    "HyperParameterTuningJobName",
    "TransformJobName",
    "ModelName",
    "EndpointConfigName",
    "EndpointName",
    "ModelPackageGroupName",
}


_POSSIBLE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,55}")  # others are meant to be refused


def _with(value: Any, prefix: str, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with(item, prefix, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_with(item, prefix) for item in value]
    if name == "NameContains" or (name in _NAMES and _POSSIBLE.fullmatch(str(value))):
        return prefix + value
    return value


def _without(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, prefix) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, prefix) for item in value]
    return value.removeprefix(prefix) if isinstance(value, str) else value


_ENDS = ("Completed", "Failed", "Stopped")


def pack(files: dict[str, str]) -> bytes:
    """A .tar.gz of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpack(archive: bytes) -> dict[str, str]:
    """The files of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: tar.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in tar.getmembers()
            if member.isfile()
        }
