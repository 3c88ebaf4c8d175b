"""A function's code is unpacked once for all of its workers, not once for each.

MiniStack makes a folder for every worker and unpacks the deployment package there
(`lambda_runtime.Worker._spawn`): half a second of computing for the 2,600 files that a Chalice
application with boto3 has, and none of its workers finds the bytecode that another compiled. Here
that folder is a link to one which all workers of the same zip share, until the cloud stops. What a
function writes beside its code, the others would see; on AWS it cannot write there.

The name that is replaced is private to MiniStack: its version is pinned, and a contract test sees
two workers run the same files.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import types
import zipfile
from pathlib import Path
from typing import Any

_lock = threading.Lock()


class UnpackedOnce(zipfile.ZipFile):
    """A zip file, on disk, that `extractall` unpacks where nothing else has yet."""

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Make `path`, an empty folder, a link to this zip's files."""
        shared = Path(tempfile.gettempdir()) / "unpacked"
        with open(str(self.filename), "rb") as file:
            whole = shared / hashlib.file_digest(file, "sha256").hexdigest()
        with _lock:
            if not whole.exists():
                shared.mkdir(exist_ok=True)
                # Under its name it is whole: unpacking may end half-way, at a full disk say.
                being_made = tempfile.mkdtemp(prefix="tmp-", dir=shared)
                super().extractall(being_made, members, pwd)
                os.rename(being_made, whole)
        os.rmdir(path)
        os.symlink(whole, path)


def install() -> None:
    """From now on MiniStack's workers share their code."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    lambda_runtime.zipfile = types.SimpleNamespace(**vars(zipfile) | {"ZipFile": UnpackedOnce})
