"""What a host uses of the machine: CPUUtilization and MemoryUtilization, as AWS's instances tell.

A host here is a tree of processes on this machine: its share of all CPUs' time (in percent of one
CPU, so up to 100 times their number, as on AWS) and of the machine's memory. DiskUtilization is not
told: hosts have no disk of their own.
"""

from __future__ import annotations

import psutil


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
