"""Model artifacts, unpacked once each under `<home>/sagemaker/models/`."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.sagemaker.s3data import DataError, split_uri, unpack


class Artifacts:
    """The folder of unpacked artifacts: one a content (URL and ETag), shared by its containers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}

    def fetch(self, s3: Any, url: str) -> Path:
        """The folder of the artifact that now lies at `url`. Raises DataError."""
        bucket, key = split_uri(url)
        etag = head(s3, url)["ETag"]
        name = hashlib.sha256(f"{bucket}\n{key}\n{etag}".encode()).hexdigest()[:32]
        target = self._folder / name
        with self._lock:
            busy = self._busy.setdefault(name, threading.Lock())
        with busy:
            if target.is_dir():
                return target
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".fetch-") as archive:
                try:
                    s3.download_fileobj(bucket, key, archive)
                except (ClientError, BotoCoreError) as error:
                    raise DataError(f"ClientError: {url} cannot be downloaded: {error}") from error
                archive.flush()
                unpack(Path(archive.name), target)
            return target

    def keep_only(self, used: set[Path]) -> None:
        """Remove every artifact but these, and what a killed process left half-made."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.is_dir() and path not in used:
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file():
                path.unlink(missing_ok=True)


def head(s3: Any, url: str) -> dict[str, Any]:
    """HeadObject of an artifact. Raises DataError in SageMaker's words."""
    bucket, key = split_uri(url)
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket", "NotFound"):
            raise DataError(f"Could not find model data at {url}.") from error
        raise DataError(
            f"Could not access model data at {url}. Please ensure that the role has s3:GetObject "
            f"permissions and that the object is located in this Region. ({error})"
        ) from error
    except BotoCoreError as error:
        raise DataError(f"Could not access model data at {url}: {error}") from error
