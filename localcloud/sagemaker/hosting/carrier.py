"""One asynchronous request: its payload to a container, the answer to S3, the news to SNS.

Everything is done as the execution role of the model, as the service does it.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.ports import AccessDenied
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.deployment import Variant
from localcloud.sagemaker.hosting import notices
from localcloud.sagemaker.hosting.fleet import CANNOT_START, Lease
from localcloud.sagemaker.hosting.host import EndpointHost, log_group
from localcloud.sagemaker.hosting.measures import Measures
from localcloud.sagemaker.hosting.queue import AsyncRequest
from localcloud.sagemaker.s3data import split_uri
from localcloud.sagemaker.server import Answer, NoAnswer

_log = logging.getLogger(__name__)

_LARGEST = 1024**3  # bytes: 1 GB, "Asynchronous inference" in the developer guide
_CHUNK = 1024 * 1024
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a payload before it goes to a file
_TOO_LATE = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_AWS = (ClientError, BotoCoreError, AccessDenied)


class NotNow(Exception):
    """The request could not be worked on, through no fault of its own."""


class _Failed(Exception):
    """The request failed; `content` is what the model answered, `counted` a metric of its own."""

    def __init__(self, reason: str, content: bytes = b"", counted: str = "") -> None:
        super().__init__(reason)
        self.content = content or reason.encode()
        self.counted = counted


@dataclass(frozen=True)
class _Work:
    """A request and the container that has it."""

    request: AsyncRequest
    variant: Variant
    lease: Lease
    measures: Measures


class Carrier:
    """Carries out the requests of one endpoint."""

    def __init__(self, cloud: Cloud, name: str, host: EndpointHost) -> None:
        self._cloud = cloud
        self._name = name
        self._host = host
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def carry_out(self, request: AsyncRequest) -> None:
        """From the queue to the notification. Raises NotNow when it must be tried later."""
        deployment = self._host.deployment
        if deployment is None or deployment.asynchronous is None:
            raise NotNow("the endpoint does not serve")
        if self._cloud.clock.now() - request.received > request.ttl:
            self._tell_failure(
                request,
                deployment.variants[0],
                _Failed(
                    "ClientError: The request was in the queue longer than its "
                    f"RequestTTLSeconds of {request.ttl:g}.",
                    counted="ExpiredRequests",
                ),
            )
            return
        variant, fleet, lease = self._host.lease()
        with fleet.returned(lease):
            work = _Work(
                request, variant, lease, Measures(self._cloud.metrics, self._name, variant.name)
            )
            waited = self._cloud.clock.now() - request.received
            work.measures.latency("TimeInBacklog", waited)
            try:
                self._answer(work)
            except _Failed as failure:
                self._write_log(work, str(failure))
                self._tell_failure(request, variant, failure)

    def _answer(self, work: _Work) -> None:
        request = work.request
        with (
            tempfile.SpooledTemporaryFile(_IN_MEMORY) as payload,
            tempfile.SpooledTemporaryFile(_IN_MEMORY) as result,
        ):
            self._timed(work, "RequestDownloadLatency", lambda: self._download(work, payload))
            answer = self._send(work, payload, result)
            result.seek(0)
            self._timed(work, "ResponseUploadLatency", lambda: self._upload(work, answer, result))
        content_type = answer.headers.get("content-type")
        now = self._cloud.clock.now()
        message = notices.completed(request, self._cloud.settings.region, now, content_type)
        self._publish("SuccessTopic", work.variant, message)
        self._finished(request, work.measures)

    def _send(self, work: _Work, payload: IO[bytes], result: IO[bytes]) -> Answer:
        request = work.request
        headers = {
            "Content-Type": request.content_type,
            "Accept": request.accept,
            "X-Amzn-SageMaker-Custom-Attributes": request.custom_attributes,
            "X-Amzn-SageMaker-Inference-Id": request.inference_id,
        }
        try:
            answer = work.lease.server.send(
                "POST",
                "/invocations",
                body=payload,
                headers={name: value for name, value in headers.items() if value},
                timeout=request.timeout,
                sink=result,
            )
        except CANNOT_START as error:
            raise NotNow(str(error)) from error
        except NoAnswer as error:
            if work.lease.slot.gone.is_set():
                raise NotNow("the container was taken away") from error
            work.measures.answer(None, None)
            raise _Failed(f"ClientError: {_TOO_LATE if error.timed_out else _bad(500)}") from error
        work.measures.answer(answer.status, answer.seconds)
        if answer.status >= 400:
            raise _Failed(f"ClientError: {_bad(answer.status)}", answer.body)
        return answer

    def _download(self, work: _Work, payload: IO[bytes]) -> None:
        request = work.request
        if request.body is not None:
            payload.write(request.body)
            return
        bucket, key = split_uri(request.input)
        try:
            found = self._client("s3", work.variant).get_object(Bucket=bucket, Key=key)
            if found["ContentLength"] > _LARGEST:
                raise _Failed(
                    f"ClientError: {request.input} is larger than the limit of {_LARGEST} bytes."
                )
            for chunk in found["Body"].iter_chunks(_CHUNK):
                payload.write(chunk)
        except _AWS as error:
            raise _Failed(
                f"ClientError: {request.input} cannot be downloaded: {error}",
                counted="RequestDownloadFailures",
            ) from error

    def _upload(self, work: _Work, answer: Answer, result: IO[bytes]) -> None:
        bucket, key = split_uri(work.request.output)
        content_type = answer.headers.get("content-type")
        extra = {"ContentType": content_type} if content_type else {}
        try:
            client = self._client("s3", work.variant)
            client.upload_fileobj(result, bucket, key, ExtraArgs=extra)
        except _AWS as error:
            raise _Failed(
                f"ClientError: {work.request.output} cannot be written: {error}",
                counted="ResponseUploadFailures",
            ) from error

    def _tell_failure(self, request: AsyncRequest, variant: Variant, failure: _Failed) -> None:
        measures = Measures(self._cloud.metrics, self._name, variant.name)
        measures.count("InvocationFailures")
        if failure.counted:
            measures.count(failure.counted)
        if request.failure:
            bucket, key = split_uri(request.failure)
            try:
                self._client("s3", variant).put_object(Bucket=bucket, Key=key, Body=failure.content)
            except _AWS as error:
                _log.warning("%s cannot be written: %s", request.failure, error)
                measures.count("ResponseUploadFailures")
        region, now = self._cloud.settings.region, self._cloud.clock.now()
        self._publish("ErrorTopic", variant, notices.failed(request, region, now, str(failure)))
        self._finished(request, measures)

    def _publish(self, topic: str, variant: Variant, message: dict[str, Any]) -> None:
        deployment = self._host.deployment
        asynchronous = (deployment.asynchronous if deployment else None) or {}
        arn = asynchronous.get("OutputConfig", {}).get("NotificationConfig", {}).get(topic)
        if not arn:
            return
        try:
            self._client("sns", variant).publish(TopicArn=arn, Message=notices.text(message))
        except _AWS as error:
            _log.warning("%s cannot be told: %s", arn, error)
            Measures(self._cloud.metrics, self._name, variant.name).count("NotificationFailures")

    def _finished(self, request: AsyncRequest, measures: Measures) -> None:
        measures.count("InvocationsProcessed")
        total = self._cloud.clock.now() - request.received
        measures.milliseconds("TotalProcessingTime", total)

    def _timed(self, work: _Work, metric: str, step: Callable[[], None]) -> None:
        begun = time.perf_counter()
        step()
        work.measures.latency(metric, time.perf_counter() - begun)

    def _write_log(self, work: _Work, text: str) -> None:
        """A line of the platform's own log, beside the container's."""
        stream = self._cloud.logs.stream(
            log_group(self._name), f"{work.lease.server.log_stream}/data-log"
        )
        now = datetime.fromtimestamp(self._cloud.clock.now(), UTC)
        moment = now.isoformat(timespec="milliseconds").removesuffix("+00:00")
        stream.write(f"{moment}:[sagemaker logs] [{work.request.inference_id}] {text}")
        stream.close()

    def _client(self, service: str, variant: Variant) -> Any:
        role = variant.container.role_arn
        with self._lock:
            if (service, role) not in self._clients:
                make = getattr(self._cloud.roles, service)
                self._clients[service, role] = make(role, f"SageMaker-{self._name}"[:64])
            return self._clients[service, role]


def _bad(status: int) -> str:
    side = "client" if 400 <= status < 500 else "server"
    return (
        f"Received {side} error ({status}) from model. See the SageMaker Endpoint logs in your "
        "account for more information."
    )
