"""Batch transform jobs: every object of the input is one request to the model's container.

The log stream `<job>/<instance>/data-log` tells, as AWS's does, which object failed and why. One
bad object leaves out its own output alone; the others go on, and the job ends Failed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.images import UnknownImage
from localcloud.ports import AccessDenied, LogStream
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec, remove_folder
from localcloud.sagemaker.deployment import Container, resolve_model
from localcloud.sagemaker.jobs import INTERNAL_ERROR, LOST_PROCESS, Control
from localcloud.sagemaker.s3data import DataError, Interrupted, S3Object, list_input, split_uri
from localcloud.sagemaker.server import ModelServer, NoAnswer, NotHealthy
from localcloud.sagemaker.state_changes import publish_transform_job
from localcloud.sagemaker.store import Kind

_log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_NO_PING = (
    "AlgorithmError: Model container failed to respond to ping; Ensure /ping endpoint is "
    "implemented and responds with an HTTP 200 status code"
)
_RUNNING = ("InProgress", "Stopping")
_MEGABYTE = 1024 * 1024


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


@dataclass(frozen=True)
class Limits:
    """How the container is called: the request's wish, else its own (/execution-parameters), else
    AWS's.
    """

    concurrent: int
    payload_mb: int
    strategy: str


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
        self._instance = f"{name}/i-{secrets.token_hex(8)}"
        client = job.request.get("ModelClientConfig", {})
        self._timeout = float(client.get("InvocationsTimeoutInSeconds", 600))
        self._retries = int(client.get("InvocationsMaxRetries", 3))

    def __call__(self) -> None:
        """Run it; every way out but the cloud's closing leaves the job in a final state."""
        try:
            problems = self._work()
            self._control.check()
            if problems:
                self._end("Failed", FailureReason=problems[0])
            else:
                self._end("Completed")
        except Interrupted:
            self._end("Stopped")
        except NotHealthy:
            if self._control.stop.is_set():
                self._end("Stopped")
            else:
                self._end("Failed", FailureReason=_NO_PING)
        except (DataError, UnknownImage, AccessDenied) as error:
            text = str(error)
            prefix = "" if text.startswith("ClientError") else "ClientError: "
            self._end("Failed", FailureReason=(prefix + text)[:1024])
        except Exception:
            _log.exception("transform job %s", self._job.name)
            self._end("Failed", FailureReason=INTERNAL_ERROR)
        finally:
            remove_folder(self._folder)

    def _work(self) -> list[str]:
        """Returns the reasons of the objects that failed."""
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
        container = resolve_model(cloud, request["ModelName"])
        s3 = cloud.roles.s3(container.role_arn, f"SageMaker-{self._job.name}"[:64])
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        objects = list_input(s3, source["S3DataType"], source["S3Uri"])
        server = self._server(container)
        data_log = cloud.logs.stream(LOG_GROUP, f"{self._instance}/data-log")
        try:
            server.ensure()
            limits = self._limits(server)
            data_log.write(
                f"[sagemaker logs]: MaxConcurrentTransforms={limits.concurrent}, "
                f"MaxPayloadInMB={limits.payload_mb}, BatchStrategy={limits.strategy}"
            )
            work = _Objects(self, server, s3, limits, data_log)
            with ThreadPoolExecutor(limits.concurrent, thread_name_prefix="transform") as pool:
                futures = [pool.submit(work, item) for item in objects]
                for future in futures:
                    future.add_done_callback(lambda _: self._control.changed.set())
                if not self._control.wait(cloud.clock, lambda: all(f.done() for f in futures)):
                    pool.shutdown(wait=False, cancel_futures=True)
                    server.stop(2.0 if self._control.closing.is_set() else None)
                    raise Interrupted
                return [reason for future in futures if (reason := future.result())]
        finally:
            data_log.close()
            server.stop(2.0 if self._control.closing.is_set() else None)

    def _server(self, container: Container) -> ModelServer:
        request, timeouts = self._request, self._cloud.settings.timeouts
        given = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
            "SAGEMAKER_BATCH_STRATEGY": _SNAKE.get(request.get("BatchStrategy", "")),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
        }
        environment = {
            **container.environment,
            **request.get("Environment", {}),
            "SAGEMAKER_BATCH": "true",
            **{name: str(value) for name, value in given.items() if value is not None},
        }
        spec = Spec(
            image=container.image,
            argument="serve",
            folder=self._folder,
            role_arn=container.role_arn,
            session_name=f"SageMaker-{self._job.name}"[:64],
            log_group=LOG_GROUP,
            log_stream=self._instance,
            environment=environment,
            model=Path(container.artifact) if container.artifact else None,
        )
        return ModelServer(
            self._cloud.containers,
            self._cloud.clock,
            spec,
            start_timeout=timeouts.instance_start,
            ping_timeout=timeouts.ping,
            grace=timeouts.stop_server,
            cancelled=self._control.stop,
        )

    def _limits(self, server: ModelServer) -> Limits:
        own: dict[str, Any] = {}
        with contextlib.suppress(NoAnswer, ValueError):
            answer = server.send("GET", "/execution-parameters", timeout=2.0)
            if answer.status == 200:
                parsed = json.loads(answer.body)
                own = parsed if isinstance(parsed, dict) else {}
        request = self._request
        return Limits(
            concurrent=int(
                request.get("MaxConcurrentTransforms") or own.get("MaxConcurrentTransforms") or 1
            ),
            payload_mb=int(request.get("MaxPayloadInMB", own.get("MaxPayloadInMB", 6))),
            strategy=_SNAKE.get(request.get("BatchStrategy", ""))
            or str(own.get("BatchStrategy", "MULTI_RECORD")),
        )

    def _end(self, status: str, **state: Any) -> None:
        if not self._control.closing.is_set():
            now = self._cloud.clock.now()
            move(self._cloud, self._job.name, status, TransformEndTime=now, **state)

    @property
    def output(self) -> dict[str, Any]:
        """TransformOutput of the request."""
        output: dict[str, Any] = self._request["TransformOutput"]
        return output

    @property
    def content_type(self) -> str | None:
        """ContentType of the input."""
        given: str | None = self._request["TransformInput"].get("ContentType")
        return given

    @property
    def attempts(self) -> tuple[int, float]:
        """How often an object is tried, and the seconds for each."""
        return self._retries + 1, self._timeout

    @property
    def check(self) -> Callable[[], None]:
        """Raises Interrupted once the job is asked to stop."""
        return self._control.check


