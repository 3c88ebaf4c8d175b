"""How much memory this job may use, and so how many pixels may be kept in it."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

# Of the memory: the network, its gradients and the libraries need the rest.
PIXEL_SHARE = 0.25

# A container's limit, by control groups version 2 and 1.
# Sources: kernel.org, Control Group v2, "memory.max"; cgroup-v1/memory, "limit_in_bytes".
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_limit() -> int:
    """Bytes: the least of the machine's, the container's and this process' own limit."""
    limits = [psutil.virtual_memory().total, *filter(None, map(_cgroup_limit, _CGROUP_LIMITS))]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _cgroup_limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": none is set


def pixel_budget() -> int:
    """Bytes of pixels that may lie in memory; what is more than that lies on disk."""
    return int(memory_limit() * PIXEL_SHARE)
