"""Endpoints: who owns which containers, and the walk through the states.

Creating → InService | Failed
InService → Updating → InService      (on failure too: the old config stays, with a FailureReason)
InService | Failed → Deleting → gone
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec
from localcloud.sagemaker.deployment import Deployment, Variant, resolve
from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.jobs import INTERNAL_ERROR
from localcloud.sagemaker.s3data import DataError
from localcloud.sagemaker.server import ModelServer, NotHealthy
from localcloud.sagemaker.state_changes import publish_endpoint
from localcloud.sagemaker.store import Kind

_log = logging.getLogger(__name__)


class EndpointHost:
    """The containers of one endpoint, and the one place that starts, swaps and ends them.

    Growing with the load, scaling to zero and weights between variants belong here.
    """

    _numbers = itertools.count(1)

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self._name = name
        self._lock = threading.Lock()
        self._deployment: Deployment | None = None
        self._servers: dict[str, ModelServer] = {}
        self.cancelled = threading.Event()

    def adopt(self, deployment: Deployment) -> None:
        """Serve this deployment; its containers start with the first invocation."""
        with self._lock:
            self._deployment = deployment
            self._servers = {v.name: self._server(v) for v in deployment.variants}

    def deploy(self, deployment: Deployment) -> Callable[[], None]:
        """Start a deployment beside the present one and, once it is healthy, let it take over.

        Returns what ends the previous containers, after the requests they are working on.
        Raises NotHealthy, UnknownImage; the present one then goes on as before.
        """
        fresh = {variant.name: self._server(variant) for variant in deployment.variants}
        try:
            for variant, server in fresh.items():
                with _names(variant):
                    server.ensure()
        except BaseException:
            for server in fresh.values():
                server.stop()
            raise
        with self._lock:
            previous, self._servers, self._deployment = self._servers, fresh, deployment

        def retire() -> None:
            for server in previous.values():
                server.drain(self._cloud.settings.timeouts.invocation)
                server.stop()

        return retire

    def choose(self, target: str | None) -> tuple[Variant, ModelServer]:
        """The variant for an invocation. Raises ValidationError when there is no such target."""
        with self._lock:
            deployment, servers = self._deployment, self._servers
        for variant in deployment.variants if deployment else ():
            if target in (None, variant.name):
                return variant, servers[variant.name]
        raise ValidationError(f"Variant {target} not found for Endpoint {self._name}")

    def stop(self, grace: float | None = None) -> None:
        """End all containers."""
        self.cancelled.set()
        with self._lock:
            servers, self._servers, self._deployment = self._servers, {}, None
        for server in servers.values():
            server.stop(grace)

    def _server(self, variant: Variant) -> ModelServer:
        cloud, name = self._cloud, self._name
        timeouts = cloud.settings.timeouts
        start = timeouts.serverless_start if variant.serverless else timeouts.instance_start
        start = variant.config.get("ContainerStartupHealthCheckTimeoutInSeconds", start)
        artifact = variant.container.artifact
        folder = cloud.settings.home / "sagemaker" / "endpoints" / f"{name}-{next(self._numbers)}"
        spec = Spec(
            image=variant.container.image,
            argument="serve",
            folder=folder,
            role_arn=variant.container.role_arn,
            session_name=f"SageMaker-{name}"[:64],
            log_group=log_group(name),
            log_stream=f"{variant.name}/{secrets.token_hex(16)}",
            environment=variant.container.environment,
            model=Path(artifact) if artifact else None,
        )
        return ModelServer(
            cloud.containers,
            cloud.clock,
            spec,
            start_timeout=start,
            ping_timeout=timeouts.ping,
            grace=timeouts.stop_server,
            cancelled=self.cancelled,
        )


class Hosting:
    """All endpoints; each change of state runs in a thread of its own."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._hosts: dict[str, EndpointHost] = {}
        self._threads: set[threading.Thread] = set()

    def recover(self) -> None:
        """After a restart: serve what was in service, and go on with what was under way."""
        for endpoint in self._cloud.store.all(Kind.ENDPOINT):
            kept = endpoint.state.get("_deployed")
            host = self._host(endpoint.name)
            if kept:
                host.adopt(Deployment.from_state(kept))
            if endpoint.status == "Creating":
                self.create(endpoint.name)
            elif endpoint.status == "Updating":
                self.update(endpoint.name)
            elif endpoint.status == "Deleting":
                self.delete(endpoint.name)

    def artifacts(self) -> set[Path]:
        """The folders that endpoints serve from."""
        kept = [e.state.get("_deployed") for e in self._cloud.store.all(Kind.ENDPOINT)]
        found: set[Path] = set()
        return found.union(*(Deployment.from_state(state).artifacts for state in kept if state))

    def create(self, name: str) -> None:
        """Bring a Creating endpoint up."""
        self._background(f"create-{name}", lambda: self._deploy(name, "Creating", "Failed"))

    def update(self, name: str) -> None:
        """Bring an Updating endpoint to its new config, or silently back."""
        self._background(f"update-{name}", lambda: self._deploy(name, "Updating", "InService"))

    def delete(self, name: str) -> None:
        """Take a Deleting endpoint down."""
        self._background(f"delete-{name}", lambda: self._delete(name))

    def host(self, name: str) -> EndpointHost | None:
        """The host of an endpoint that serves, or None."""
        endpoint = self._cloud.store.get(Kind.ENDPOINT, name)
        if endpoint is None or endpoint.status not in ("InService", "Updating"):
            return None
        return self._host(name)

    def close(self) -> None:
        """The cloud closes: end the containers; the endpoints stay what they are."""
        with self._lock:
            hosts, threads = list(self._hosts.values()), list(self._threads)
        for host in hosts:
            host.stop(grace=2.0)
        for thread in threads:
            thread.join(15.0)

    def _deploy(self, name: str, during: str, otherwise: str) -> None:
        cloud, host = self._cloud, self._host(name)
        endpoint = cloud.store.get(Kind.ENDPOINT, name)
        if endpoint is None:
            return
        config = endpoint.state.get("_pending") or endpoint.state["EndpointConfigName"]
        retire: Callable[[], None] = lambda: None  # noqa: E731
        try:
            deployment = resolve(cloud, config)
            retire = host.deploy(deployment)
        except (DataError, UnknownImage, AccessDenied, NotHealthy) as error:
            _log.info("endpoint %s: %s", name, error)
            self._not_deployed(name, during, otherwise, str(error))
        except Exception:
            _log.exception("endpoint %s", name)
            self._not_deployed(name, during, otherwise, INTERNAL_ERROR)
        else:
            self._moved(
                name,
                during,
                "InService",
                EndpointConfigName=config,
                ProductionVariants=[variant.summary for variant in deployment.variants],
                FailureReason=None,
                PendingDeploymentSummary=None,
                _pending=None,
                _deployed=deployment.to_state(),
            )
        retire()

    def _not_deployed(self, name: str, during: str, status: str, reason: str) -> None:
        self._moved(
            name,
            during,
            status,
            FailureReason=reason[:1024],
            PendingDeploymentSummary=None,
            _pending=None,
        )

    def _delete(self, name: str) -> None:
        self._host(name).stop()
        with self._lock:
            self._hosts.pop(name, None)
        self._cloud.store.delete(Kind.ENDPOINT, name)

    def _moved(self, name: str, during: str, status: str, **state: object) -> None:
        if self._cloud.closing.is_set():
            return
        moved = self._cloud.advance(Kind.ENDPOINT, name, status, only_from=(during,), **state)
        if moved is not None:
            publish_endpoint(self._cloud, moved)

    def _host(self, name: str) -> EndpointHost:
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = EndpointHost(self._cloud, name)
            return self._hosts[name]

    def _background(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock, contextlib.suppress(KeyError):
                    self._threads.remove(threading.current_thread())

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()


def log_group(endpoint: str) -> str:
    """Where the containers of an endpoint log to."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


@contextlib.contextmanager
def _names(variant: str) -> Iterator[None]:
    """Say a failed health check as SageMaker does."""
    try:
        yield
    except NotHealthy as error:
        raise NotHealthy(
            f"The primary container for production variant {variant} did not pass the ping health "
            "check. Please check CloudWatch logs for this endpoint."
        ) from error
