"""The instances of a training job: whether there are any, and when a spot job loses them.

Who wants to see that asks for trouble: `capacity` (for an instance type) and `interrupt` (for a
job).

A managed spot job that loses its instances begins anew, with the checkpoints that are in S3.
Whether AWS tells a container that its spot instance is being taken is not documented; ours is not
told: its processes are killed, and a checkpoint that was not yet in S3 is lost. Code that survives
this survives a notice too.
"""

from __future__ import annotations

import threading

from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.jobs import Control
from localcloud.sagemaker.s3data import Interrupted
from localcloud.sagemaker.store import Resource
from localcloud.sagemaker.training import states


class NoCapacity(Exception):
    """There are no instances of the type."""


class WaitedTooLong(Exception):
    """MaxWaitTimeInSeconds is over, and the job was waiting for instances."""


class Instances:
    """Those of one job.

    latest: when MaxWaitTimeInSeconds is over (epoch seconds); infinite without managed spot
    """

    def __init__(self, cloud: Cloud, job: Resource, control: Control) -> None:
        self._cloud = cloud
        self._name = job.name
        self._control = control
        resources = job.request["ResourceConfig"]
        groups = resources.get("InstanceGroups") or [resources]
        self._types = list(dict.fromkeys(group["InstanceType"] for group in groups))
        self._spot = bool(job.request.get("EnableManagedSpotTraining"))
        longest = job.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        self.latest = job.created + longest if self._spot else float("inf")
        self._began = 0.0
        self._take_at: float | None = None
        self._taken = threading.Event()

    def launch(self) -> None:
        """Return when there are instances.

        A piece of trouble `capacity` fails a job. A spot job waits instead: for the trouble's
        `seconds`, or without any until MaxWaitTimeInSeconds is over.
        Raises NoCapacity, WaitedTooLong, and Interrupted when the job is stopped.
        """
        clock = self._cloud.clock
        for instance_type in self._types:
            while hitch := self._cloud.trouble.next("capacity", instance_type):
                if not self._spot:
                    raise NoCapacity
                told = states.enter(
                    self._cloud,
                    self._name,
                    "InProgress",
                    "Starting",
                    only_from=("InProgress",),
                    message=states.NO_CAPACITY,
                )
                if told is None:
                    raise Interrupted
                until = min(self.latest, clock.now() + (hitch.seconds or float("inf")))
                self._control.wait(clock, lambda: False, until)
                self._control.check()
                if clock.now() >= self.latest:
                    raise WaitedTooLong
        if clock.now() >= self.latest:
            raise WaitedTooLong

    def training_began(self, at: float) -> None:
        """From now on they may be taken: trouble `interrupt`, `seconds` after this."""
        self._began, self._take_at = at, None
        self._taken.clear()

    def look(self) -> None:
        """Ask whether they are being taken; to be called every now and then."""
        if not self._spot:
            return
        if self._take_at is None and (hitch := self._cloud.trouble.next("interrupt", self._name)):
            self._take_at = self._began + hitch.seconds
        if self._take_at is not None and self._cloud.clock.now() >= self._take_at:
            self._taken.set()
            self._control.changed.set()

    @property
    def taken(self) -> bool:
        """Whether they have been taken since training began."""
        return self._taken.is_set()
