"""Calls of the container: so many at once, each tried as often as ModelClientConfig says."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from localcloud.sagemaker.server import Answer, ModelServer, NoAnswer, NotHealthy
from localcloud.sagemaker.transform.plan import Plan

_IN_MEMORY = 1024 * 1024  # bytes of an answer that wait in memory for their turn
_SHOWN = 1000  # bytes of a refusal that the log tells


class ObjectFailed(Exception):
    """An object cannot be transformed.

    kind: ClientError or AlgorithmError, the first word of the job's FailureReason
    message: for the data log, may be of several lines
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Caller:
    """The calls of one instance.

    What is tried again, "when invocation requests are failing", is documented no closer; we do so
    for answers of 5xx and for none, at once, and not for 4xx, which say that the request is wrong.
    """

    def __init__(
        self, server: ModelServer, plan: Plan, scratch: Path, check: Callable[[], None]
    ) -> None:
        self._server = server
        self._plan = plan
        self._scratch = scratch
        self._check = check
        self._slots = threading.Semaphore(plan.concurrent)
        self._pool = ThreadPoolExecutor(plan.concurrent, thread_name_prefix="transform")
        headers = {"Content-Type": plan.content_type, "Accept": plan.accept}
        self._headers = {name: value for name, value in headers.items() if value}

    def close(self) -> None:
        """Wait for the calls under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """One of the calls that may be under way."""
        with self._slots:
            self._check()
            yield

    def sent(self, payloads: Iterator[bytes]) -> Iterator[Future[IO[bytes]]]:
        """Send each payload; the next is not read before there is a slot for it."""
        while True:
            self._slots.acquire()
            try:
                self._check()
                payload = next(payloads)
            except BaseException as error:
                self._slots.release()
                if isinstance(error, StopIteration):
                    return
                raise
            future = self._pool.submit(self._transform, payload)
            future.add_done_callback(lambda _: self._slots.release())
            yield future

    def _transform(self, payload: bytes) -> IO[bytes]:
        """The output for one payload, an open file. Raises ObjectFailed, BadRecord, Interrupted."""
        processing = self._plan.processing
        if processing is None:
            return self._invoke(payload, self._headers)
        body, records = processing.request(payload)
        with self._invoke(body, self._headers) as answer:
            answer.seek(0)
            kept = processing.output(records, answer.read())
        output = self._file()
        output.write(kept)
        return output

    def stream(self, source: IO[bytes]) -> IO[bytes]:
        """The output for a payload of any size, sent in chunks. Raises as above."""
        return self._invoke(source, {**self._headers, "Transfer-Encoding": "chunked"})

    def _invoke(self, body: bytes | IO[bytes], headers: dict[str, str]) -> IO[bytes]:
        failed = ObjectFailed("AlgorithmError", "Unable to get response from algorithm")
        for _ in range(self._plan.attempts):
            self._check()
            sink = self._file()
            try:
                answer = self._server.send(
                    "POST",
                    "/invocations",
                    body=body,
                    headers=headers,
                    timeout=self._plan.timeout,
                    sink=sink,
                )
            except (NoAnswer, NotHealthy) as error:
                sink.close()
                message = f"Unable to get response from algorithm\n{error}"
                failed = ObjectFailed("AlgorithmError", message)
                continue
            except BaseException:
                sink.close()
                raise
            if answer.status < 400:
                return sink
            sink.close()
            failed = _refused(answer)
            if answer.status < 500:
                break
        raise failed

    def _file(self) -> IO[bytes]:
        return tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._scratch))


def _refused(answer: Answer) -> ObjectFailed:
    text = answer.body[:_SHOWN].decode("utf-8", "replace")
    return ObjectFailed(
        "ClientError" if answer.status < 500 else "AlgorithmError",
        f"Bad HTTP status received from algorithm: {answer.status}\n\nMessage:\n{text}",
    )
