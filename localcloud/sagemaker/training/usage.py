"""What a host uses of the machine: CPUUtilization and MemoryUtilization, as AWS's instances tell.

A host here is a tree of processes on this machine: its share of all CPUs' time (in percent of one
CPU, so up to 100 times their number, as on AWS) and of the machine's memory. DiskUtilization is not
told: hosts have no disk of their own.
"""

from __future__ import annotations

import psutil

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.training.cluster import Cluster

NAMESPACE = "/aws/sagemaker/TrainingJobs"


class Usage:
    """Measures one tree of processes; each call tells of the time since the one before."""

    def __init__(self, pid: int, now: float) -> None:
        self._pid = pid
        self._at = now
        self._seconds = 0.0

    def measure(self, now: float) -> dict[str, float] | None:
        """Percent by metric name, or None when the processes are gone."""
        seconds, memory = 0.0, 0
        try:
            root = psutil.Process(self._pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return None
        for process in tree:
            try:
                times = process.cpu_times()
                memory += process.memory_info().rss
            except psutil.Error:  # ended meanwhile
                continue
            # Children that have ended and were waited for count in their parent (not on macOS).
            seconds += times.user + times.system + times.children_user + times.children_system
        elapsed, used = now - self._at, seconds - self._seconds
        self._at, self._seconds = now, seconds
        if elapsed <= 0:
            return None
        return {
            "CPUUtilization": max(0.0, 100.0 * used / elapsed),
            "MemoryUtilization": min(100.0, 100.0 * memory / psutil.virtual_memory().total),
        }


class InstanceMetrics:
    """Tells CloudWatch of each host of a job, once in `Timeouts.instance_metrics`."""

    def __init__(self, cloud: Cloud, job: str, processes: Cluster) -> None:
        self._cloud = cloud
        self._job = job
        self._processes = processes
        self._hosts: dict[str, Usage] = {}
        self._last = cloud.clock.now()

    def __call__(self) -> None:
        """To be called every now and then."""
        now = self._cloud.clock.now()
        if now - self._last < self._cloud.settings.timeouts.instance_metrics:
            return
        since, self._last = self._last, now
        for host, pid in self._processes.processes.items():
            usage = self._hosts.setdefault(host, Usage(pid, since))
            for name, value in (usage.measure(now) or {}).items():
                self._cloud.metrics.put(
                    NAMESPACE, name, value, {"Host": f"{self._job}/{host}"}, unit="Percent", at=now
                )
