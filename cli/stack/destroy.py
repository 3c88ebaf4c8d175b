"""Take a stage away: what its functions made, the stack, and the data when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli.stack.buckets import Buckets
from cli.stack.deploy import find_place, open_stack
from cli.stack.errors import DestroyRefused
from cli.stack.progress import Progress, silent


def destroy(
    session: boto3.Session, stage: str, delete_data: bool = False, progress: Progress = silent
) -> None:
    """Delete the stage. Its jobs are stopped; the data bucket goes only with `delete_data`.

    Without `delete_data` a bucket that holds anything stays, with everything in it, and a later
    deploy takes it in again. Registered models go in any case. Raises StackError.
    """
    where = find_place(session, stage)
    buckets = Buckets(session.client("s3"), where.region, progress)
    remove_sagemaker(session.client("sagemaker"), f"{where.stack}-", progress)
    progress(f"deleting stack {where.stack}")
    open_stack(session, where, progress).delete()
    if not buckets.exists(where.bucket):
        return
    if delete_data or buckets.is_empty(where.bucket):
        progress(f"deleting bucket {where.bucket}")
        buckets.remove(where.bucket)
    else:
        progress(f"bucket {where.bucket} stays, with all that is in it")


def check_unused(session: boto3.Session, stage: str) -> None:
    """Raise DestroyRefused while endpoints of the stage serve."""
    where = find_place(session, stage)
    client = session.client("sagemaker")
    endpoints = _listed(client, "list_endpoints", "Endpoints", f"{where.stack}-")
    names = [entry["EndpointName"] for entry in endpoints]
    if names:
        raise DestroyRefused(f"these endpoints of stage {stage} serve: {', '.join(names)}")


def remove_sagemaker(client: Any, prefix: str, progress: Progress = silent) -> None:
    """Remove all of SageMaker's whose name begins so. `client` is boto3's `sagemaker` client."""
    for kind in ("Training", "Transform"):
        name = f"{kind}JobName"
        jobs = _listed(
            client,
            f"list_{kind.lower()}_jobs",
            f"{kind}JobSummaries",
            prefix,
            StatusEquals="InProgress",
        )
        _each(jobs, name, progress, "stopping", getattr(client, f"stop_{kind.lower()}_job"))
    _each(
        _listed(client, "list_endpoints", "Endpoints", prefix),
        "EndpointName",
        progress,
        "deleting endpoint",
        client.delete_endpoint,
    )
    _each(
        _listed(client, "list_endpoint_configs", "EndpointConfigs", prefix),
        "EndpointConfigName",
        progress,
        "deleting endpoint config",
        client.delete_endpoint_config,
    )
    _each(
        _listed(client, "list_models", "Models", prefix),
        "ModelName",
        progress,
        "deleting model",
        client.delete_model,
    )
    groups = _listed(client, "list_model_package_groups", "ModelPackageGroupSummaryList", prefix)
    for group in list(groups):
        name = group["ModelPackageGroupName"]
        pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=name)
        arns = [
            entry["ModelPackageArn"] for page in pages for entry in page["ModelPackageSummaryList"]
        ]
        for arn in arns:
            client.delete_model_package(ModelPackageName=arn)
        progress(f"deleting model package group {name}")
        client.delete_model_package_group(ModelPackageGroupName=name)


def _listed(
    client: Any, operation: str, field: str, prefix: str, **filters: str
) -> Iterator[dict[str, Any]]:
    """Entries whose name begins with the prefix: SageMaker's own filter only knows "contains"."""
    pages = client.get_paginator(operation).paginate(NameContains=prefix, **filters)
    for page in pages:
        for entry in page[field]:
            names = (value for key, value in entry.items() if key.endswith("Name"))
            if any(str(name).startswith(prefix) for name in names):
                yield entry


def _each(
    entries: Iterator[dict[str, Any]],
    name: str,
    progress: Progress,
    verb: str,
    call: Callable[..., Any],
) -> None:
    for entry in list(entries):
        progress(f"{verb} {entry[name]}")
        try:
            call(**{name: entry[name]})
        except ClientError as error:  # it may have ended or gone by itself meanwhile
            if error.response["Error"]["Code"] != "ValidationException":
                raise
