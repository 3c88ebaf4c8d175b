"""What a training job leaves in S3: model.tar.gz and output.tar.gz, of all hosts together.

Where two hosts wrote a file of the same name, that of the host that comes last counts (AWS says
only that names must not clash).
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from localcloud.sagemaker.s3data import put_file


def merged(folders: Sequence[Path]) -> dict[str, Path]:
    """What lies in the folders, by path below them; parents come before what they hold."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not (_is_folder(path) and name in found and _is_folder(found[name])):
                _make_way(found, name)
            found[name] = path
    return dict(sorted(found.items()))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _make_way(found: dict[str, Path], name: str) -> None:
    """Drop what cannot be there together with a new `name`: what lies below it, files above it."""
    for other in [other for other in found if other == name or other.startswith(name + "/")]:
        del found[other]
    for parent in PurePosixPath(name).parents:
        above = found.get(str(parent))
        if above is not None and not _is_folder(above):
            del found[str(parent)]


def upload(
    s3: Any, folders: Sequence[Path], uri: str, scratch: Path, *, key: str | None = None
) -> None:
    """Pack what lies in the folders as .tar.gz and put it at `uri`, whole or not at all.

    key: OutputDataConfig's KmsKeyId

    Raises DataError.
    """
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".tar.gz") as archive:
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=6) as tar:
            for name, path in merged(folders).items():
                tar.add(path, arcname=name, recursive=False)
        archive.flush()
        put_file(s3, Path(archive.name), uri, key=key)
