"""The containers of one endpoint, and the one place that starts, swaps and ends them."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec
from localcloud.sagemaker.deployment import Deployment, Variant
from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.hosting.fleet import Fleet, FleetView, Lease
from localcloud.sagemaker.hosting.instances import RANDOM, InstanceFleet
from localcloud.sagemaker.hosting.serverless import ServerlessFleet
from localcloud.sagemaker.server import ModelServer, NotHealthy


class EndpointHost:
    """One fleet of containers a variant; which variant takes a request follows from the weights."""

    _numbers = itertools.count(1)

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self._name = name
        self._lock = threading.Lock()
        self._deployment: Deployment | None = None
        self._fleets: dict[str, Fleet] = {}
        self._coming: dict[str, Fleet] = {}
        self._leaving: list[Fleet] = []
        self._stopped = False

    @property
    def deployment(self) -> Deployment | None:
        """What it serves."""
        return self._deployment

    def adopt(self, deployment: Deployment) -> None:
        """Serve this deployment after a restart: instances and provisioned containers start in the
        background, the others with the first request.
        """
        fleets = {v.name: self._fleet(v) for v in deployment.variants}
        with self._lock:
            self._deployment, self._fleets = deployment, fleets

    def deploy(self, deployment: Deployment) -> Callable[[], None]:
        """Start a deployment beside the present one and, once it is healthy, let it take over.

        Returns what ends the previous containers, after the requests they are working on.
        Raises NotHealthy, UnknownImage, AccessDenied; the present one then goes on as before.
        """
        fresh = {variant.name: self._fleet(variant) for variant in deployment.variants}
        with self._lock:
            if self._stopped:
                raise NotHealthy("the endpoint was stopped")
            self._coming = fresh
        try:
            for variant, fleet in fresh.items():
                self._healthy(variant, fleet.start)
            leaving = self._take_over(deployment, fresh)
        except BaseException:
            for fleet in fresh.values():
                fleet.stop()
            raise
        finally:
            self._coming = {}

        def retire() -> None:
            for fleet in leaving:
                fleet.retire(self._patience(deployment))
            with self._lock:
                self._leaving = [fleet for fleet in self._leaving if fleet not in leaving]

        return retire

    def _take_over(self, deployment: Deployment, fresh: dict[str, Fleet]) -> list[Fleet]:
        """Returns the fleets that leave: those of an update before may still be leaving, too."""
        with self._lock:
            if self._stopped:
                raise NotHealthy("the endpoint was stopped")
            leaving = list(self._fleets.values())
            self._leaving += leaving
            self._fleets, self._deployment = fresh, deployment
        return leaving

    def rescale(self, wanted: Sequence[Mapping[str, Any]]) -> Deployment:
        """Other weights and capacities (DesiredWeightsAndCapacities); returns what is deployed
        then.

        Raises NotHealthy, UnknownImage, AccessDenied; nothing has changed then.
        """
        present = self._deployment
        if present is None:
            raise NotHealthy("the endpoint was stopped")
        scaled = present.scaled(wanted)
        done: list[Variant] = []
        try:
            for before, variant in zip(present.variants, scaled.variants, strict=True):
                self._healthy(variant.name, partial(self._resize, variant))
                done.append(before)
        except BaseException:
            for variant in done:
                self._resize(variant)
            raise
        with self._lock:
            self._deployment = scaled
        return scaled

    def lease(self, target: str | None = None) -> tuple[Variant, Fleet, Lease]:
        """A container for one request: of the variant `target`, else of one chosen by weight.

        Raises Throttled, and ValidationError when there is no such variant.
        """
        # Under the lock, so that no fleet retires between the choice and the lease.
        with self._lock:
            variant = self._choose(target)
            fleet = self._fleets[variant.name]
            return variant, fleet, fleet.lease()

    def _choose(self, target: str | None) -> Variant:
        variants = self._deployment.variants if self._deployment else ()
        if target is not None:
            for variant in variants:
                if variant.name == target:
                    return variant
            raise ValidationError(f"Variant {target} not found for Endpoint {self._name}")
        weights = [variant.weight for variant in variants]
        if not any(weights):
            # What AWS answers then is not documented.
            raise ValidationError(f"No variant of Endpoint {self._name} has a weight above 0.")
        return random.choices(variants, weights)[0]

    def tend(self, now: float) -> None:
        """Look after the containers."""
        for fleet in list(self._fleets.values()):
            fleet.tend(now)

    def views(self) -> dict[str, FleetView]:
        """How the fleets stand, by variant."""
        return {name: fleet.view for name, fleet in list(self._fleets.items())}

    def stop(self, grace: float | None = None) -> None:
        """End all containers."""
        with self._lock:
            self._stopped = True
            fleets = [*self._fleets.values(), *self._coming.values(), *self._leaving]
            self._fleets, self._deployment = {}, None
        for fleet in fleets:
            fleet.stop(grace)

    def _resize(self, variant: Variant) -> None:
        fleet = self._fleets.get(variant.name)
        if isinstance(fleet, ServerlessFleet):
            size = variant.config["ServerlessConfig"]
            fleet.resize(size["MaxConcurrency"], size.get("ProvisionedConcurrency", 0))
        elif isinstance(fleet, InstanceFleet):
            fleet.resize(variant.instances, self._patience(self._deployment))

    def _patience(self, deployment: Deployment | None) -> float:
        """How long a request may still be under way in a container that must go."""
        timeouts = self._cloud.settings.timeouts
        asynchronous = deployment is not None and deployment.asynchronous is not None
        return timeouts.longest_asynchronous if asynchronous else timeouts.invocation

    def _healthy(self, variant: str, start: Callable[[], None]) -> None:
        """Say a failed health check as SageMaker does."""
        try:
            start()
        except NotHealthy as error:
            raise NotHealthy(no_ping(variant)) from error

    def _fleet(self, variant: Variant) -> Fleet:
        def new_server(cancelled: threading.Event) -> ModelServer:
            return self._server(variant, cancelled)

        clock = self._cloud.clock
        if variant.serverless:
            size = variant.config["ServerlessConfig"]
            return ServerlessFleet(
                new_server,
                clock,
                max_concurrency=size["MaxConcurrency"],
                provisioned=size.get("ProvisionedConcurrency", 0),
                idle=self._cloud.settings.timeouts.serverless_idle,
            )
        routing = variant.config.get("RoutingConfig", {}).get("RoutingStrategy", RANDOM)
        return InstanceFleet(new_server, clock, count=variant.instances, routing=routing)

    def _server(self, variant: Variant, cancelled: threading.Event) -> ModelServer:
        cloud, name = self._cloud, self._name
        timeouts = cloud.settings.timeouts
        start = timeouts.serverless_start if variant.serverless else timeouts.instance_start
        start = variant.config.get("ContainerStartupHealthCheckTimeoutInSeconds", start)
        artifact = variant.container.artifact
        folder = cloud.settings.home / "sagemaker" / "endpoints" / f"{name}-{next(self._numbers)}"
        instance = secrets.token_hex(16) if variant.serverless else f"i-{secrets.token_hex(8)}"
        spec = Spec(
            image=variant.container.image,
            argument="serve",
            folder=folder,
            role_arn=variant.container.role_arn,
            session_name=f"SageMaker-{name}"[:64],
            log_group=log_group(name),
            log_stream=f"{variant.name}/{instance}",
            environment=variant.container.environment,
            model=Path(artifact) if artifact else None,
        )

        def trouble() -> None:
            hitch = cloud.trouble.next("slow-start", name)
            if hitch is not None:
                cloud.clock.wait(cancelled, hitch.seconds)

        return ModelServer(
            cloud.containers,
            cloud.clock,
            spec,
            start_timeout=start,
            ping_timeout=timeouts.ping,
            grace=timeouts.stop_server,
            cancelled=cancelled,
            before_start=trouble,
        )


def log_group(endpoint: str) -> str:
    """Where the containers of an endpoint log to."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def no_ping(variant: str) -> str:
    """The FailureReason of a failed health check."""
    return (
        f"The primary container for production variant {variant} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
