"""Use of CPU, memory and GPUs while a run goes on, sampled once a second beside it."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from pigeonhole_training.watching.profile import Gpu, GpuUse, Machine, Sample

INTERVAL = 1.0  # seconds
CHILDREN_EVERY = 10  # samples: finding them goes through all processes of the host
CGROUP = Path("/sys/fs/cgroup")


def describe_machine(gpus: Gpus, instance_type: str = "", cgroup: Path = CGROUP) -> Machine:
    """The machine as this process may use it."""
    return Machine(
        cpus=usable_cpus(cgroup),
        memory=memory_limit(cgroup),
        gpus=gpus.describe(),
        instance_type=instance_type,
    )


def usable_cpus(cgroup: Path = CGROUP) -> float:
    """Cores that this process may run on, by its affinity and its control group's quota
    (`cpu.max`, control groups v2)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    words = _read(cgroup / "cpu.max").split()
    if len(words) == 2 and words[0].isdigit():
        cores = min(cores, int(words[0]) / int(words[1]))
    return cores


def memory_limit(cgroup: Path = CGROUP) -> int:
    """Bytes: the control group's limit (v2, v1), or all of the host's memory."""
    total = int(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text.isdigit():
            return min(total, int(text))
    return total


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


class Gpus:
    """The host's NVIDIA GPUs as their driver's library (NVML) tells of them; none without it.

    nvml: the library's Python module; None: pynvml
    """

    def __init__(self, nvml: Any = None) -> None:
        self._handles: list[Any] = []
        self._nvml: Any = None
        self._described: tuple[Gpu, ...] = ()
        # No package, no driver, no GPU, or one that does not tell what is asked (a share of a GPU):
        # NVML has an error class for each, and none of them is a reason not to train.
        with contextlib.suppress(Exception):
            nvml = nvml or importlib.import_module("pynvml")
            nvml.nvmlInit()
            self._nvml = nvml
            handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
            self._described = tuple(self._description(handle) for handle in handles)
            self._handles = handles

    def describe(self) -> tuple[Gpu, ...]:
        """Name and memory of each."""
        return self._described

    def _description(self, handle: Any) -> Gpu:
        name = self._nvml.nvmlDeviceGetName(handle)
        return Gpu(
            name=name.decode() if isinstance(name, bytes) else name,
            memory=int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total),
        )

    def use(self) -> tuple[GpuUse, ...]:
        """What each is doing. NVML averages `busy` over the last sixth of a second to second."""
        return tuple(
            GpuUse(
                busy=self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
                memory=int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used),
            )
            for handle in self._handles
        )

    def close(self) -> None:
        """Lets go of the library."""
        if self._nvml is not None:
            with contextlib.suppress(Exception):
                self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, []


class Meter:
    """Measures from one call of `sample` to the next.

    cpus: cores that the process may use
    gpus: None where there are none to ask
    """

    def __init__(self, cpus: float, gpus: Gpus | None = None) -> None:
        self._cpus = cpus
        self._gpus = gpus
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._calls = 0
        self._time = time.perf_counter()
        self._start = self._time
        self._own = self._own_seconds()
        self._host = _busy_seconds()

    def sample(self) -> Sample:
        """Use since the last call."""
        now, own, host = time.perf_counter(), self._own_seconds(), _busy_seconds()
        elapsed = max(now - self._time, 1e-6)
        used = max(own - self._own, 0.0)
        # all cores of the host, of which the process may use fewer
        cores = psutil.cpu_count() or 1
        others = max(host - self._host - used, 0.0) / (elapsed * cores)
        taken = Sample(
            at=now - self._start,
            cpu=min(used / (elapsed * self._cpus), 1.0),
            others=min(others, 1.0),
            memory=self._memory(),
            gpus=self._gpus.use() if self._gpus else (),
        )
        self._time, self._own, self._host = now, own, host
        return taken

    def _own_seconds(self) -> float:
        if self._calls % CHILDREN_EVERY == 0:
            self._children = self._process.children(recursive=True)
        self._calls += 1
        total = 0.0
        for process in (self._process, *self._children):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _memory(self) -> int:
        total = 0
        for process in (self._process, *self._children):
            with contextlib.suppress(psutil.Error):
                info = process.memory_info()
                # Linux counts mapped files here, which it drops when memory gets short
                total += info.rss - getattr(info, "shared", 0)
        return int(total)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is part of user time
    return sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)


class Sampler:
    """A thread that hands a sample on every `interval` seconds until it is closed.

    What `take` or the meter raises ends it and is handed to `failed`.
    """

    def __init__(
        self,
        meter: Meter,
        take: Callable[[Sample], None],
        failed: Callable[[Exception], None],
        interval: float = INTERVAL,
    ) -> None:
        self._meter = meter
        self._take = take
        self._failed = failed
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._interval):
                self._take(self._meter.sample())
        except Exception as error:
            self._failed(error)

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(timeout=10)
