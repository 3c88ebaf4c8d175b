"""Files up to S3 and down from it, with a bar."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from cli.console import bar

AT_ONCE = 8


def upload(
    s3: Any, bucket: str, files: Sequence[tuple[Path, str]], console: Console, title: str
) -> None:
    """Put each (file, key); the bar counts bytes of few files, or many files."""
    sizes = [path.stat().st_size for path, _ in files]
    in_bytes = len(files) <= AT_ONCE
    progress = bar(console, size_in_bytes=in_bytes)
    with progress, ThreadPoolExecutor(AT_ONCE) as pool:
        task = progress.add_task(title, total=sum(sizes) if in_bytes else len(files))

        def put(path: Path, key: str) -> None:
            advance = (lambda count: progress.advance(task, count)) if in_bytes else None
            s3.upload_file(str(path), bucket, key, Callback=advance)
            if not in_bytes:
                progress.advance(task)

        _all(pool, put, files)
    amount = readable_size(sum(sizes))
    console.print(f"{title}: {count(len(files), 'file')}, {amount}.")


def unusable(name: str) -> str | None:
    """Why S3, or the XML in which it lists keys, cannot hold this name; None when it can."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "its name is not valid UTF-8"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "its name has a control character"
    if "\ufffe" in name or "\uffff" in name:
        return "its name has a character that is none in Unicode"
    return None


def mark_ready(s3: Any, bucket: str, prefix: str) -> str:
    """Put `<prefix>_READY`; its VersionId is `ready` in the status once it is taken up."""
    version: str = s3.put_object(Bucket=bucket, Key=f"{prefix}_READY", Body=b"")["VersionId"]
    return version


def newest_ready(s3: Any, bucket: str, prefix: str) -> str | None:
    """VersionId of the `<prefix>_READY` that is there now; None where it was deleted."""
    try:
        version: str = s3.head_object(Bucket=bucket, Key=f"{prefix}_READY")["VersionId"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchKey", "NotFound"):
            raise
        return None
    return version


def download(
    s3: Any,
    s3_prefix: str,
    folder: Path,
    console: Console,
    title: str = "Downloading results",
) -> list[Path]:
    """Fetch all objects below an `s3://bucket/prefix/` into the folder; gives the files."""
    bucket, prefix = split_uri(s3_prefix)
    prefix = prefix.rstrip("/") + "/"
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for item in page.get("Contents", [])
        if not item["Key"].endswith("/") and ".." not in item["Key"].split("/")
    ]
    pairs = [(folder / PurePosixPath(key.removeprefix(prefix)), key) for key in keys]
    progress = bar(console, size_in_bytes=False)
    with progress, ThreadPoolExecutor(AT_ONCE) as pool:
        task = progress.add_task(title, total=len(pairs))

        def get(path: Path, key: str) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, key, str(path))
            progress.advance(task)

        _all(pool, get, pairs)
    return [path for path, _ in pairs]


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def readable_size(size: int) -> str:
    """`1.2 MB`, in powers of 1000."""
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _all(pool: ThreadPoolExecutor, function: Any, pairs: Iterable[tuple[Path, str]]) -> None:
    futures = [pool.submit(function, path, key) for path, key in pairs]
    try:
        for future in futures:
            future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
