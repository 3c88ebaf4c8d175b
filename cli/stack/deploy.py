"""Deploy a stage: package, artifacts, stack, training code. The same steps on any cloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from cli.stack.api import api_url
from cli.stack.buckets import Buckets
from cli.stack.cloudformation import Stack
from cli.stack.code import TrainingCode, training_code
from cli.stack.errors import DeployFailed
from cli.stack.images import training_image_parameters
from cli.stack.moved import Items, has_moved, read_items, write_items
from cli.stack.package import package
from cli.stack.progress import Progress, silent
from cli.stack.template import located

LOCAL = "local"
_BUCKET = "DataBucket"  # logical id
_EMAIL = "NotificationEmail"  # parameter


@dataclass(frozen=True)
class Place:
    """Where a stage stands, and what its fixed names are."""

    stage: str
    account: str
    region: str

    @property
    def stack(self) -> str:
        return f"pigeonhole-{self.stage}"

    @property
    def bucket(self) -> str:
        return f"pigeonhole-{self.stage}-{self.account}-{self.region}"

    @property
    def artifacts(self) -> str:
        """One bucket for all stages of an account and region."""
        return f"pigeonhole-artifacts-{self.account}-{self.region}"


@dataclass(frozen=True)
class Deployed:
    """What a user needs of a stage. `changed` is False when everything was there already."""

    stage: str
    stack: str
    bucket: str
    api: str
    table: str
    events_queue_url: str
    work_queue_url: str
    code_version: str
    api_key_id: str | None
    changed: bool
    outputs: dict[str, str]


def find_place(session: boto3.Session, stage: str) -> Place:
    """The stage's place: the account and region that botocore finds in the environment.

    Raises DeployFailed when no region is set, or when stage local would go to AWS.
    """
    if not session.region_name:
        raise DeployFailed("no region is set: export AWS_DEFAULT_REGION, say us-east-1")
    _refuse_mismatch(session, stage)
    account = session.client("sts").get_caller_identity()["Account"]
    return Place(stage, account, session.region_name)


def deploy(
    session: boto3.Session,
    repo: Path,
    stage: str,
    build: Path,
    progress: Progress = silent,
    *,
    email: str | None = None,
) -> Deployed:
    """Deploy `repo` as `stage`; `build` is where packages are kept.

    `email` gets the notices, "" nobody does, None: whoever did.

    Safe to repeat, after a kill too: without changes nothing happens, and a data bucket that lost
    its stack is taken into a new one. Raises StackError.
    """
    where = find_place(session, stage)
    packaged = package(repo, stage, build, progress)
    code = training_code(repo / "training_job")
    buckets = Buckets(session.client("s3"), where.region, progress)
    stack = open_stack(session, where, progress)

    key = f"functions/{packaged.zip_digest}.zip"
    buckets.ensure(where.artifacts)
    buckets.upload_file(packaged.zip_path, where.artifacts, key)

    status = stack.settle()
    items: Items = []
    if stage == LOCAL and has_moved(session, outputs := stack.outputs()):
        progress("the local cloud has moved to another port: making the stack anew, data kept")
        items = read_items(session, outputs["Table"])
        stack.delete()
        status = None
    if buckets.exists(where.bucket):
        if status is None:
            _adopt_bucket(stack, packaged.template, where, progress)
        _upload_code(buckets, where, code)  # before the functions name it
    parameters = {
        "Stage": stage,
        "CodeVersion": code.version,
        **training_image_parameters(where.region),
        **({} if email is None else {_EMAIL: email}),
    }
    verb = "creating" if status is None else "updating"
    progress(f"{verb} stack {where.stack}")
    changed = stack.apply(located(packaged.template, where.artifacts, key), parameters, {_EMAIL})
    if not changed:
        progress(f"stack {where.stack} is up to date")
    _upload_code(buckets, where, code)
    outputs = stack.outputs()
    write_items(session, outputs["Table"], items)
    return _deployed(session, where, outputs, changed)


def deployed(session: boto3.Session, stage: str) -> Deployed | None:
    """What stands of a stage now, or None. `changed` is False."""
    where = find_place(session, stage)
    stack = open_stack(session, where)
    outputs = stack.outputs()
    if "Bucket" not in outputs or "RestAPIId" not in outputs:
        return None
    return _deployed(session, where, outputs, changed=False)


def open_stack(session: boto3.Session, where: Place, progress: Progress = silent) -> Stack:
    """The stage's stack, with waits as its place needs them."""
    client = session.client("cloudformation")
    if where.stage != LOCAL:
        return Stack(client, where.stack, progress, pause=_pauses(2), patience=900)
    # Local events come within milliseconds; only a killed local cloud leaves a stack under way.
    return Stack(client, where.stack, progress, pause=_pauses(0.2), patience=100)


def _pauses(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def _refuse_mismatch(session: boto3.Session, stage: str) -> None:
    endpoint = session.client("cloudformation").meta.endpoint_url
    on_aws = ".amazonaws.com" in endpoint
    if stage == LOCAL and on_aws:
        raise DeployFailed(
            "stage local is for the local cloud, and the environment names AWS: "
            "run `. .local/env` first, or choose another stage"
        )


def _adopt_bucket(stack: Stack, template: dict[str, Any], where: Place, progress: Progress) -> None:
    progress(f"bucket {where.bucket} exists without its stack: taking it into a new one")
    whole = template["Resources"][_BUCKET]
    bare = {
        "Type": whole["Type"],
        "DeletionPolicy": whole["DeletionPolicy"],
        "UpdateReplacePolicy": whole["UpdateReplacePolicy"],
        "Properties": {"BucketName": where.bucket},
    }
    stack.adopt(_BUCKET, bare, {"BucketName": where.bucket})


def _upload_code(buckets: Buckets, where: Place, code: TrainingCode) -> None:
    buckets.upload_bytes(code.archive, where.bucket, code.key)


def _deployed(
    session: boto3.Session, where: Place, outputs: dict[str, str], changed: bool
) -> Deployed:
    endpoint = session.client("cloudformation").meta.endpoint_url
    return Deployed(
        stage=where.stage,
        stack=where.stack,
        bucket=outputs["Bucket"],
        api=api_url(endpoint, outputs, where.stage),
        table=outputs["Table"],
        events_queue_url=outputs["EventsQueueUrl"],
        work_queue_url=outputs["WorkQueueUrl"],
        code_version=outputs["CodeVersion"],
        api_key_id=outputs.get("ApiKeyId"),
        changed=changed,
        outputs=outputs,
    )
