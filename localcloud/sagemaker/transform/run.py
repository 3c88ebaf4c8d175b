"""A transform job from its start to its end.

One bad object leaves out its own output alone; the others go on, and the job ends Failed.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import remove_folder
from localcloud.sagemaker.deployment import resolve_model
from localcloud.sagemaker.jobs import (
    INTERNAL_ERROR,
    LOST_PROCESS,
    NO_CAPACITY,
    Control,
    client_error,
)
from localcloud.sagemaker.s3data import DataError, Interrupted, list_input
from localcloud.sagemaker.server import NotHealthy
from localcloud.sagemaker.state_changes import publish_transform_job
from localcloud.sagemaker.store import Kind
from localcloud.sagemaker.transform.instance import Instance

_log = logging.getLogger(__name__)

_NO_PING = (
    "AlgorithmError: Model container failed to respond to ping; Ensure /ping endpoint is "
    "implemented and responds with an HTTP 200 status code"
)
_RUNNING = ("InProgress", "Stopping")
_GRACE_AT_CLOSE = 2.0  # seconds


class _NoCapacity(Exception):
    """There are no instances of the type."""


def move(
    cloud: Cloud, name: str, status: str, only_from: tuple[str, ...] = _RUNNING, **state: Any
) -> bool:
    """Move a job on and publish the event; False when it is not in one of `only_from`."""
    job = cloud.advance(Kind.TRANSFORM_JOB, name, status, only_from=only_from, **state)
    if job is not None:
        publish_transform_job(cloud, job)
    return job is not None


def recover(cloud: Cloud) -> None:
    """After a restart: no process of a job is left, so tell that of each job that was under way."""
    now = cloud.clock.now()
    for job in cloud.store.all(Kind.TRANSFORM_JOB, "InProgress"):
        move(cloud, job.name, "Failed", FailureReason=LOST_PROCESS, TransformEndTime=now)
    for job in cloud.store.all(Kind.TRANSFORM_JOB, "Stopping"):
        move(cloud, job.name, "Stopped", TransformEndTime=now)


class TransformRun:
    """One transform job from its start to its end."""

    def __init__(self, cloud: Cloud, name: str, control: Control) -> None:
        job = cloud.store.get(Kind.TRANSFORM_JOB, name)
        if job is None:
            raise LookupError(name)
        self._cloud = cloud
        self._job = job
        self._request = job.request
        self._control = control
        self._folder = cloud.settings.home / "sagemaker" / "jobs" / name
        self._cancelled = threading.Event()

    def __call__(self) -> None:
        """Run it; every way out but the cloud's closing leaves the job in a final state."""
        try:
            problem = self._work()
            self._control.check()
            if problem:
                self._fail(f"{problem}: See job logs for more information")
            else:
                self._end("Completed")
        except Interrupted:
            self._end("Stopped")
        except NotHealthy:
            self._fail(_NO_PING)
        except _NoCapacity:
            self._fail(NO_CAPACITY)
        except (DataError, UnknownImage, AccessDenied) as error:
            self._fail(client_error(error))
        except Exception:
            _log.exception("transform job %s", self._job.name)
            self._fail(INTERNAL_ERROR)
        finally:
            remove_folder(self._folder)

    def _work(self) -> str | None:
        """Returns the kind of trouble of the first object that failed."""
        cloud, request = self._cloud, self._request
        started = cloud.advance(
            Kind.TRANSFORM_JOB,
            self._job.name,
            "InProgress",
            only_from=("InProgress",),
            TransformStartTime=cloud.clock.now(),
        )
        if started is None:
            raise Interrupted
        publish_transform_job(cloud, started)
        self._await_capacity()
        container = resolve_model(cloud, request["ModelName"])
        s3 = cloud.roles.s3(container.role_arn, f"SageMaker-{self._job.name}"[:64])
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        objects = list_input(s3, source["S3DataType"], source["S3Uri"])
        # An instance without an object would have nothing to do: none is started.
        count = min(request["TransformResources"]["InstanceCount"], len(objects))
        instances = [
            Instance(
                cloud,
                self._job.name,
                request=request,
                container=container,
                folder=self._folder,
                cancelled=self._cancelled,
            )
            for _ in range(count)
        ]
        with ThreadPoolExecutor(count, thread_name_prefix="instance") as pool:
            try:
                futures = [
                    pool.submit(instance.run, s3, objects[place::count], self._check)
                    for place, instance in enumerate(instances)
                ]
                for future in futures:
                    future.add_done_callback(lambda _: self._control.changed.set())
                ended = self._control.wait(
                    cloud.clock,
                    lambda: (
                        all(f.done() for f in futures)
                        or any(f.done() and f.exception() for f in futures)
                    ),
                )
            finally:
                self._cancelled.set()
                grace = _GRACE_AT_CLOSE if self._control.closing.is_set() else None
                for instance in instances:
                    instance.stop(grace)
        if not ended:
            raise Interrupted
        for future in futures:  # what ended it, rather than what that interrupted
            error = future.exception()
            if error is not None and not isinstance(error, Interrupted):
                raise error
        failed: dict[int, str] = {}
        for place, future in enumerate(futures):
            for number, kind in future.result().items():
                failed[place + number * count] = kind
        return failed[min(failed)] if failed else None

    def _check(self) -> None:
        """Raises Interrupted when the job is to stop, or one of its instances has failed."""
        if self._cancelled.is_set():
            raise Interrupted
        self._control.check()

    def _await_capacity(self) -> None:
        """Raises _NoCapacity, after the trouble's `seconds`, when instances are short."""
        hitch = self._cloud.trouble.next(
            "capacity", self._request["TransformResources"]["InstanceType"]
        )
        if hitch is not None:
            until = self._cloud.clock.now() + hitch.seconds
            self._control.wait(self._cloud.clock, lambda: False, until)
            self._control.check()
            raise _NoCapacity

    def _fail(self, reason: str) -> None:
        if self._control.stop.is_set():  # what ended is then what ended it
            self._end("Stopped")
        else:
            self._end("Failed", FailureReason=reason[:1024])

    def _end(self, status: str, **state: Any) -> None:
        if not self._control.closing.is_set():
            now = self._cloud.clock.now()
            move(self._cloud, self._job.name, status, TransformEndTime=now, **state)
