"""The buckets that deploying needs: one for artifacts, and what is in the data bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.stack.progress import Progress, silent

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_STEP = 20  # per cent between two lines of progress


class Buckets:
    """`client` is boto3's `s3` client."""

    def __init__(self, client: Any, region: str, progress: Progress = silent) -> None:
        self._client = client
        self._region = region
        self._progress = progress

    def exists(self, bucket: str) -> bool:
        """Does the bucket exist? Raises ClientError when it is somebody else's."""
        return self._found(lambda: self._client.head_bucket(Bucket=bucket))

    def ensure(self, bucket: str) -> None:
        """Make a private bucket where there is none."""
        if self.exists(bucket):
            return
        self._progress(f"making the bucket {bucket}")
        where: dict[str, Any] = {}
        if self._region != "us-east-1":  # which S3 takes no LocationConstraint for
            where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._client.create_bucket(Bucket=bucket, **where)
        self._client.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )

    def upload_file(self, path: Path, bucket: str, key: str) -> None:
        """Put a file whose key names its content; nothing to do when it is there."""
        size = path.stat().st_size
        if self._has(bucket, key, size):
            return
        self._progress(f"uploading {path.name} ({size / 1e6:.1f} MB)")
        sent, told = 0, 0

        def count(more: int) -> None:
            nonlocal sent, told
            sent += more
            share = 100 * sent // size
            if share - told >= _STEP and share < 100:
                told = share
                self._progress(f"uploading {path.name}: {share} %")

        self._client.upload_file(str(path), bucket, key, Callback=count)

    def upload_bytes(self, content: bytes, bucket: str, key: str) -> None:
        """Put bytes whose key names their content; nothing to do when they are there."""
        if not self._has(bucket, key, len(content)):
            self._progress(f"uploading s3://{bucket}/{key}")
            self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def is_empty(self, bucket: str) -> bool:
        """Are there neither objects nor older versions of objects?"""
        page = self._client.list_object_versions(Bucket=bucket, MaxKeys=1)
        return not page.get("Versions") and not page.get("DeleteMarkers")

    def remove(self, bucket: str) -> None:
        """Delete every version of every object, unfinished uploads, and the bucket itself."""
        deleted = 0
        for versions in self._versions(bucket):
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": versions, "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise RuntimeError(f"{errors[0]['Key']}: {errors[0].get('Message', '')}")
            deleted += len(versions)
            self._progress(f"deleted {deleted} object versions from {bucket}")
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        for upload in [upload for page in pages for upload in page.get("Uploads", ())]:
            self._client.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        self._client.delete_bucket(Bucket=bucket)

    def _versions(self, bucket: str) -> Iterator[list[dict[str, str]]]:
        """Everything in the bucket, as delete_objects takes it: 1,000 at a time."""
        while True:  # always the first page: the ones before it are gone
            page = self._client.list_object_versions(Bucket=bucket, MaxKeys=1000)
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not found:
                return
            yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]

    def _has(self, bucket: str, key: str, size: int) -> bool:
        found: dict[str, Any] = {}
        there = self._found(lambda: found.update(self._client.head_object(Bucket=bucket, Key=key)))
        return there and found["ContentLength"] == size

    def _found(self, call: Any) -> bool:
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise
        return True
