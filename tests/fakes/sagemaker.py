"""SageMaker in memory: training jobs, the registry, endpoints with real state walks, the runtime.

Nothing moves by itself: `advance` takes every endpoint one state on, and a test ends the jobs.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.aws.endpoints import Answer, Capacity, Endpoint, Instances, Serverless
from chalicelib.aws.registry import Approval, Package
from chalicelib.aws.storage import Storage
from chalicelib.aws.training import TrainingJob
from chalicelib.errors import (
    LimitReached,
    RequestRefused,
    ResourceNotFound,
    Throttled,
    Unavailable,
)
from tests.fakes.ticks import Ticks

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


class MemoryTraining:
    """Jobs stay InProgress until a test ends them."""

    def __init__(self, tick: Ticks | None = None) -> None:
        self.requests: dict[str, Mapping[str, Any]] = {}
        self.jobs: dict[str, TrainingJob] = {}
        self.refusals: list[Exception] = []  # raised by the next creates
        self.limits: dict[str, str] = {}  # by instance type, what ResourceLimitExceeded says
        self.seconds = 600  # that the coming jobs are billed
        self._tick = tick or Ticks()

    def create(self, request: Mapping[str, Any]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        name = request["TrainingJobName"]
        if any("\n" in value for value in request.get("HyperParameters", {}).values()):
            raise RequestRefused("Member must satisfy regular expression pattern: .*")
        if name in self.jobs:
            return
        kind = request.get("ResourceConfig", {}).get("InstanceType", "")
        if kind in self.limits:
            raise LimitReached(self.limits[kind])
        self.requests[name] = request
        given = dict(request.get("HyperParameters", {}))
        resources = request.get("ResourceConfig", {})
        self.jobs[name] = TrainingJob(
            name,
            "InProgress",
            "Starting",
            "",
            given,
            resources.get("InstanceType", ""),
            resources.get("InstanceCount", 1),
            bool(request.get("EnableManagedSpotTraining")),
        )
        self._tick()

    def describe(self, name: str) -> TrainingJob | None:
        return self.jobs.get(name)

    def end(self, name: str, status: str, reason: str = "", secondary: str = "") -> None:
        self.jobs[name] = replace(
            self.jobs[name],
            status=status,
            secondary=secondary or status,
            reason=reason,
            training_seconds=self.seconds,
            billable_seconds=self.seconds,
        )

    def running(self) -> list[str]:
        return [name for name, job in self.jobs.items() if job.status == "InProgress"]


class MemoryRegistry:
    """Groups and packages; a ClientToken used twice gives the same package.

    `refuse_cards`: a request with a model card is refused, as one against the schema is.
    """

    def __init__(self, tick: Ticks | None = None) -> None:
        self.groups: set[str] = set()
        self.packages: dict[str, Package] = {}
        self.requests: dict[str, Mapping[str, Any]] = {}
        self.refuse_cards = False
        self.caller = f"{ARN}:user/somebody".replace("sagemaker:us-east-1", "iam:")
        self._tokens: dict[str, str] = {}
        self._tick = tick or Ticks()

    def ensure_group(self, group: str, tags: Mapping[str, str]) -> None:
        self.groups.add(group)
        self._tick()

    def register(self, request: Mapping[str, Any]) -> str:
        group, token = request["ModelPackageGroupName"], request["ClientToken"]
        if group not in self.groups:
            raise ResourceNotFound(f"{group} does not exist")
        if self.refuse_cards and "ModelCard" in request:
            raise RequestRefused("ModelCardContent does not follow the schema")
        _check_card(request.get("ModelCard", {"ModelCardContent": "{}"})["ModelCardContent"])
        if token in self._tokens:
            return self._tokens[token]
        arn = f"{ARN}:model-package/{group}/{len(self._of(group)) + 1}"
        self._tokens[token] = arn
        self.requests[arn] = request
        self.packages[arn] = Package(
            arn, request["ModelApprovalStatus"], "", _checked(request["CustomerMetadataProperties"])
        )
        self._tick()
        return arn

    def describe(self, arn: str) -> Package | None:
        return self.packages.get(arn)

    def decide(
        self,
        arn: str,
        approval: Approval | str,
        description: str,
        properties: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
    ) -> None:
        if arn not in self.packages:
            raise ResourceNotFound(f"{arn} does not exist")
        found = self.packages[arn]
        kept = {**found.properties, **_checked(properties or {})}
        self.packages[arn] = replace(
            found,
            approval=str(approval),
            description=description,
            properties={name: value for name, value in kept.items() if name not in remove},
            modified_by=self.caller,
        )
        self._tick()

    def find(self, group: str, properties: Mapping[str, str]) -> Package | None:
        return self.search(group, lambda found: properties.items() <= found.properties.items())

    def search(self, group: str, fits: Callable[[Package], bool]) -> Package | None:
        return next((p for p in reversed(self._of(group)) if fits(p)), None)

    def approved(self, group: str) -> list[str]:
        return [p.arn for p in reversed(self._of(group)) if p.approval == Approval.APPROVED]

    def _of(self, group: str) -> list[Package]:
        return [p for arn, p in self.packages.items() if f":model-package/{group}/" in arn]


def _checked(properties: Mapping[str, str]) -> dict[str, str]:
    """As SageMaker checks CustomerMetadataProperties."""
    if len(properties) > 50:
        raise RequestRefused("Member must have length less than or equal to 50")
    for name, value in properties.items():
        for text, most in ((name, 128), (value, 256)):
            if not re.fullmatch(rf"[\w .:/=+\-@]{{1,{most}}}", text):
                raise RequestRefused(f"Member must satisfy regular expression pattern: {text!r}")
    return dict(properties)


def _check_card(content: str) -> None:
    try:
        json.loads(content)
    except ValueError as error:
        raise RequestRefused(f"ModelCardContent is no JSON: {error}") from error


@dataclass
class _Live:
    status: str
    config: str
    wanted: str
    reason: str = ""
    serverless: bool = True


class MemoryEndpoints:
    """Endpoints walk Creating or Updating → InService, or as a test has it in `fail_on`.

    `fail_on` names configs that do not start: a new endpoint ends Failed, an updated one is back in
    service with its former config, as SageMaker rolls back without a word.
    """

    def __init__(self, tick: Ticks | None = None) -> None:
        self.registry: MemoryRegistry | None = (
            None  # where given, only what it approves is deployed
        )
        self.models: dict[str, str] = {}  # → package ARN
        self.hostings: dict[str, tuple[str, Capacity]] = {}  # config → model, what it runs on
        self.endpoints: dict[str, _Live] = {}
        self.fail_on: set[str] = set()
        self.refusals: list[Exception] = []  # raised by the next creates of models
        self.none_of: dict[str, Exception] = {}  # instance type → raised by who asks for it
        self.throttled = 0  # so many deletions of endpoints yet
        self.no_delete: Exception | None = None  # raised whenever a config or model is to go
        self._tick = tick or Ticks()

    def ensure_model(
        self, name: str, package_arn: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.models.setdefault(name, package_arn)
        self._tick()

    def ensure_config(
        self, name: str, model: str, capacity: Capacity, tags: Mapping[str, str]
    ) -> None:
        if model not in self.models:
            raise ResourceNotFound(f"Could not find model {model}")
        self.hostings.setdefault(name, (model, capacity))
        self._tick()

    def capacity(self, config: str) -> Capacity | None:
        return self.hostings[config][1] if config in self.hostings else None

    def configs(self, part: str) -> list[str]:
        return [name for name in self.hostings if part in name]

    def delete_config(self, name: str) -> None:
        if self.no_delete is not None:
            raise self.no_delete
        in_use = [n for n, live in self.endpoints.items() if name in (live.config, live.wanted)]
        assert not in_use, f"{name} is deleted while {in_use} use it"
        self.hostings.pop(name, None)
        self._tick()

    def delete_model(self, name: str) -> None:
        if self.no_delete is not None:
            raise self.no_delete
        self.models.pop(name, None)
        self._tick()

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        serverless = isinstance(self._capacity(config), Serverless)
        if name not in self.endpoints:
            self._check_approved(config)
        self.endpoints.setdefault(name, _Live("Creating", config, config, "", serverless))
        self._tick()

    def update(self, name: str, config: str) -> None:
        live = self._found(name)
        wanted = self._capacity(config)
        self._check_approved(config)
        if isinstance(wanted, Instances) and wanted.instance_type in self.none_of:
            raise self.none_of[wanted.instance_type]
        if isinstance(wanted, Serverless) and not live.serverless:
            raise RequestRefused("a real-time endpoint cannot be updated to a serverless endpoint")
        if live.status != "InService":
            raise Unavailable(f"{name} takes no change now")
        live.status, live.wanted = "Updating", config
        self._tick()

    def delete(self, name: str) -> None:
        if name not in self.endpoints:
            return
        if self.endpoints[name].status in ("Creating", "Updating", "Deleting"):
            raise Unavailable(f"{name} takes no change now")
        if self.throttled:
            self.throttled -= 1
            raise Throttled("Rate exceeded")
        self.endpoints[name].status = "Deleting"
        self._tick()

    def describe(self, name: str) -> Endpoint | None:
        live = self.endpoints.get(name)
        if live is None:
            return None
        pending = live.wanted if live.status == "Updating" else ""
        return Endpoint(name, live.status, live.config, live.reason, live.serverless, pending)

    def advance(self) -> list[str]:
        """One state on; the names of the endpoints that moved."""
        moved = [n for n, live in self.endpoints.items() if live.status.endswith("ing")]
        for name in moved:
            live = self.endpoints[name]
            if live.status == "Deleting":
                del self.endpoints[name]
            elif live.wanted not in self.fail_on:
                live.status, live.config = "InService", live.wanted
                live.serverless = isinstance(self._capacity(live.config), Serverless)
            elif live.status == "Creating":
                live.status, live.reason = "Failed", "the container did not answer /ping"
            else:
                live.status, live.wanted = "InService", live.config
        return moved

    def _capacity(self, config: str) -> Capacity:
        if config not in self.hostings:
            raise ResourceNotFound(f"Could not find endpoint configuration {config}")
        return self.hostings[config][1]

    def _check_approved(self, config: str) -> None:
        """As SageMaker does."""
        arn = self.models.get(self.hostings[config][0], "")
        package = self.registry.packages.get(arn) if self.registry else None
        if package is not None and package.approval != Approval.APPROVED:
            raise RequestRefused(f"Model package {arn} has the approval status {package.approval}")

    def _found(self, name: str) -> _Live:
        if name not in self.endpoints:
            raise ResourceNotFound(f"Could not find endpoint {name}")
        return self.endpoints[name]


@dataclass
class MemoryRuntime:
    """Answers golden images out of the model's own artifact, as a right container would.

    `apart` by endpoint name (or name, space, config) is added to the probabilities; `refusals` are
    raised first.
    """

    storage: Storage
    registry: MemoryRegistry
    endpoints: MemoryEndpoints
    apart: dict[str, float] = field(default_factory=dict)
    refusals: list[Exception] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)  # endpoint, model
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)  # once, by endpoint

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> Answer:
        live = self.endpoints.endpoints.get(endpoint)
        if live is None or live.status not in ("InService", "Updating"):
            raise ResourceNotFound(f"Endpoint {endpoint} not found")
        self.asked.append((endpoint, live.config))
        self.meanwhile.pop(endpoint, lambda: None)()
        if self.refusals:
            raise self.refusals.pop(0)
        model_name = self.endpoints.hostings[live.config][0]
        request = self.registry.requests[self.endpoints.models[model_name]]
        url = request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        files = unpack(self.storage.get_bytes(url.removeprefix(f"s3://{self.storage.bucket}/")))
        model = json.loads(files["model.json"])
        for line in files["golden.jsonl"].splitlines():
            golden = json.loads(line)
            if base64.b64decode(golden["png"]) == body:
                off = self.apart.get(f"{endpoint} {live.config}", self.apart.get(endpoint, 0.0))
                pairs = zip(model["classes"], golden["probabilities"], strict=True)
                probabilities = {name: p + off for name, p in pairs}
                answer = {
                    "label": max(probabilities, key=probabilities.__getitem__),
                    "probabilities": probabilities,
                    "model_version": "-".join(model_name.rsplit("-", 2)[1:]),
                }
                return Answer(json.dumps(answer).encode(), "application/json")
        raise AssertionError("asked with an image that is not golden")


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {m.name: opened.extractfile(m).read() for m in opened if m.isfile()}  # type: ignore[union-attr]
