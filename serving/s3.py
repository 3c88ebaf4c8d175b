"""S3 as the batch reads it. The only file that knows botocore, and imported in batch mode alone:
its import and its client take longer than all the rest of the start."""

from __future__ import annotations

import time
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from serving.errors import ObjectDenied, ObjectRejected, StorageError

OBJECT_LIMIT = 20 * 1024 * 1024  # bytes; with `keys.FETCHERS` at once this bounds the memory
BODY_ATTEMPTS = 3  # botocore retries the request, but not a body that breaks off

_MISSING = {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}  # 405: a delete marker


class S3Store:
    """Objects of one bucket. `get` may be called from many threads at once."""

    def __init__(self, client: Any, bucket: str) -> None:
        """`client` is botocore's client for S3."""
        self._client = client
        self._bucket = bucket

    def get(self, key: str, version_id: str | None) -> bytes:
        """The object's bytes. Raises ObjectRejected (`not_found`, `too_large`, `archived`) for what
        is wrong with the object, ObjectDenied (`access_denied`) for what is wrong with the object
        or with the policy, StorageError for what is wrong with S3."""
        for attempt in range(1, BODY_ATTEMPTS + 1):
            try:
                return self._get(key, version_id)
            except (BotoCoreError, HTTPError, OSError) as error:
                if attempt == BODY_ATTEMPTS:
                    raise StorageError(
                        f"S3 broke off while reading s3://{self._bucket}/{key}: {error}"
                    ) from error
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def _get(self, key: str, version_id: str | None) -> bytes:
        version = {"VersionId": version_id} if version_id else {}
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **version)
        except ClientError as error:
            raise self._translated(key, error) from error
        with answer["Body"] as body:
            size = int(answer["ContentLength"])
            if size > OBJECT_LIMIT:
                raise ObjectRejected(
                    "too_large",
                    f"The file has {size} bytes; at most {OBJECT_LIMIT} are read. "
                    "Save it smaller and upload it again.",
                )
            content: bytes = body.read()
        return content

    def _translated(self, key: str, error: ClientError) -> ObjectRejected | StorageError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code in _MISSING or (code == "InvalidArgument" and "version" in message.lower()):
            return ObjectRejected(
                "not_found", "The file, or this version of it, is no longer there. Upload it again."
            )
        if code == "InvalidObjectState":
            return ObjectRejected(
                "archived", "The file is archived. Restore it, or upload it again."
            )
        if code == "AccessDenied":
            return ObjectDenied(
                "S3 denies access to this file alone (by its encryption key, or a policy on its "
                "name or tags). Upload it again as the others were.",
                f"access denied to s3://{self._bucket}/{key}: the role of the model must allow "
                "s3:GetObject and s3:GetObjectVersion there (and s3:ListBucket, without which S3 "
                f"answers so for a missing file as well). S3 says: {message}",
            )
        return StorageError(f"S3 answers {code} for s3://{self._bucket}/{key}: {message}")


def connect(bucket: str, connections: int) -> S3Store:
    """A store on the bucket, with the credentials, region and endpoint of the environment."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=connections,
    )
    try:
        client = botocore.session.get_session().create_client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"no client for S3 can be made: {error}") from error
    return S3Store(client, bucket)
