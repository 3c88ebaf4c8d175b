"""What an operation of SageMaker works with: handed to each as its first argument."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.images import Images
from localcloud.ports import Access, Events, Functions, Logs, Metrics, Trouble
from localcloud.processes import Starter
from localcloud.sagemaker.clock import Clock
from localcloud.sagemaker.store import Kind, NameTaken, Resource, Store

if TYPE_CHECKING:
    from localcloud.sagemaker.artifacts import Artifacts
    from localcloud.sagemaker.containers import Containers
    from localcloud.sagemaker.hosting import Hosting
    from localcloud.sagemaker.jobs import Jobs
    from localcloud.sagemaker.metrics import Progress
    from localcloud.sagemaker.roles import Roles


@dataclass(frozen=True)
class Timeouts:
    """How long SageMaker waits, in seconds; the defaults are AWS's.

    serverless_idle: without requests, until a serverless container ends; AWS does not say how long
    that is, five minutes are ours (PIGEONHOLE_SERVERLESS_IDLE_SECONDS)
    sync: between two looks at a job's checkpoints; AWS does not say how often it looks
    instance_metrics: between two measurements of a job's hosts
    """

    stop_job: float = 120.0
    stop_server: float = 30.0
    ping: float = 2.0
    serverless_start: float = 180.0
    instance_start: float = 480.0
    invocation: float = 60.0
    sync: float = 1.0
    instance_metrics: float = 60.0
    longest_asynchronous: float = 3600.0
    serverless_idle: float = 300.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Timeouts:
        """The defaults, but for what variables change. Raises ValueError that names a wrong one."""
        name = "PIGEONHOLE_SERVERLESS_IDLE_SECONDS"
        given = environment.get(name)
        if not given:
            return cls()
        try:
            seconds = float(given)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise ValueError(f"{name}={given}: a number of seconds above 0 is needed")
        return cls(serverless_idle=seconds)


@dataclass(frozen=True)
class Settings:
    """Where and as whom this SageMaker runs.

    url: how containers reach this server, without a trailing slash
    endpoints: AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_* for containers and for SageMaker's own S3
    client
    """

    home: Path
    region: str
    account: str
    url: str
    endpoints: Mapping[str, str]
    timeouts: Timeouts = field(default_factory=Timeouts)


class NoFunctions:
    """Nobody who calls is a Lambda function."""

    def runs(self, function: str) -> bool:
        """Never."""
        return False

    def kill(self, function: str, trace: str) -> None:
        """There is none."""


@dataclass
class Cloud:
    """The parts of SageMaker, wired once in `app.py`.

    functions: the Lambda functions that call, for the trouble that somebody asked for
    """

    settings: Settings
    store: Store
    access: Access
    events: Events
    logs: Logs
    metrics: Metrics
    trouble: Trouble
    images: Images
    clock: Clock
    start: Starter
    roles: Roles = field(init=False)
    containers: Containers = field(init=False)
    artifacts: Artifacts = field(init=False)
    progress: Progress = field(init=False)
    training: Jobs = field(init=False)
    transform: Jobs = field(init=False)
    tuning: Jobs = field(init=False)
    hosting: Hosting = field(init=False)
    closing: threading.Event = field(default_factory=threading.Event)
    functions: Functions = field(default_factory=NoFunctions)

    def arn(self, kind: Kind | str, name: str) -> str:
        """The ARN of a resource, say `arn:aws:sagemaker:us-east-1:000000000000:model/m`."""
        return f"arn:aws:sagemaker:{self.settings.region}:{self.settings.account}:{kind}/{name}"

    def create(
        self,
        kind: Kind,
        name: str,
        request: dict[str, Any],
        taken: Callable[[Resource], Exception],
        *,
        status: str = "",
        state: dict[str, Any] | None = None,
    ) -> Resource:
        """Store a new resource and its Tags; `taken` makes the error for a name that exists."""
        now = self.clock.now()
        kept = {key: value for key, value in request.items() if key != "Tags"}
        resource = Resource(
            kind, name, self.arn(kind, name), status, now, now, kept, dict(state or {})
        )
        try:
            self.store.add(resource, tags_of(request))
        except NameTaken as error:
            raise taken(error.existing) from error
        return resource

    def advance(
        self,
        kind: Kind,
        name: str,
        status: str,
        *,
        only_from: tuple[str, ...] = (),
        **state: Any,
    ) -> Resource | None:
        """Move a resource to `status` and set members of its state.

        Returns None, and changes nothing, when it is gone or not in one of `only_from`.
        """

        def change(resource: Resource) -> Resource | None:
            if only_from and resource.status not in only_from:
                return None
            moved = replace(resource, status=status, modified=self.clock.now())
            return moved.with_state(**state)

        return self.store.change(kind, name, change)


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    """The Tags of a request as a plain mapping."""
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags") or []}
