"""The data bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from chalicelib.aws.translate import error_code
from chalicelib.errors import ObjectChanged, ObjectNotFound

CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredObject:
    """One object as a listing or a head shows it; `etag` without its quotes, `size` in bytes.

    `version_id` is None in a plain listing, which does not say it.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime
    version_id: str | None = None


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that is not finished, and when it was begun."""

    key: str
    upload_id: str
    begun: datetime


@dataclass(frozen=True)
class OpenObject:
    """An object being read: `body.read(n)` streams its stored bytes."""

    stored: StoredObject
    body: IO[bytes]

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a MiB at a time."""
        while chunk := self.body.read(CHUNK):
            yield chunk


class Storage:
    """`client` is boto3's `s3` client."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below the prefix, in key order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            for raw in page.get("Contents", ()):
                yield _stored(raw)

    def list_versions(self, prefix: str) -> Iterator[StoredObject]:
        """As `list`, with version ids: the current version of each object that is not deleted."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            for raw in page.get("Versions", ()):
                if raw["IsLatest"]:
                    yield _stored(raw)

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders straight below the prefix (which ends in a slash)."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            for raw in page.get("CommonPrefixes", ()):
                yield raw["Prefix"].removeprefix(prefix).removesuffix("/")

    def head(self, key: str) -> StoredObject | None:
        """The object's current version, or None."""
        try:
            raw = self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return _answered(key, raw)

    def open(
        self, key: str, version_id: str | None = None, if_etag: str | None = None
    ) -> OpenObject:
        """Stream an object.

        Raises ObjectNotFound, and ObjectChanged when `if_etag` is no longer its ETag.
        """
        asked: dict[str, str] = {}
        if version_id is not None:
            asked["VersionId"] = version_id
        if if_etag is not None:
            asked["IfMatch"] = f'"{if_etag}"'
        raw = self._get(key, asked)
        return OpenObject(_answered(key, raw), raw["Body"])

    def open_range(self, key: str, start: int, length: int | None, if_etag: str) -> IO[bytes]:
        """Stream `length` bytes of an object (None: to its end) from `start` on, which it must
        reach. Raises as `open`."""
        end = "" if length is None else str(start + length - 1)
        asked = {"IfMatch": f'"{if_etag}"', "Range": f"bytes={start}-{end}"}
        body: IO[bytes] = self._get(key, asked)["Body"]
        return body

    def read_head(self, key: str, length: int, if_etag: str) -> tuple[bytes, bool]:
        """The first bytes of an object that is not empty, and whether a key of KMS or the caller's
        own encrypts it: its ETag then is no MD5, though it looks like one. Raises as `open`."""
        asked = {"IfMatch": f'"{if_etag}"', "Range": f"bytes=0-{length - 1}"}
        raw = self._get(key, asked)
        body: IO[bytes] = raw["Body"]
        try:
            sealed = raw.get("ServerSideEncryption", "AES256") != "AES256"
            return body.read(), sealed or "SSECustomerAlgorithm" in raw
        finally:
            body.close()

    def _get(self, key: str, asked: dict[str, str]) -> dict[str, Any]:
        try:
            raw: dict[str, Any] = self._client.get_object(Bucket=self.bucket, Key=key, **asked)
        except ClientError as error:
            code = error_code(error)
            if code in ("NoSuchKey", "NoSuchVersion", "404"):
                raise ObjectNotFound(f"{self.uri(key)} does not exist") from error
            if code in ("PreconditionFailed", "412"):
                raise ObjectChanged(f"{self.uri(key)} has changed") from error
            raise
        return raw

    def get_bytes(self, key: str) -> bytes:
        """The whole object: for small ones. Raises ObjectNotFound."""
        opened = self.open(key)
        try:
            return opened.body.read()
        finally:
            opened.body.close()

    def get_json(self, key: str) -> Any:
        """Raises ObjectNotFound, and ValueError for what is not JSON."""
        return json.loads(self.get_bytes(key))

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def put_text(
        self, key: str, text: str, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        self.put_bytes(key, text.encode(), content_type)

    def put_json(self, key: str, value: Any) -> None:
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        self.put_text(key, text, "application/json")

    def put_json_over(self, key: str, value: Any, etag: str | None) -> None:
        """Write where the object still has this ETag (None: where there is none yet).

        Raises ObjectChanged.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        try:
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=text.encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            # 409: another conditional write is under way; 404: deleted meanwhile.
            if error_code(error) in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
                "NoSuchKey",
                "412",
                "409",
                "404",
            ):
                raise ObjectChanged(f"{self.uri(key)} has changed") from error
            raise

    def upload(self, key: str, body: IO[bytes], content_type: str) -> None:
        """Store a file of any size, in parts where it is big."""
        self._client.upload_fileobj(body, self.bucket, key, ExtraArgs={"ContentType": content_type})

    def delete(self, key: str) -> None:
        """Remove the current version (a versioned bucket keeps it behind a marker)."""
        self._client.delete_object(Bucket=self.bucket, Key=key)

    def open_uploads(self, prefix: str) -> Sequence[OpenUpload]:
        """Multipart uploads under way below the prefix, the first 1,000 by key."""
        raw = self._client.list_multipart_uploads(
            Bucket=self.bucket,
            Prefix=prefix,
            EncodingType="url",  # XML has no way to write control characters
        )
        decoded = unquote_plus if raw.get("EncodingType") == "url" else str
        return [
            OpenUpload(decoded(found["Key"]), found["UploadId"], found["Initiated"])
            for found in raw.get("Uploads", ())
        ]

    def last_part(self, upload: OpenUpload) -> datetime | None:
        """When the newest part of an open upload arrived. None: there is none, or it has ended."""
        try:
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
            )
            times = [part["LastModified"] for page in pages for part in page.get("Parts", ())]
        except ClientError as error:
            if error_code(error) in ("NoSuchUpload", "404"):
                return None
            raise
        return max(times, default=None)


def _stored(raw: dict[str, Any]) -> StoredObject:
    return StoredObject(
        raw["Key"], raw["ETag"].strip('"'), raw["Size"], raw["LastModified"], raw.get("VersionId")
    )


def _answered(key: str, raw: dict[str, Any]) -> StoredObject:
    return StoredObject(
        key,
        raw["ETag"].strip('"'),
        raw["ContentLength"],
        raw["LastModified"],
        raw.get("VersionId"),
    )
