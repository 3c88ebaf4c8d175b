"""One object through fetching, cutting, sending, putting together and storing."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from localcloud.sagemaker.s3data import Interrupted, S3Object
from localcloud.sagemaker.server import Answer, NoAnswer
from localcloud.sagemaker.transform.calls import Caller, ObjectFailed
from localcloud.sagemaker.transform.objects import ObjectTransform
from localcloud.sagemaker.transform.plan import Plan

MEGABYTE = 1024 * 1024
ITEM = S3Object("in", "folder/a.txt", "a.txt")


class Body:
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        return self._chunks


class S3:
    """One object to read; keeps the sizes of those written, and the small ones whole."""

    def __init__(self, chunk: bytes, times: int = 1, breaks: int = 0) -> None:
        self._chunk, self._times, self._breaks = chunk, times, breaks
        self.written: dict[str, int] = {}
        self.text: dict[str, bytes] = {}
        self.extra: dict[str, Any] = {}

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": Body(self._chunks())}

    def _chunks(self) -> Iterator[bytes]:
        for number in range(self._times):
            if number == 1 and self._breaks:
                self._breaks -= 1
                raise ResponseStreamingError(error="the connection broke")
            yield self._chunk

    def upload_file(self, file: str, bucket: str, key: str, ExtraArgs: dict[str, Any]) -> None:
        self.written[f"{bucket}/{key}"] = Path(file).stat().st_size
        if self.written[f"{bucket}/{key}"] < MEGABYTE:
            self.text[f"{bucket}/{key}"] = Path(file).read_bytes()
        self.extra = ExtraArgs


class Server:
    """Answers what it is sent; `answers` come first, an exception is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.bodies = 0
        self.largest = 0

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        timeout: float,
        sink: IO[bytes],
    ) -> Answer:
        self.bodies += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if isinstance(body, bytes):
            self.largest = max(self.largest, len(body))
            sink.write(body)
        else:
            while chunk := body.read(MEGABYTE):
                sink.write(chunk)
        return Answer(200, {}, b"")


def going() -> None:
    """The job goes on."""


def transform(
    s3: S3, server: Server, scratch: Path, check: Any = going, **request: Any
) -> tuple[S3, Server]:
    plan = Plan.of(
        {
            "TransformInput": {"SplitType": "Line"},
            "TransformOutput": {},
            "MaxPayloadInMB": 1,
            "MaxConcurrentTransforms": 2,
            **request,
        },
        {},
    )
    caller = Caller(server, plan, scratch, check)  # type: ignore[arg-type]
    output = {"S3OutputPath": "s3://out/prefix/", "KmsKeyId": "alias/k"}
    with contextlib.closing(caller):
        ObjectTransform(s3, plan, caller, output=output, scratch=scratch, check=check)(ITEM)
    return s3, server


@pytest.mark.parametrize("request_", [{}, {"MaxPayloadInMB": 0}])
def test_large_object_and_its_output_are_not_held_in_memory(
    tmp_path: Path, request_: dict[str, Any]
) -> None:
    chunk = (b"x" * 1023 + b"\n") * 1024
    tracemalloc.start()
    try:
        s3, server = transform(S3(chunk, times=48), Server(), tmp_path, **request_)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert s3.written == {"out/prefix/a.txt.out": 48 * MEGABYTE}
    assert server.largest <= MEGABYTE
    assert peak < 16 * MEGABYTE
    assert list(tmp_path.iterdir()) == []


def test_output_is_encrypted_by_the_key_of_the_request(tmp_path: Path) -> None:
    s3, _ = transform(S3(b"a\n"), Server(), tmp_path)
    assert s3.extra["SSEKMSKeyId"] == "alias/k"


def test_broken_connection_is_made_again(tmp_path: Path) -> None:
    s3, _ = transform(S3(b"a\n", times=3, breaks=2), Server(), tmp_path)
    assert s3.text == {"out/prefix/a.txt.out": b"a\na\na\n"}
    with pytest.raises(ObjectFailed, match="the connection broke"):
        transform(S3(b"a\n", times=3, breaks=3), Server(), tmp_path)


def test_denied_object_is_not_tried_again(tmp_path: Path) -> None:
    class Denied(S3):
        tried = 0

        def get_object(self, **_: str) -> dict[str, Any]:
            self.tried += 1
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    s3 = Denied(b"")
    with pytest.raises(ObjectFailed, match="AccessDenied") as caught:
        transform(s3, Server(), tmp_path)
    assert (caught.value.kind, s3.tried) == ("ClientError", 1)


@pytest.mark.parametrize(
    ("answer", "kind", "tries"),
    [
        (Answer(400, {}, b"no"), "ClientError", 1),
        (Answer(503, {}, b"later"), "AlgorithmError", 3),
        (NoAnswer("broke", timed_out=False), "AlgorithmError", 3),
    ],
)
def test_what_is_tried_again(
    tmp_path: Path, answer: Answer | Exception, kind: str, tries: int
) -> None:
    client = {"ModelClientConfig": {"InvocationsMaxRetries": 2}}
    s3, server = S3(b"a\n"), Server(*[answer] * 9)
    with pytest.raises(ObjectFailed) as caught:
        transform(s3, server, tmp_path, **client)
    assert (caught.value.kind, server.bodies, s3.written) == (kind, tries, {})
    s3, _ = transform(S3(b"a\n"), Server(*[answer] * (tries - 1)), tmp_path, **client)
    assert list(s3.written) == ["out/prefix/a.txt.out"]


def test_record_that_fails_ends_the_object(tmp_path: Path) -> None:
    line = b"x" * (MEGABYTE - 1) + b"\n"
    server = Server(Answer(200, {}, b""), Answer(400, {}, b"no"))
    s3 = S3(line, times=50)
    with pytest.raises(ObjectFailed):
        transform(s3, server, tmp_path)
    assert s3.written == {}
    assert server.bodies < 10


def test_stop_is_heard_between_payloads(tmp_path: Path) -> None:
    server = Server()

    def check() -> None:
        if server.bodies >= 3:
            raise Interrupted

    s3 = S3(b"x" * (MEGABYTE - 1) + b"\n", times=50)
    with pytest.raises(Interrupted):
        transform(s3, server, tmp_path, check)
    assert (s3.written, server.bodies < 10) == ({}, True)
