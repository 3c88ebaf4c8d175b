"""The hosts of a training job: who they are, what their /opt/ml says, and their processes.

Hosts are `algo-1` … `algo-N`, counted through the instance groups in the order of the request. Each
has a folder of its own, and so a /opt/ml of its own.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.processes import Process
from localcloud.sagemaker.containers import Containers, Spec

_ONE_GROUP = "homogeneousCluster"
_END_OF_THE_OTHERS = 10.0
"""Seconds that hosts get between SIGTERM and SIGKILL when another host has failed. AWS documents
none for this case; a host that waits for one that is gone would only use up the time."""


@dataclass(frozen=True)
class Host:
    """One instance. `group` is None in a job without InstanceGroups."""

    name: str
    instance_type: str
    group: str | None
    folder: Path

    @property
    def ml(self) -> Path:
        """Its /opt/ml."""
        return self.folder / "ml"


def hosts_of(resources: dict[str, Any], folder: Path) -> list[Host]:
    """The hosts that a ResourceConfig asks for; their folders lie in `folder`."""
    groups = resources.get("InstanceGroups") or [resources]
    members = [
        (group["InstanceType"], group.get("InstanceGroupName"))
        for group in groups
        for _ in range(group["InstanceCount"])
    ]
    return [
        Host(f"algo-{number}", instance_type, group, folder / f"algo-{number}")
        for number, (instance_type, group) in enumerate(members, 1)
    ]


def resource_config(host: Host, hosts: Sequence[Host]) -> dict[str, Any]:
    """resourceconfig.json of one host. Source: "How Amazon SageMaker Provides Training
    Information" in the developer guide; the members about groups as the SageMaker training toolkit
    reads them.
    """
    groups: dict[str, dict[str, Any]] = {}
    for other in hosts:
        name = other.group or _ONE_GROUP
        empty = {
            "instance_group_name": name,
            "instance_type": other.instance_type,
            "hosts": [],
        }
        groups.setdefault(name, empty)["hosts"].append(other.name)
    return {
        "current_host": host.name,
        "current_instance_type": host.instance_type,
        "current_group_name": host.group or _ONE_GROUP,
        "hosts": sorted(other.name for other in hosts),
        "instance_groups": list(groups.values()),
        "network_interface_name": "lo" if sys.platform.startswith("linux") else "lo0",
    }


def lay_out(hosts: Sequence[Host], request: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Make each host's empty /opt/ml with its three configuration files.

    inputs: inputdataconfig.json
    """
    for host in hosts:
        for name in ("input/config", "input/data", "model", "output/data"):
            (host.ml / name).mkdir(parents=True)
        configs = {
            "hyperparameters": request.get("HyperParameters", {}),
            "inputdataconfig": inputs,
            "resourceconfig": resource_config(host, hosts),
        }
        for name, content in configs.items():
            file = host.ml / "input" / "config" / f"{name}.json"
            file.write_text(json.dumps(content), encoding="utf-8")


class Cluster:
    """The processes of a job, one a host; none is left when its `with` is over."""

    def __init__(self, containers: Containers, changed: threading.Event) -> None:
        self._containers = containers
        self._changed = changed
        self._running: list[tuple[Host, Process]] = []
        self._failed: tuple[Host, int] | None = None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(0.0)

    def start(
        self,
        specs: Sequence[tuple[Host, Spec]],
        on_line: Callable[[str], None],
    ) -> None:
        """Start them all. Raises UnknownImage."""
        for host, spec in specs:
            process = self._containers.run(
                spec, on_line=on_line, on_exit=partial(self._exited, host)
            )
            self._running.append((host, process))

    def _exited(self, host: Host, status: int) -> None:
        if status and self._failed is None:
            self._failed = host, status
        self._changed.set()

    @property
    def processes(self) -> dict[str, int]:
        """The process ids of the hosts that run, by name."""
        return {host.name: p.pid for host, p in self._running if p.poll() is None}

    def settled(self) -> bool:
        """Whether all hosts have ended well, or one has not."""
        statuses = [process.poll() for _, process in self._running]
        return all(status is not None for status in statuses) or self.failed() is not None

    def failed(self) -> tuple[Host, int] | None:
        """The host that was the first to end with another status than 0, and its status."""
        return self._failed

    def end_others(self, grace: float) -> None:
        """One host has failed: end the others."""
        self.stop(min(grace, _END_OF_THE_OTHERS))

    def stop(self, grace: float) -> None:
        """SIGTERM to every host's process, `grace` seconds for all of them, SIGKILL; returns when
        they are gone.
        """
        alive = [process for _, process in self._running if process.poll() is None]
        for process in alive:
            process.terminate() if grace else process.kill()
        stoppers = [
            threading.Thread(target=process.stop, args=(grace,), daemon=True) for process in alive
        ]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
