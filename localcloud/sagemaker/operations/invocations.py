"""InvokeEndpoint: hands the request to the endpoint's container and its answer back."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from localcloud.sagemaker import support
from localcloud.sagemaker.cloud import Cloud
from localcloud.sagemaker.deployment import Variant
from localcloud.sagemaker.errors import (
    ConcurrencyExceeded,
    ModelError,
    ModelNotReadyException,
    ServiceUnavailable,
    ValidationError,
)
from localcloud.sagemaker.hosting import Fleet, Lease, Measures, Throttled, log_group
from localcloud.sagemaker.operations._runtime import CUSTOM_ATTRIBUTES, INFERENCE_ID, members
from localcloud.sagemaker.server import Answer, NoAnswer, NotHealthy

_log = logging.getLogger(__name__)

_MEGABYTE = 1024 * 1024
_SERVERLESS_LIMIT = 4 * _MEGABYTE
_INSTANCE_LIMIT = 25 * _MEGABYTE
_TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
_PASSED_ON = (
    "content-type",
    "accept",
    CUSTOM_ATTRIBUTES,
    INFERENCE_ID,
    "x-amzn-sagemaker-prefix-aware-id",
)


@dataclass(frozen=True)
class Invocation:
    """What InvokeEndpoint answers."""

    body: bytes
    headers: dict[str, str]


def invoke(cloud: Cloud, name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
    """Invoke an endpoint; header names are lower-case.

    Raises ValidationError, ModelError, ModelNotReadyException and ServiceUnavailable.
    """
    host = cloud.hosting.host(name)
    if host is None or host.deployment is None:
        raise ValidationError(f"Endpoint {name} of account {cloud.settings.account} not found.")
    if host.deployment.asynchronous is not None:
        # The service's words are not documented.
        raise ValidationError(
            f"Endpoint {name} is an asynchronous inference endpoint: use InvokeEndpointAsync."
        )
    members("InvokeEndpoint", name, headers)
    for header, member in support.HEADERS.items():
        if header in headers:
            raise ValidationError(support.sentence(member))
    begun = time.perf_counter()
    try:
        variant, fleet, lease = host.lease(headers.get(_TARGET_VARIANT))
    except Throttled as error:
        _log.info("endpoint %s: throttled, %s", name, error)
        raise ConcurrencyExceeded from error
    call = _Call(cloud, name, variant, fleet, lease)
    with fleet.returned(lease):
        limit = _SERVERLESS_LIMIT if variant.serverless else _INSTANCE_LIMIT
        if len(body) > limit:
            raise ValidationError(f"Request body is larger than the limit of {limit} bytes.")
        sent = {header: headers[header] for header in _PASSED_ON if header in headers}
        answer = call.answer(sent, body)
        call.measure(answer, time.perf_counter() - begun)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _bad_answer(cloud, name, answer)
    if variant.serverless and len(answer.body) > _SERVERLESS_LIMIT:
        raise _failure(cloud, name, 500, f"The response is larger than {_SERVERLESS_LIMIT} bytes.")
    return Invocation(answer.body, _response_headers(variant, answer))


@dataclass(frozen=True)
class _Call:
    """One request on its way to a container."""

    cloud: Cloud
    endpoint: str
    variant: Variant
    fleet: Fleet
    lease: Lease

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        begun = time.perf_counter()
        try:
            return self.lease.server.send(
                "POST",
                "/invocations",
                body=body,
                headers=headers,
                timeout=self.cloud.settings.timeouts.invocation,
            )
        except NotHealthy as error:
            problem = f"Endpoint {self.endpoint}: the container is not ready: {error}"
            if self.variant.serverless:
                raise ModelNotReadyException(problem) from error
            raise ServiceUnavailable(problem) from error
        except NoAnswer as error:
            self._tell(status=None, model=None, setup=0.0, total=time.perf_counter() - begun)
            raise _no_answer(self.cloud, self.endpoint, timed_out=error.timed_out) from error

    def measure(self, answer: Answer, total: float) -> None:
        if answer.setup:
            self.fleet.last_setup = answer.setup
        self._tell(status=answer.status, model=answer.seconds, setup=answer.setup, total=total)

    def _tell(self, *, status: int | None, model: float | None, setup: float, total: float) -> None:
        measures = Measures(self.cloud.metrics, self.endpoint, self.variant.name)
        measures.invocation(
            self.variant, self.lease, status=status, model=model, setup=setup, total=total
        )


def _response_headers(variant: Variant, answer: Answer) -> dict[str, str]:
    headers = {"x-Amzn-Invoked-Production-Variant": variant.name}
    for name in ("content-type", CUSTOM_ATTRIBUTES):
        if name in answer.headers:
            headers[name] = answer.headers[name]
    return headers


def _bad_answer(cloud: Cloud, name: str, answer: Answer) -> ModelError:
    return _failure(cloud, name, answer.status, answer.body.decode("utf-8", "replace"))


def _no_answer(cloud: Cloud, name: str, *, timed_out: bool) -> ModelError:
    if timed_out:
        return _failure(
            cloud,
            name,
            0,
            "Your invocation timed out while waiting for a response from container primary. Review "
            "the latency metrics for each container in Amazon CloudWatch, resolve the issue, and "
            "try again.",
        )
    return _failure(cloud, name, 500, "The container closed the connection without an answer.")


def _failure(cloud: Cloud, name: str, status: int, text: str) -> ModelError:
    region, account, group = cloud.settings.region, cloud.settings.account, log_group(name)
    side = "client" if 400 <= status < 500 else "server"
    return ModelError(
        f'Received {side} error ({status}) from primary with message "{text[:1024]}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={group} in account {account} for more information.",
        original_status=status,
        original_message=text,
        log_stream_arn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
    )
