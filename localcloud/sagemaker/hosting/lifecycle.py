"""The walk of endpoints through their states.

Creating → InService | Failed
InService → Updating → InService      (on failure too: the old config stays, with a FailureReason)
InService → Updating → RollingBack → InService      (when another weight or capacity fails)
InService | Failed → Deleting → gone
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.deployment import Deployment, resolve
from localcloud.sagemaker.hosting.asynchronous import Asynchronous
from localcloud.sagemaker.hosting.fleet import FleetView
from localcloud.sagemaker.hosting.host import EndpointHost, no_ping
from localcloud.sagemaker.jobs import INTERNAL_ERROR
from localcloud.sagemaker.s3data import DataError
from localcloud.sagemaker.server import NotHealthy
from localcloud.sagemaker.state_changes import publish_endpoint
from localcloud.sagemaker.store import Kind, Resource

_log = logging.getLogger(__name__)

_SERVING = ("InService", "Updating", "RollingBack")
_EXPECTED = (DataError, UnknownImage, AccessDenied, NotHealthy)
_TEND_EVERY = 1.0  # seconds


class Hosting:
    """All endpoints; each change of state runs in a thread of its own."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._hosts: dict[str, EndpointHost] = {}
        self._threads: set[threading.Thread] = set()
        folder = cloud.settings.home / "sagemaker"
        self.asynchronous = Asynchronous(cloud, folder / "asynchronous.db")

    def recover(self) -> None:
        """After a restart: serve what was in service, and go on with what was under way."""
        for endpoint in self._cloud.store.all(Kind.ENDPOINT):
            kept = endpoint.state.get("_deployed")
            if kept:
                self._host(endpoint.name).adopt(Deployment.from_state(kept))
                self._serve_queue(endpoint.name)
            if endpoint.status == "Creating":
                self.create(endpoint.name)
            elif endpoint.status == "Updating" and "_wanted" in endpoint.state:
                self.rescale(endpoint.name)
            elif endpoint.status == "Updating":
                self.update(endpoint.name)
            elif endpoint.status == "RollingBack":
                self._moved(endpoint.name, "RollingBack", "InService")
            elif endpoint.status == "Deleting":
                self.delete(endpoint.name)
        self._background("tend", self._tend)

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

    def rescale(self, name: str) -> None:
        """Bring an Updating endpoint to its new weights and capacities, or back."""
        self._background(f"rescale-{name}", lambda: self._rescale(name))

    def delete(self, name: str) -> None:
        """Take a Deleting endpoint down."""
        self._background(f"delete-{name}", lambda: self._delete(name))

    def host(self, name: str) -> EndpointHost | None:
        """The host of an endpoint that serves, or None."""
        endpoint = self._cloud.store.get(Kind.ENDPOINT, name)
        if endpoint is None or endpoint.status not in _SERVING:
            return None
        return self._host(name)

    def views(self, name: str) -> dict[str, FleetView]:
        """How the containers of an endpoint stand, by variant."""
        with self._lock:
            host = self._hosts.get(name)
        return host.views() if host is not None else {}

    def close(self) -> None:
        """The cloud closes: end the containers; the endpoints stay what they are."""
        with self._lock:
            hosts, threads = list(self._hosts.values()), list(self._threads)
        for host in hosts:
            host.stop(grace=2.0)
        self.asynchronous.close()
        for thread in threads:
            thread.join(15.0)

    def _tend(self) -> None:
        cloud = self._cloud
        while not cloud.closing.is_set():
            with self._lock:
                hosts = list(self._hosts.values())
            for host in hosts:
                try:
                    host.tend(cloud.clock.now())
                except Exception:
                    _log.exception("an endpoint's containers")
            idle = cloud.settings.timeouts.serverless_idle
            cloud.clock.wait(cloud.closing, min(_TEND_EVERY, max(0.02, idle / 4)))

    def _deploy(self, name: str, during: str, otherwise: str) -> None:
        cloud, host = self._cloud, self._host(name)
        endpoint = cloud.store.get(Kind.ENDPOINT, name)
        if endpoint is None:
            return
        config = endpoint.state.get("_pending") or endpoint.state["EndpointConfigName"]
        retire: Callable[[], None] = lambda: None  # noqa: E731
        try:
            deployment = resolve(cloud, config)
            if host.deployment is not None:
                retained = endpoint.state.get("_retained", [])
                deployment = deployment.retaining(host.deployment, retained)
            if during == "Updating":
                self._trouble(name, deployment)
            retire = host.deploy(deployment)
        except _EXPECTED as error:
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
                AsyncInferenceConfig=deployment.asynchronous,
                FailureReason=None,
                PendingDeploymentSummary=None,
                _pending=None,
                _retained=None,
                _deployed=deployment.to_state(),
            )
            self._serve_queue(name)
        retire()

    def _serve_queue(self, name: str) -> None:
        host = self._host(name)
        if host.deployment is not None and host.deployment.asynchronous is not None:
            self.asynchronous.serve(name, host)

    def _trouble(self, name: str, deployment: Deployment) -> None:
        """Trouble `rollback`: the update fails as if the new containers were not healthy; its
        message is the FailureReason.
        """
        hitch = self._cloud.trouble.next("rollback", name)
        if hitch is not None:
            raise NotHealthy(hitch.message or no_ping(deployment.variants[0].name))

    def _not_deployed(self, name: str, during: str, status: str, reason: str) -> None:
        self._moved(
            name,
            during,
            status,
            FailureReason=reason[:1024],
            PendingDeploymentSummary=None,
            _pending=None,
            _retained=None,
        )

    def _rescale(self, name: str) -> None:
        cloud, host = self._cloud, self._host(name)
        endpoint = cloud.store.get(Kind.ENDPOINT, name)
        if endpoint is None:
            return
        try:
            deployment = host.rescale(endpoint.state["_wanted"])
        except Exception as error:
            reason = str(error)
            if not isinstance(error, _EXPECTED):
                _log.exception("endpoint %s", name)
                reason = INTERNAL_ERROR
            present = Deployment.from_state(endpoint.state["_deployed"])
            self._moved(name, "Updating", "RollingBack", _wanted=None)
            self._moved(
                name,
                "RollingBack",
                "InService",
                FailureReason=reason[:1024],
                ProductionVariants=[variant.summary for variant in present.variants],
            )
        else:
            self._moved(
                name,
                "Updating",
                "InService",
                ProductionVariants=[variant.summary for variant in deployment.variants],
                _wanted=None,
                _deployed=deployment.to_state(),
            )

    def _delete(self, name: str) -> None:
        self._host(name).stop()
        self.asynchronous.forget(name)
        with self._lock:
            self._hosts.pop(name, None)
        self._cloud.store.delete(Kind.ENDPOINT, name)

    def _moved(self, name: str, during: str, status: str, **state: Any) -> Resource | None:
        if self._cloud.closing.is_set():
            return None
        moved = self._cloud.advance(Kind.ENDPOINT, name, status, only_from=(during,), **state)
        if moved is not None:
            publish_endpoint(self._cloud, moved)
        return moved

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
