"""The container's environment, read in this place alone."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """`batch` is true inside a transform job, the only place where keys of S3 are accepted.

    `host` is loopback unless the image says otherwise (`SAGEMAKER_BIND_TO_HOST=0.0.0.0`), so that
    the server is never open to a network when it runs as a plain process.
    """

    model_dir: Path
    host: str
    port: int
    batch: bool
    bucket: str | None
    prefix: str | None
    workers: int


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises SettingsError that names the variable."""
    port = environ.get("SAGEMAKER_BIND_TO_PORT", "8080")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"SAGEMAKER_BIND_TO_PORT is {port!r}: give a port from 1 to 65535")
    return Settings(
        model_dir=Path(environ.get("SM_MODEL_DIR", "/opt/ml/model")),
        host=environ.get("SAGEMAKER_BIND_TO_HOST", "127.0.0.1"),
        port=int(port),
        batch=environ.get("SAGEMAKER_BATCH", "").lower() == "true",
        bucket=environ.get("PIGEONHOLE_BUCKET") or None,
        prefix=environ.get("PIGEONHOLE_PREFIX") or None,
        workers=cpus(),
    )


def cpus(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """CPUs that this process may use, at least 1: affinity, lowered to the cgroup's quota.

    A serverless container sees all of the host's cores but is given 1 to 6 of them.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = allowed or 1
    try:
        quota, period = cgroup.read_text().split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2 here: affinity is all there is to know
    return max(count, 1)
