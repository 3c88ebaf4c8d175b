"""One instance of a transform job: its container, its share of the objects, its log.

The stream `<job>/<instance>/data-log` tells, as AWS's does, how the container is called, and which
object failed and why.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.ports import LogStream
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.containers import Spec
from localcloud.sagemaker.deployment import Container
from localcloud.sagemaker.s3data import S3Object
from localcloud.sagemaker.server import ModelServer, NoAnswer
from localcloud.sagemaker.transform.calls import Caller, ObjectFailed
from localcloud.sagemaker.transform.objects import ObjectTransform
from localcloud.sagemaker.transform.plan import Plan, environment

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_MOST_OBJECTS = 8  # that are under way at once when one alone can fill all calls
_EXECUTION_PARAMETERS_TIMEOUT = 2.0  # seconds, as for /ping; AWS's own is not documented


class Instance:
    """`cancelled`: set when the job is to leave; no container is started after that."""

    def __init__(
        self,
        cloud: Cloud,
        job: str,
        *,
        request: dict[str, Any],
        container: Container,
        folder: Path,
        cancelled: threading.Event,
    ) -> None:
        self._cloud = cloud
        self._request = request
        name = f"i-{secrets.token_hex(8)}"
        self._stream = f"{job}/{name}"
        self._folder = folder / name
        timeouts = cloud.settings.timeouts
        spec = Spec(
            image=container.image,
            argument="serve",
            folder=self._folder / "container",
            role_arn=container.role_arn,
            session_name=f"SageMaker-{job}"[:64],
            log_group=LOG_GROUP,
            log_stream=self._stream,
            environment={**container.environment, **environment(request)},
            model=Path(container.artifact) if container.artifact else None,
        )
        self._server = ModelServer(
            cloud.containers,
            cloud.clock,
            spec,
            start_timeout=timeouts.instance_start,
            ping_timeout=timeouts.ping,
            grace=timeouts.stop_server,
            cancelled=cancelled,
        )

    def run(self, s3: Any, share: Sequence[S3Object], check: Callable[[], None]) -> dict[int, str]:
        """Transform a share of the objects.

        check: raises Interrupted once the job is to stop
        Returns the kind of trouble of each object that failed, by its place in the share.
        Raises NotHealthy, UnknownImage, Interrupted.
        """
        scratch = self._folder / "objects"
        scratch.mkdir(parents=True, exist_ok=True)
        log = _DataLog(self._cloud, self._cloud.logs.stream(LOG_GROUP, f"{self._stream}/data-log"))
        failed: dict[int, str] = {}
        try:
            self._server.ensure()
            plan = Plan.of(self._request, self._execution_parameters())
            log.write(str(plan))
            caller = Caller(self._server, plan, scratch, check)
            output = self._request["TransformOutput"]
            transform = ObjectTransform(
                s3, plan, caller, output=output, scratch=scratch, check=check
            )

            def one(place: int, item: S3Object) -> None:
                try:
                    transform(item)
                except ObjectFailed as error:
                    failed[place] = error.kind
                    log.about(item, error.message)

            many = plan.concurrent if plan.split == "None" else min(plan.concurrent, _MOST_OBJECTS)
            with (
                contextlib.closing(caller),
                ThreadPoolExecutor(many, thread_name_prefix="object") as pool,
            ):
                futures = [pool.submit(one, *numbered) for numbered in enumerate(share)]
                try:
                    for future in futures:
                        future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            return failed
        finally:
            log.close()

    def stop(self, grace: float | None) -> None:
        """End the container, and with it what waits for its answers."""
        self._server.stop(grace)

    def _execution_parameters(self) -> dict[str, Any]:
        with contextlib.suppress(NoAnswer, ValueError):
            timeout = _EXECUTION_PARAMETERS_TIMEOUT
            answer = self._server.send("GET", "/execution-parameters", timeout=timeout)
            parsed = json.loads(answer.body) if answer.status == 200 else {}
            return parsed if isinstance(parsed, dict) else {}
        return {}


class _DataLog:
    """Lines as AWS writes them: a time of UTC, and whom they come from."""

    def __init__(self, cloud: Cloud, stream: LogStream) -> None:
        self._cloud = cloud
        self._stream = stream

    def about(self, item: S3Object, message: str) -> None:
        for line in message.split("\n"):
            self.write(f"{item.bucket}/{item.key}: {line}")

    def write(self, text: str) -> None:
        now = datetime.fromtimestamp(self._cloud.clock.now(), UTC)
        self._stream.write(
            f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}:[sagemaker logs]: {text}"
        )

    def close(self) -> None:
        self._stream.close()
