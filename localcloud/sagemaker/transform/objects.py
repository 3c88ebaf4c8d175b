"""One object of the input: fetched, cut, sent, put together and stored.

The object and its output lie on disk, a payload and its answer in memory only while they are under
way, so that an object may be much larger than memory. An output is put at the end and whole: "Batch
transform doesn't upload partially processed objects".
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.sagemaker.s3data import S3Object, split_uri
from localcloud.sagemaker.transform.calls import Caller, ObjectFailed
from localcloud.sagemaker.transform.plan import Plan
from localcloud.sagemaker.transform.processing import BadRecord
from localcloud.sagemaker.transform.splitting import BadInput, payloads

_FETCHES = 3  # how often a connection to S3 may break
_CHUNK = 1024 * 1024


class ObjectTransform:
    """Transforms the objects of one instance, each call one, from any thread.

    output: TransformOutput of the request
    scratch: a folder for what is under way
    check: raises Interrupted once the job is to stop
    """

    def __init__(
        self,
        s3: Any,
        plan: Plan,
        caller: Caller,
        *,
        output: dict[str, Any],
        scratch: Path,
        check: Callable[[], None],
    ) -> None:
        self._s3 = s3
        self._plan = plan
        self._caller = caller
        self._output = output
        self._scratch = scratch
        self._check = check

    def __call__(self, item: S3Object) -> None:
        """Raises ObjectFailed, Interrupted."""
        self._check()
        with (
            tempfile.TemporaryFile(dir=self._scratch) as source,
            tempfile.NamedTemporaryFile(dir=self._scratch) as result,
        ):
            self._fetch(item, source)
            try:
                self._transform(source, result)
            except (BadInput, BadRecord) as error:
                raise ObjectFailed("ClientError", str(error)) from error
            except (OSError, EOFError, zlib.error) as error:
                raise ObjectFailed("ClientError", f"Failed to read the input: {error}") from error
            result.flush()
            self._store(item, Path(result.name))

    def _fetch(self, item: S3Object, target: IO[bytes]) -> None:
        for attempt in range(1, _FETCHES + 1):
            target.seek(0)
            target.truncate()
            try:
                body = self._s3.get_object(Bucket=item.bucket, Key=item.key)["Body"]
                for chunk in body.iter_chunks(_CHUNK):
                    self._check()
                    target.write(chunk)
            except ClientError as error:
                raise ObjectFailed("ClientError", str(error)) from error
            except BotoCoreError as error:
                if attempt == _FETCHES:
                    raise ObjectFailed("ClientError", str(error)) from error
            else:
                target.seek(0)
                return

    def _transform(self, source: IO[bytes], result: IO[bytes]) -> None:
        plan = self._plan
        unpacked: IO[bytes] = gzip.GzipFile(fileobj=source) if plan.gzip else source  # type: ignore[assignment]
        if plan.streamed:
            with self._caller.slot():
                self._add(result, self._caller.stream(unpacked))
            return
        bodies = payloads(unpacked, plan.split, single=plan.single, limit=plan.limit)
        pending: deque[Future[IO[bytes]]] = deque()
        try:
            for answer in self._caller.sent(bodies):
                pending.append(answer)
                while len(pending) > plan.concurrent or (pending and pending[0].done()):
                    self._add(result, pending.popleft().result())
            while pending:
                self._add(result, pending.popleft().result())
        finally:
            for answer in pending:
                if not answer.cancel() and answer.exception() is None:
                    answer.result().close()

    def _add(self, result: IO[bytes], answer: IO[bytes]) -> None:
        """Add an answer to the output.

        AssembleWith Line: "a newline character at the end of every transformed record". What is
        added to an answer that ends with one is not documented; we add no second.
        """
        with answer:
            last = b""
            for chunk in _chunks(answer):
                result.write(chunk)
                last = chunk[-1:]
        if self._plan.end_lines and last != b"\n":
            result.write(b"\n")

    def _store(self, item: S3Object, file: Path) -> None:
        bucket, prefix = split_uri(self._output["S3OutputPath"])
        key = "/".join(part for part in (prefix.rstrip("/"), f"{item.path}.out") if part)
        extra = {"ContentType": self._plan.accept or "application/octet-stream"}
        if kms_key := self._output.get("KmsKeyId"):
            extra |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
        self._check()
        try:
            self._s3.upload_file(str(file), bucket, key, ExtraArgs=extra)
        except (ClientError, BotoCoreError, S3UploadFailedError) as error:
            raise ObjectFailed("ClientError", f"s3://{bucket}/{key}: {error}") from error


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    while chunk := source.read(_CHUNK):
        yield chunk
