"""Trouble inside MiniStack, on demand: S3's notifications, and functions that die.

Neither passes the HTTP door, so MiniStack's own functions are wrapped: what hands a notification of
S3 to its target (`_deliver_event_to_sqs`, `_sns`, `_lambda`) and what runs one invocation
(`_execute_function_dispatch`, `Worker.invoke`). They are private: its version is pinned, and the
contract tests meet each kind of trouble.
"""

from __future__ import annotations

import contextvars
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from localcloud.trouble import Rules

Delivery = Callable[[], None]

_EVENTS = ("events-never", "events-twice", "events-late", "events-reorder")


class Notifications:
    """S3's notifications, which come twice, late, out of order or never when a rule says so.

    Those that are late or held are in memory: a stop delivers them at once, a kill loses them.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[str, Delivery]] = {}  # by number: bucket, what to do
        self._held: dict[str, list[int]] = defaultdict(list)  # by bucket, until the next has gone
        self._numbers = 0

    def wrap(self, deliver: Callable[..., None]) -> Callable[..., None]:
        """`deliver(arn, payload, …)` with the trouble that is due for the payload."""

        def delivering(arn: str, payload: dict[str, Any], *args: Any, **named: Any) -> None:
            context = contextvars.copy_context()  # MiniStack's account and region
            self.handle(payload, lambda: context.copy().run(deliver, arn, payload, *args, **named))

        return delivering

    def handle(self, payload: dict[str, Any], deliver: Delivery) -> None:
        """Deliver a notification, or do to it what is due."""
        if "Records" not in payload or not (self._held or self._rules.any(*_EVENTS)):
            deliver()
            return
        record = payload["Records"][0]
        bucket = record["s3"]["bucket"]["name"]
        event = f"s3:{record['eventName']}"
        names = (event, f"{event} {unquote_plus(record['s3']['object']['key'])}")
        if self._rules.next("events-never", *names):
            return
        twice = self._rules.next("events-twice", *names)
        late = self._rules.next("events-late", *names)
        held = self._rules.next("events-reorder", *names)

        def gone() -> None:
            for _ in range(2 if twice else 1):
                deliver()

        if late or held:
            seconds = (late.seconds if late else 0.0) + (held.seconds if held else 0.0)
            self._keep(bucket, gone, seconds, until_next=held is not None)
        else:
            gone()
            self._release(bucket)

    def deliver_all(self) -> None:
        """Deliver what waits, now."""
        with self._lock:
            numbers = list(self._waiting)
        for number in numbers:
            self._deliver(number)

    def _keep(self, bucket: str, delivery: Delivery, seconds: float, *, until_next: bool) -> None:
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._waiting[number] = (bucket, delivery)
            if until_next:
                self._held[bucket].append(number)
        timer = threading.Timer(seconds, self._deliver, [number])
        timer.daemon = True
        timer.start()

    def _release(self, bucket: str) -> None:
        with self._lock:
            numbers = self._held.pop(bucket, [])
        for number in numbers:
            self._deliver(number)

    def _deliver(self, number: int) -> None:
        with self._lock:
            _, delivery = self._waiting.pop(number, ("", None))
        if delivery is not None:
            delivery()


class Functions:
    """Lambda functions whose invocations end as a crashed runtime's, when a rule says so."""

    def __init__(self, rules: Rules, log: Callable[..., None]) -> None:
        """log: MiniStack's `_emit_lambda_logs`"""
        self._rules = rules
        self._log = log

    def wrap(self, run: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        """`run(func, config, event, request_id, started)` with the trouble that is due."""

        def running(
            func: dict[str, Any],
            config: dict[str, Any],
            event: Any,
            request_id: str,
            started: float,
        ) -> dict[str, Any]:
            hitch = self._rules.next("function-dies", config.get("FunctionName", ""))
            why = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
            if hitch is None:
                return run(func, config, event, request_id, started)
            if hitch.when == "after":
                result = run(func, config, event, request_id, started)
                if result.get("error"):
                    return result
            else:
                self._log(func, request_id, f"{why}\nRuntime.ExitError", True, 0)
            body = {"errorType": "Runtime.ExitError", "errorMessage": why}
            return {"body": body, "error": True, "log": ""}

        return running


def install(rules: Rules) -> Notifications:
    """Wrap MiniStack's functions."""
    from ministack.core import lambda_runtime  # noqa: PLC0415
    from ministack.services import lambda_svc, s3  # noqa: PLC0415

    notifications = Notifications(rules)
    for name in ("_deliver_event_to_sqs", "_deliver_event_to_sns", "_deliver_event_to_lambda"):
        setattr(s3, name, notifications.wrap(getattr(s3, name)))
    functions = Functions(rules, lambda_svc._emit_lambda_logs)
    lambda_svc._execute_function_dispatch = functions.wrap(lambda_svc._execute_function_dispatch)
    lambda_runtime.Worker.invoke = _traced(lambda_runtime.Worker.invoke)
    return notifications


def _traced(invoke: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A worker's invocations have a trace id in any case, as on AWS, and the worker knows it.

    MiniStack gives them one where tracing is on alone. botocore sends it with each call of a
    function, as X-Amzn-Trace-Id.
    """

    def traced(
        worker: Any, event: Any, request_id: str, *, trace_id: str | None = None, **more: Any
    ) -> dict[str, Any]:
        if trace_id is None:
            root = f"{int(time.time()):08x}-{secrets.token_hex(12)}"
            trace_id = f"Root=1-{root};Parent={secrets.token_hex(8)};Sampled=0"
        worker.root = _root(trace_id)
        try:
            return invoke(worker, event, request_id, trace_id=trace_id, **more)
        finally:
            worker.root = None

    return traced


def _root(trace: str) -> str:
    """The part of an X-Amzn-Trace-Id that stays the same on its way."""
    return next((part for part in trace.split(";") if part.startswith("Root=")), "")


def runs(function: str) -> bool:
    """Whether a function of this name has a process."""
    return bool(_workers(function))


def kill(function: str, trace: str) -> None:
    """Kill the process of the invocation with this X-Amzn-Trace-Id, which fails; all of the
    function's where there is none such."""
    from ministack.core.lambda_runtime import invalidate_worker  # noqa: PLC0415

    root = _root(trace)
    found = [w for w in _workers(function) if root and getattr(w, "root", None) == root]
    running = [w._proc for w in found if w._proc is not None]
    for process in running:
        process.kill()
    if not running:
        invalidate_worker(function)


def _workers(function: str) -> list[Any]:
    """The workers of a function, which run one invocation each."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    pools = list(lambda_runtime._workers.items())
    return [w for key, workers in pools if key.split(":")[-2] == function for w in workers]
