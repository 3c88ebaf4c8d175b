"""Runs the local cloud: MiniStack as a process, SageMaker in this one; starts and stops both.

lock the home → bind both ports → MiniStack → SageMaker → localcloud.json
SIGTERM, SIGINT: SageMaker and its containers → events and logs → MiniStack saves → unlock
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette

from localcloud import page
from localcloud.access import IamAccess
from localcloud.bridge import Bridge
from localcloud.clients import clients
from localcloud.events import EventBus
from localcloud.home import (
    ACCOUNT,
    Home,
    Lock,
    PortInUse,
    Ports,
    Running,
    listen,
    venv_python,
    venvs_folder,
)
from localcloud.images import Images
from localcloud.logs import CloudWatchLogs
from localcloud.metrics import CloudWatchMetrics
from localcloud.ministack import launch
from localcloud.ministack.server import MiniStack
from localcloud.sagemaker.app import build_app
from localcloud.sagemaker.cloud import Timeouts
from localcloud.tail import Tail, TailedLogs
from localcloud.trouble import Rules
from localcloud.trouble.http import routes as trouble_routes
from localcloud.trouble.http import told

_log = logging.getLogger(__name__)

_REPOSITORY = Path(__file__).resolve().parents[1]
_LONGEST_LEFT_OVER = 15.0  # seconds for processes of a killed cloud to end by themselves
_LONGEST_RECOVERY = 60.0  # seconds for SageMaker to take up what an earlier run left


class CloudFailed(Exception):
    """The cloud cannot go on; the message says why."""


def run(
    home: Home, ports: Ports, region: str, environment: Mapping[str, str], stop: threading.Event
) -> None:
    """Run the cloud until `stop` is set; leaves no process behind.

    Raises HomeInUse, PortInUse, MiniStackMissing, MiniStackFailed, CloudFailed.
    """
    images = images_of(home, environment)
    timeouts = timeouts_of(environment)
    running = Running(os.getpid(), ports.gateway, region, time.time())
    lock = Lock(home, running)
    failures: list[str] = []

    def give_up(message: str) -> None:
        failures.append(message)
        stop.set()

    closers: list[Callable[[], None]] = [lock.release, home.mark_stopped]
    try:
        patience = _LONGEST_LEFT_OVER if lock.left_over else 0.0
        _bind(ports.gateway, "MiniStack", ports, patience).close()
        bound = _bind(ports.sagemaker, "SageMaker", ports, patience)
        closers.append(bound.close)
        token = secrets.token_urlsafe(32)
        ministack = MiniStack(
            home,
            ports,
            command=launch.command(venv_python("ministack", environment)),
            environment=launch.environment(home, ports, region, token, environment),
            on_give_up=give_up,
        )
        closers.append(ministack.stop)
        _log.info("starting MiniStack on port %d", ports.gateway)
        ministack.start()
        _log.info("MiniStack is ready; starting SageMaker on port %d", ports.sagemaker)
        make = clients(ports, region)
        logs = CloudWatchLogs(make)
        closers.append(logs.close)
        metrics = CloudWatchMetrics(make)
        closers.append(metrics.close)
        rules = Rules(home.trouble_db)
        closers.append(rules.close)
        events = EventBus(home.events_db, make, ACCOUNT, region, trouble=rules)
        closers.append(events.close)
        events.start()
        tail, series = Tail(), page.Series()
        parts = page.Parts(
            series,
            tail,
            page.About(home, running),
            events=lambda: page.told_events(events),
            trouble=lambda: [told(rule) for rule in rules.all()],
            older=page.OlderLines(make),
        )
        server = Server(
            build_app(
                access=IamAccess(ports, region, token, make),
                events=events,
                logs=TailedLogs(logs, tail),
                metrics=page.WatchedMetrics(metrics, series),
                trouble=rules,
                images=images,
                home=home.root,
                region=region,
                account=ACCOUNT,
                url=ports.sagemaker_url,
                endpoints=ports.endpoints(),
                timeouts=timeouts,
                functions=Bridge(ports, token),
                routes=[*page.routes(parts), *trouble_routes(rules)],
            ),
            bound,
            give_up,
        )
        closers.append(server.stop)
        server.start()
        home.mark_ready(running)
        _log.info("ready: MiniStack on %s, SageMaker on %s", ports.gateway_url, ports.sagemaker_url)
        stop.wait()
        _log.info("stopping")
    finally:
        for close in reversed(closers):
            try:
                close()
            except Exception:  # the rest must still be closed
                _log.exception("while stopping")
    if failures:
        raise CloudFailed(failures[0])
    _log.info("stopped")


def images_of(home: Home, environment: Mapping[str, str]) -> Images:
    """The project's images, and before them those of the home's own images.toml.

    Raises CloudFailed when that file cannot be understood.
    """
    own = [home.images_file] if home.images_file.exists() else []
    try:
        return Images.load(venvs=venvs_folder(environment), repo=_REPOSITORY, extra=own)
    except (OSError, ValueError) as error:
        raise CloudFailed(str(error)) from error


def timeouts_of(environment: Mapping[str, str]) -> Timeouts:
    """SageMaker's own times, but for what variables change. Raises CloudFailed for a wrong one."""
    try:
        return Timeouts.from_environment(environment)
    except ValueError as error:
        raise CloudFailed(str(error)) from error


def _bind(port: int, use: str, ports: Ports, patience: float) -> socket.socket:
    """Bind a port, waiting `patience` seconds for it to become free. Raises PortInUse."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return listen(port, use, ports.gateway)
        except PortInUse:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)


class Server:
    """An ASGI application on a bound socket, in a thread of its own."""

    def __init__(
        self,
        app: Starlette,
        bound: socket.socket,
        failed: Callable[[str], None],
    ) -> None:
        self._bound = bound
        self._failed = failed
        self._server = uvicorn.Server(
            uvicorn.Config(
                cast("Any", app),
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._run, name="sagemaker", daemon=True)

    def start(self) -> None:
        """Serve; returns when requests are answered. Raises CloudFailed."""
        self._thread.start()
        deadline = time.monotonic() + _LONGEST_RECOVERY
        while not self._server.started:
            self._thread.join(0.02)
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise CloudFailed("SageMaker did not start; localcloud.log says why")

    def stop(self) -> None:
        """Let requests end, run the application's shutdown, and wait for it."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        self._server.run(sockets=[self._bound])
        if not self._server.should_exit:
            self._failed("SageMaker's server ended by itself")
