"""A Python function's code is unpacked once for all of its workers, not once for each.

MiniStack makes a folder for every worker and unpacks the deployment package there, under `code`
(`lambda_runtime.Worker._spawn`): half a second of computing for the 2,600 files that a Chalice
application with boto3 has, and none of its workers finds the bytecode that another compiled. Here
`code` is a link to a folder that all workers of the same zip share, until no worker uses it when
another zip is unpacked, or the cloud stops. What a function writes beside its code, the others see;
on AWS it cannot write there. MiniStack itself writes into the code of Node.js functions, so these
have their own, and layers too.

The names that are used are private to MiniStack: its version is pinned, and a contract test sees
workers run the same files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import types
import zipfile
from pathlib import Path
from typing import Any

_lock = threading.Lock()


class UnpackedOnce(zipfile.ZipFile):
    """A zip file on disk; of a Python function's code `extractall` makes no further copy."""

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Unpack into `path`; a worker's `code` becomes a link to this zip's files."""
        folder = Path(path or ".")
        if folder.name != "code" or not (folder.parent / "_worker.py").exists():
            super().extractall(path, members, pwd)
            return
        with open(str(self.filename), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shared = Path(tempfile.gettempdir()) / "unpacked"
        with _lock:
            if not (shared / digest).exists():
                _remove_unused(shared)
                self._unpack(shared, digest)
            folder.rmdir()
            folder.symlink_to(shared / digest)

    def _unpack(self, shared: Path, digest: str) -> None:
        shared.mkdir(exist_ok=True)
        # Under its name it is whole: a disk may be full half-way.
        being_made = tempfile.mkdtemp(prefix="tmp-", dir=shared)
        try:
            super().extractall(being_made)
            os.rename(being_made, shared / digest)
        except BaseException:
            shutil.rmtree(being_made, ignore_errors=True)
            raise


def _remove_unused(shared: Path) -> None:
    """Remove what no worker's `code` leads to: earlier versions of functions."""
    used = set()
    for link in shared.parent.glob("ministack-lambda-*/code"):
        # No link, but a folder of its own; or its worker has just ended.
        with contextlib.suppress(OSError):
            used.add(os.readlink(link))
    for folder in shared.glob("*"):
        if str(folder) not in used:
            shutil.rmtree(folder, ignore_errors=True)


def install() -> None:
    """From now on MiniStack's workers share their code."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    lambda_runtime.zipfile = types.SimpleNamespace(**vars(zipfile) | {"ZipFile": UnpackedOnce})
