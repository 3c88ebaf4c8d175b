"""Objects of S3 as SageMaker names, fetches and packs them."""

from __future__ import annotations

import contextlib
import json
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError


class DataError(Exception):
    """The data of a job cannot be had; the message is its FailureReason, prefix (`ClientError: `)
    included.
    """


class Interrupted(Exception):
    """The job was stopped meanwhile."""


@dataclass(frozen=True)
class S3Object:
    """An object of the input; `path` is its name in the channel, and of the output (`.out`)."""

    bucket: str
    key: str
    path: str


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as (bucket, key)."""
    parts = urlsplit(uri)
    return parts.netloc, uri.split(parts.netloc, 1)[1].lstrip("/") if parts.netloc else ""


def list_input(s3: Any, data_type: str, uri: str) -> list[S3Object]:
    """The objects of an S3Prefix or a ManifestFile, in order.

    Raises DataError when there are none or they cannot be read.
    """
    with _data_errors(uri):
        if data_type == "ManifestFile":
            return _from_manifest(s3, uri)
        return _from_prefix(s3, uri)


def list_folder(s3: Any, uri: str) -> list[S3Object]:
    """The objects under a prefix, in order of their keys, none perhaps.

    Raises DataError when they cannot be listed.
    """
    with _data_errors(uri):
        return _under(s3, uri)


def _under(s3: Any, uri: str) -> list[S3Object]:
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return [
        S3Object(bucket, key, relative_path(prefix, key)) for key in keys if not key.endswith("/")
    ]


def _from_prefix(s3: Any, uri: str) -> list[S3Object]:
    objects = _under(s3, uri)
    if not objects:
        raise DataError(
            f"ClientError: Data download failed:No S3 objects found under S3 URL "
            f'"{uri}" given in input data source.'
        )
    return objects


def relative_path(prefix: str, key: str) -> str:
    """A key's path below a prefix; a prefix that ends inside a name counts up to its last slash."""
    folder = prefix if prefix.endswith("/") else prefix + "/"
    if key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


def _from_manifest(s3: Any, uri: str) -> list[S3Object]:
    bucket, key = split_uri(uri)
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        head, *names = json.loads(text)
        prefix = head["prefix"]
        if not all(isinstance(name, str) for name in names):
            raise TypeError("names must be strings")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"ClientError: Data download failed:Manifest file {uri} is not valid: {error}"
        ) from error
    objects = []
    for name in names:
        target_bucket, target_key = split_uri(prefix + name)
        objects.append(S3Object(target_bucket, target_key, name))
    return objects


def download(s3: Any, objects: list[S3Object], folder: Path, stop: threading.Event) -> None:
    """Fetch objects into `folder`, several at a time.

    Raises DataError, and Interrupted when `stop` is set.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(item: S3Object) -> None:
        if stop.is_set():
            raise Interrupted
        target = folder / PurePosixPath(item.path)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"ClientError: Data download failed:{item.path} leaves the channel.")
        with _data_errors(f"s3://{item.bucket}/{item.key}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(item.bucket, item.key, str(target))

    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="download") as pool:
        for _ in pool.map(fetch, objects):
            pass


@contextlib.contextmanager
def _data_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise DataError(f"ClientError: Data download failed:{what}: {error}") from error
    except OSError as error:  # a name that no file can have, say, or a full disk
        raise DataError(f"ClientError: Data download failed:{what}: {error.strerror}") from error


def put_file(s3: Any, file: Path, uri: str, *, key: str | None = None) -> None:
    """Put a file at `uri`; the object appears whole or not at all. `key`: a KMS key to name.

    Raises DataError.
    """
    bucket, name = split_uri(uri)
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else None
    try:
        s3.upload_file(str(file), bucket, name, ExtraArgs=extra)
    except S3UploadFailedError as error:
        # Its own text names the local file; what S3 said is the error that it was raised for.
        said = error.__context__ or error
        raise DataError(f"ClientError: Failed to upload {uri}: {said}") from error
    except (ClientError, BotoCoreError, OSError) as error:
        raise DataError(f"ClientError: Failed to upload {uri}: {error}") from error


def unpack(archive: Path, target: Path) -> None:
    """Unpack a .tar.gz into a new folder that appears at once or not at all.

    Raises DataError when it is none, or would write elsewhere.
    """
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unpack-"))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(fresh, filter="data")
        fresh.chmod(0o755)
        fresh.rename(target)
    except (tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if target.is_dir():  # somebody else was quicker
            return
        raise DataError(
            f"ClientError: The model data archive cannot be extracted: {error}"
        ) from error
