"""What the page says of the cloud itself: where it listens, since when, and whether it is well."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from localcloud.home import ACCOUNT, Home, Running

_REPOSITORY = Path(__file__).resolve().parents[2]
_LOOK = 5.0  # seconds between two looks at MiniStack's health
_PATIENCE = 1.0  # seconds until no answer counts as none


class About:
    """Call it for the JSON; `healthy` asks MiniStack, at most every `_LOOK` seconds."""

    def __init__(
        self,
        home: Home,
        running: Running,
        healthy: Callable[[], bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._running = running
        self._healthy = healthy or _answers(running.ports.gateway_url)
        self._now = now
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._well = False

    def __call__(self) -> dict[str, Any]:
        """Everything but what changes with every second: two answers can be compared."""
        ports = self._running.ports
        env = self._home.env_file
        return {
            "region": self._running.region,
            "account": ACCOUNT,
            "pid": self._running.pid,
            "started": self._running.started,
            "home": str(self._home.root),
            "option": self._option(),
            "env": str(env) if env.exists() else None,
            "services": [
                {"name": "SageMaker", "url": ports.sagemaker_url, "healthy": True},
                {"name": "MiniStack", "url": ports.gateway_url, "healthy": self._ministack()},
            ],
        }

    def _option(self) -> str:
        """What `pigeonhole` needs on its command line to mean this cloud, from the repository."""
        if self._home.root == _REPOSITORY / ".local":
            return ""
        return f" --home {shlex.quote(str(self._home.root))}"

    def _ministack(self) -> bool:
        with self._lock:
            if self._looked is None or self._now() - self._looked >= _LOOK:
                self._well, self._looked = self._healthy(), self._now()
            return self._well


def _answers(url: str) -> Callable[[], bool]:
    pool = urllib3.PoolManager(retries=False, timeout=_PATIENCE)

    def ask() -> bool:
        try:
            return pool.request("GET", f"{url}/_ministack/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    return ask
