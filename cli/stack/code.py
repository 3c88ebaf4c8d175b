"""The training code as SageMaker's script mode wants it: `sourcedir.tar.gz`.

The files of training_job/ stand at its root.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LEFT_OUT = {"__pycache__", "tests", "conftest.py"}


@dataclass(frozen=True)
class TrainingCode:
    """`version` is 12 hex digits of the content's SHA-256; `archive` the bytes of the tar.gz."""

    version: str
    archive: bytes

    @property
    def key(self) -> str:
        """Where it lies in the data bucket."""
        return f"code/{self.version}/sourcedir.tar.gz"


def training_code(folder: Path) -> TrainingCode:
    """Archive a folder. The same files give the same bytes and the same version, on any machine.

    Raises FileNotFoundError when there is no train.py, which SageMaker is told to run.
    """
    if not (folder / "train.py").is_file():
        raise FileNotFoundError(f"{folder / 'train.py'} does not exist")
    digest = hashlib.sha256()
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in _files(folder):
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            entry = tarfile.TarInfo(name)  # date 0, owner root: nothing of this machine
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed = gzip.compress(tar_bytes.getvalue(), compresslevel=9, mtime=0)
    return TrainingCode(digest.hexdigest()[:12], packed)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part in _LEFT_OUT or part.startswith(".") for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield path