class _Objects:
    """Transforms one object a call; returns the reason when it fails."""

    def __init__(
        self, run: TransformRun, server: ModelServer, s3: Any, limits: Limits, log: LogStream
    ) -> None:
        self._run = run
        self._server = server
        self._s3 = s3
        self._limits = limits
        self._log = log

    def __call__(self, item: S3Object) -> str | None:
        self._run.check()
        name = f"{item.bucket}/{item.key}"
        try:
            body = self._s3.get_object(Bucket=item.bucket, Key=item.key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            return self._failed(name, "ClientError", str(error))
        if self._limits.payload_mb and len(body) > self._limits.payload_mb * _MEGABYTE:
            return self._failed(
                name, "ClientError", f"larger than MaxPayloadInMB={self._limits.payload_mb}"
            )
        result = self._invoke(name, body)
        if isinstance(result, str):
            return result
        bucket, prefix = split_uri(self._run.output["S3OutputPath"])
        key = "/".join(part for part in (prefix.rstrip("/"), f"{item.path}.out") if part)
        if self._run.output.get("AssembleWith") == "Line" and not result.endswith(b"\n"):
            result += b"\n"
        content_type = self._run.output.get("Accept") or "application/octet-stream"
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=result, ContentType=content_type)
        except (ClientError, BotoCoreError) as error:
            return self._failed(name, "ClientError", f"s3://{bucket}/{key}: {error}")
        return None

    def _invoke(self, name: str, body: bytes) -> bytes | str:
        headers = {"Content-Type": self._run.content_type, "Accept": self._run.output.get("Accept")}
        sent = {key: value for key, value in headers.items() if value}
        attempts, timeout = self._run.attempts
        kind, problem = "InternalServerError", "no answer"
        for _ in range(attempts):
            self._run.check()
            try:
                answer = self._server.send(
                    "POST", "/invocations", body=body, headers=sent, timeout=timeout
                )
            except (NoAnswer, NotHealthy) as error:
                kind, problem = "AlgorithmError", str(error)
                continue
            if answer.status < 400:
                return answer.body
            text = answer.body[:1000].decode("utf-8", "replace")
            problem = f"Bad HTTP status received from algorithm: {answer.status}\n{text}"
            kind = "ClientError" if answer.status < 500 else "AlgorithmError"
            if answer.status < 500:
                break
        return self._failed(name, kind, problem)

    def _failed(self, name: str, kind: str, problem: str) -> str:
        for line in problem.splitlines() or [""]:
            self._log.write(f"[sagemaker logs]: {name}: {line}")
        return f"{kind}: See job logs for more information"


_SNAKE = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
