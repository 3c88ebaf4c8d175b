"""Transform jobs as the tests make them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .account import Account

GROUP = "/aws/sagemaker/TransformJobs"
CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"


def request(account: Account, name: str, model: str, **changes: Any) -> dict[str, Any]:
    """A request over the objects under `in/<name>/`; `input_`, `output`, `resources`: members to
    add to TransformInput, TransformOutput and TransformResources.
    """
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{account.bucket}/in/{name}/"}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/plain",
            **changes.pop("input_", {}),
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{account.bucket}/out/{name}",
            **changes.pop("output", {}),
        },
        "TransformResources": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            **changes.pop("resources", {}),
        },
        **changes,
    }


def run(
    account: Account,
    name: str,
    files: Mapping[str, str | bytes],
    /,
    mode: str = "good",
    **changes: Any,
) -> dict[str, Any]:
    """Transform these files by the test server in a mode; returns the job at its end.

    `artifact`: more files of the model; the rest as for `request`.
    """
    name = unique(name)
    for key, body in files.items():
        account.put(f"in/{name}/{key}", body)
    model = account.model(name="m", mode=mode, **changes.pop("artifact", {}))
    account.api.create_transform_job(**request(account, name, model, **changes))
    return account.transform_ends(name)


def unique(name: str) -> str:
    """A job's name must never have been used in the account."""
    return f"{name}-{uuid.uuid4().hex[:6]}"


def outputs(account: Account, job: dict[str, Any] | str) -> dict[str, str]:
    """What a job, or a prefix below out/, has written, by the path below its prefix."""
    prefix = f"out/{job if isinstance(job, str) else job['TransformJobName']}/"
    found = {key: account.read(f"s3://{account.bucket}/{key}") for key in account.keys(prefix)}
    return {key.removeprefix(prefix): body.decode() for key, body in found.items()}


def completed(account: Account, job: dict[str, Any]) -> dict[str, str]:
    """The outputs of a job that must have been completed."""
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    return outputs(account, job)
