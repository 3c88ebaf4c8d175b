"""The HTTP server of SageMaker: JSON 1.1, the runtime's REST, and credentials for containers.

POST /                                   X-Amz-Target: SageMaker.<Operation>
POST /endpoints/{name}/invocations
POST /endpoints/{name}/async-invocations
GET  /containers/{token}/credentials     for containers, as ECS answers them
GET  /ping

Any other path is an operation of the runtime that is not here, or none; both are told as errors of
the service, because clients read nothing else.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localcloud import processes
from localcloud.images import Images
from localcloud.ports import Access, AccessDenied, Events, Functions, Logs, Metrics, Trouble
from localcloud.sagemaker import training, transform
from localcloud.sagemaker.artifacts import Artifacts
from localcloud.sagemaker.clock import Clock, SystemClock
from localcloud.sagemaker.cloud import Cloud, NoFunctions, Settings, Timeouts
from localcloud.sagemaker.containers import Containers
from localcloud.sagemaker.dispatch import authorize, perform
from localcloud.sagemaker.errors import (
    AccessDeniedException,
    InternalFailure,
    NotImplementedException,
    SageMakerError,
    SerializationException,
    UnknownOperationException,
    UnknownPath,
)
from localcloud.sagemaker.hitches import RUNTIME, carry_out
from localcloud.sagemaker.hosting import Hosting
from localcloud.sagemaker.jobs import Jobs
from localcloud.sagemaker.metrics import Progress
from localcloud.sagemaker.operations.async_invocations import invoke_async
from localcloud.sagemaker.operations.invocations import invoke
from localcloud.sagemaker.roles import Roles
from localcloud.sagemaker.store import Kind, Store
from localcloud.sagemaker.tuning import runner as tuning
from localcloud.sagemaker.validation import runtime_operation, service_model

_log = logging.getLogger(__name__)

_TARGET_PREFIX = "SageMaker."
_JSON_1_1 = "application/x-amz-json-1.1"
_CALLS_AT_ONCE = 64
_INVOCATIONS_AT_ONCE = 256


def build_app(
    *,
    access: Access,
    events: Events,
    logs: Logs,
    metrics: Metrics,
    trouble: Trouble,
    images: Images,
    home: Path,
    region: str,
    account: str,
    url: str,
    endpoints: Mapping[str, str],
    store: Store | None = None,
    clock: Clock | None = None,
    start: processes.Starter = processes.start,
    timeouts: Timeouts | None = None,
    functions: Functions | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """SageMaker as an ASGI application.

    home: the local cloud's folder; everything of SageMaker lies in `home/sagemaker`
    url: where this application will be reached, without a trailing slash, for containers
    endpoints: AWS_ENDPOINT_URL and any AWS_ENDPOINT_URL_*: passed on to containers, and where S3 is
    store: by default `home/sagemaker/state.db`
    functions: the Lambda functions that call; by default nobody is one
    routes: more paths, of the local cloud's own; they find the parts as `request.app.state.cloud`

    Its lifespan takes up what an earlier run left behind, and on the way out ends every process.
    """
    settings = Settings(home, region, account, url, endpoints, timeouts or Timeouts())
    cloud = Cloud(
        settings=settings,
        store=store or Store(home / "sagemaker" / "state.db"),
        access=access,
        events=events,
        logs=logs,
        metrics=metrics,
        trouble=trouble,
        images=images,
        clock=clock or SystemClock(),
        start=start,
        functions=functions or NoFunctions(),
    )
    cloud.roles = Roles(access, region, endpoints, url)
    cloud.containers = Containers(settings, images, cloud.roles, logs, start)
    cloud.artifacts = Artifacts(home / "sagemaker" / "models")
    cloud.progress = Progress()
    cloud.training = Jobs("training", lambda n, c: training.TrainingRun(cloud, n, c)())
    cloud.transform = Jobs("transform", lambda n, c: transform.TransformRun(cloud, n, c)())
    cloud.tuning = Jobs("tuning", lambda n, c: tuning.TuningRun(cloud, n, c)())
    cloud.hosting = Hosting(cloud)
    server = _Server(cloud)
    app = Starlette(
        routes=[
            Route("/", server.api, methods=["POST"]),
            Route("/endpoints/{name}/invocations", server.invocations, methods=["POST"]),
            Route("/endpoints/{name}/async-invocations", server.queue, methods=["POST"]),
            Route("/containers/{token}/credentials", server.credentials, methods=["GET"]),
            Route("/ping", lambda _: Response(status_code=200), methods=["GET"]),
            *routes,
        ],
        exception_handlers={HTTPException: server.elsewhere},
        lifespan=server.lifespan,
    )
    app.state.cloud = cloud
    return app


class _Server:
    """HTTP in, HTTP out; everything else is called in threads."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._calls = CapacityLimiter(_CALLS_AT_ONCE)
        # Invocations may take a minute each: Describe calls and credentials must not wait for them.
        self._invocations = CapacityLimiter(_INVOCATIONS_AT_ONCE)
        await to_thread.run_sync(self._recover)
        yield
        await to_thread.run_sync(self._close)

    def _recover(self) -> None:
        cloud = self._cloud
        home = cloud.settings.home / "sagemaker"
        for folder in ("jobs", "training", "endpoints"):
            shutil.rmtree(home / folder, ignore_errors=True)
        cloud.artifacts.keep_only(cloud.hosting.artifacts())
        training.recover(cloud)
        transform.recover(cloud)
        tuning.recover(cloud)
        cloud.hosting.recover()
        service_model()  # read now, so that the first request does not wait for it

    def _close(self) -> None:
        cloud = self._cloud
        cloud.closing.set()
        cloud.tuning.close()
        cloud.training.close()
        cloud.transform.close()
        cloud.hosting.close()
        cloud.store.close()

    async def api(self, request: Request) -> Response:
        body = await request.body()
        target = request.headers.get("x-amz-target", "")
        headers = dict(request.headers)

        def work() -> Response:
            if not target.startswith(_TARGET_PREFIX):
                raise UnknownOperationException(f"X-Amz-Target {target!r} is none of SageMaker.")
            caller = self._cloud.access.caller(headers)
            name = target.removeprefix(_TARGET_PREFIX)

            def call() -> Response:
                answer = perform(self._cloud, caller, name, _parsed(body))
                return Response(json.dumps(answer), media_type=_JSON_1_1)

            return carry_out(self._cloud, caller, name, call, said=body.decode(errors="replace"))

        return await self._answer(work, self._calls, _json_error)

    async def invocations(self, request: Request) -> Response:
        body = await request.body()
        name = request.path_params["name"]
        headers = dict(request.headers)

        def work() -> Response:
            cloud = self._cloud
            caller = cloud.access.caller(headers)

            def call() -> Response:
                authorize(cloud, caller, "InvokeEndpoint", [cloud.arn(Kind.ENDPOINT, name)], {})
                answer = invoke(cloud, name, headers, body)
                response = Response(answer.body)
                response.headers.update(answer.headers)
                return response

            return carry_out(cloud, caller, "InvokeEndpoint", call, said=name, service=RUNTIME)

        return await self._answer(work, self._invocations, _rest_error)

    async def queue(self, request: Request) -> Response:
        body = await request.body()
        name = request.path_params["name"]
        headers = dict(request.headers)

        def work() -> Response:
            cloud = self._cloud
            caller = cloud.access.caller(headers)

            def call() -> Response:
                arns = [cloud.arn(Kind.ENDPOINT, name)]
                authorize(cloud, caller, "InvokeEndpointAsync", arns, {})
                queued = invoke_async(cloud, name, headers, body)
                response = JSONResponse({"InferenceId": queued.inference_id}, status_code=202)
                response.headers["X-Amzn-SageMaker-OutputLocation"] = queued.output
                if queued.failure:
                    response.headers["X-Amzn-SageMaker-FailureLocation"] = queued.failure
                return response

            return carry_out(cloud, caller, "InvokeEndpointAsync", call, said=name, service=RUNTIME)

        return await self._answer(work, self._calls, _rest_error)

    async def elsewhere(self, request: Request, _: Exception) -> Response:
        """What no route takes."""

        def work() -> Response:
            name = runtime_operation(request.method, request.url.path)
            if name is None:
                raise UnknownPath(f"{request.method} {request.url.path} is no operation.")
            raise NotImplementedException(f"The local cloud does not have the operation {name}.")

        return await self._answer(work, self._calls, _rest_error)

    async def credentials(self, request: Request) -> Response:
        token = request.path_params["token"]

        def work() -> Response:
            found = self._cloud.roles.credentials(token)
            if found is None:
                return JSONResponse({"code": "NotFound", "message": "unknown"}, status_code=404)
            return JSONResponse(found)

        return await self._answer(work, self._calls, _rest_error)

    async def _answer(
        self,
        work: Callable[[], Response],
        limiter: CapacityLimiter,
        failed: Callable[[SageMakerError], Response],
    ) -> Response:
        try:
            response = await to_thread.run_sync(work, limiter=limiter)
        except AccessDenied as error:
            response = failed(AccessDeniedException(str(error)))
        except SageMakerError as error:
            response = failed(error)
        except Exception:
            _log.exception("a request failed")
            response = failed(InternalFailure("The local cloud has failed; see its log."))
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return response


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise SerializationException(f"The body is no JSON: {error}") from error


def _json_error(error: SageMakerError) -> Response:
    content = {"__type": error.code, "message": error.message, **error.body}
    return Response(json.dumps(content), status_code=error.status, media_type=_JSON_1_1)


def _rest_error(error: SageMakerError) -> Response:
    status = 403 if isinstance(error, AccessDeniedException) else error.status
    return JSONResponse(
        {"Message": error.message, **error.body},
        status_code=status,
        headers={"x-amzn-ErrorType": error.code},
    )
