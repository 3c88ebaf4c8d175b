"""Invocations as tests make them: one after the other, and several at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from .account import Account, wait_until


def invoke(sagemaker: Account, name: str, body: bytes = b"hello", **more: Any) -> bytes:
    """The body of the answer."""
    answer = sagemaker.runtime.invoke_endpoint(EndpointName=name, Body=body, **more)
    content: bytes = answer["Body"].read()
    return content


def pid(sagemaker: Account, name: str, **more: Any) -> int:
    """The process id of a container that answers."""
    return int(invoke(sagemaker, name, b"pid", **more))


def answer_at_once(sagemaker: Account, name: str, calls: int) -> bool:
    """Have as many calls at once been answered by as many containers?"""

    def call(_: int) -> int | None:
        try:
            return int(invoke(sagemaker, name, b"pid 0.5"))
        except ClientError as error:
            if code(error) == "ThrottlingException":  # one of those before is not quite over
                return None
            raise

    with ThreadPoolExecutor(calls) as threads:
        found = set(threads.map(call, range(calls)))
    return len(found - {None}) == calls


def code(error: ClientError) -> str:
    """The error's code."""
    return str(error.response["Error"]["Code"])


@contextlib.contextmanager
def at_work(sagemaker: Account, name: str, seconds: float, calls: int = 1) -> Iterator[list[bytes]]:
    """Meanwhile the endpoint works on that many calls; their answers are there at the end."""
    answers: list[bytes] = []

    def answer() -> bytes | None:
        try:
            return invoke(sagemaker, name, f"sleep {seconds}".encode())
        except ClientError as error:
            if code(error) == "ThrottlingException":  # one of the test's own calls came first
                return None
            raise

    def call() -> None:
        answers.append(wait_until(answer, f"{name} takes a call", pause=0.02))

    threads = [threading.Thread(target=call) for _ in range(calls)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        for thread in threads:
            thread.join()


def create(sagemaker: Account, name: str, config: str) -> dict[str, Any]:
    """An endpoint that has settled, as described."""
    sagemaker.api.create_endpoint(EndpointName=name, EndpointConfigName=config)
    return sagemaker.endpoint_settles(name)


def throttled(sagemaker: Account, name: str) -> ClientError:
    """The error of the first call that is refused."""

    def refused() -> ClientError | None:
        try:
            invoke(sagemaker, name)
        except ClientError as error:
            return error
        return None

    error: ClientError = wait_until(refused, f"{name} refuses a call", pause=0.02)
    return error
