"""`chalice package`, made reproducible and strict.

Chalice exits 0 when a dependency could not be installed, ships whatever lies in the source tree,
writes YAML with anchors and a zip with this minute's dates. Here the sources are copied first, the
output is read, native libraries are refused, and the same sources give the same bytes. The result
is kept in

    <build>/<stage>-<fingerprint>/template.json, deployment.zip

and made again only when a source, the Python version or the packager itself has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from cli.stack.errors import PackageFailed
from cli.stack.progress import Progress, silent
from cli.stack.template import ZIP_NAME, completed

NATIVE = (".so", ".pyd", ".dylib", ".dll")
MAX_ZIP_BYTES = 24_000_000
"""Measured 17.7 MB, nearly all of it botocore's service models; Lambda takes 250 MB unpacked."""

_TEMPLATE = "template.json"
_SOURCES = ("app.py", "requirements.txt", ".chalice/config.json", ".chalice/resources.yaml")
_KEPT = 4
_RUN_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Package:
    """A packaged stage: `template` names the zip by its file name, `fingerprint` its sources."""

    stage: str
    fingerprint: str
    template: dict[str, Any]
    zip_path: Path

    @property
    def zip_digest(self) -> str:
        """SHA-256 of the zip, 64 hex digits."""
        with self.zip_path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def package(repo: Path, stage: str, build: Path, progress: Progress = silent) -> Package:
    """The package of `repo` for a stage of .chalice/config.json; from `build` when it is there.

    Needs pip's index when a source has changed, and nothing else. Raises PackageFailed.
    """
    fingerprint = _fingerprint(repo, stage)
    folder = build / f"{stage}-{fingerprint[:16]}"
    if not (folder / _TEMPLATE).is_file():
        progress(f"packaging the functions for stage {stage}")
        build.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build, prefix=".packaging-") as temporary:
            _make(repo, stage, Path(temporary))
            _move(Path(temporary) / "done", folder)
        _forget_old(build, stage)
    template = json.loads((folder / _TEMPLATE).read_text())
    return Package(stage, fingerprint, template, folder / ZIP_NAME)


def stage_settings(repo: Path, stage: str) -> dict[str, str]:
    """The constants among the stage's variables. Raises PackageFailed for an unknown stage."""
    stages = json.loads((repo / ".chalice" / "config.json").read_text())["stages"]
    if stage not in stages:
        known = ", ".join(stages)
        raise PackageFailed(f"there is no stage {stage!r} in .chalice/config.json: use {known}")
    return dict(stages[stage]["environment_variables"])


def _make(repo: Path, stage: str, temporary: Path) -> None:
    settings = stage_settings(repo, stage)
    source, out, done = temporary / "source", temporary / "out", temporary / "done"
    for path in _sources(repo):
        target = source / path.relative_to(repo)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    said = _chalice(source, stage, settings, out)
    if "Could not install" in said:  # Chalice says this and exits 0
        raise PackageFailed(f"a dependency of the functions is no pure Python package:\n{said}")
    done.mkdir()
    _repack(out / ZIP_NAME, done / ZIP_NAME)
    template = completed(yaml.safe_load((out / "sam.yaml").read_text()), stage)
    (done / _TEMPLATE).write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")


def _chalice(source: Path, stage: str, settings: dict[str, str], out: Path) -> str:
    """Run `chalice package`; what it said."""
    environment = {
        **os.environ,
        **settings,  # app.py asks whether the stage's callers need a key
        # it only looks up how service principals are spelled in the region's partition
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    merge = str(Path(".chalice") / "resources.yaml")
    arguments = ["package", "--stage", stage, "--merge-template", merge, str(out)]
    done = subprocess.run(
        [sys.executable, "-c", _RUN_CHALICE, *arguments],
        cwd=source,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise PackageFailed(f"chalice package ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _repack(chalices: Path, ours: Path) -> None:
    """The same zip in name order and without dates. Raises PackageFailed for native code."""
    with (
        zipfile.ZipFile(chalices) as old,
        zipfile.ZipFile(ours, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as new,
    ):
        names = sorted(name for name in old.namelist() if "__pycache__" not in name)
        if native := [name for name in names if name.endswith(NATIVE) or ".so." in name]:
            raise PackageFailed(
                f"native libraries do not run on every Lambda: {', '.join(native)}; "
                "take what brings them out of requirements.txt"
            )
        for name in names:
            entry = zipfile.ZipInfo(name)  # dated 1980-01-01
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    size = ours.stat().st_size
    if size > MAX_ZIP_BYTES:
        raise PackageFailed(f"the zip has {size} bytes; more than {MAX_ZIP_BYTES} is a mistake")


def _sources(repo: Path) -> Iterator[Path]:
    for name in _SOURCES:
        yield repo / name
    yield from sorted((repo / ".chalice").glob("policy-*.json"))
    for path in sorted((repo / "chalicelib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path


def _fingerprint(repo: Path, stage: str) -> str:
    here = Path(__file__).parent
    tool = [here / "package.py", here / "template.py"]
    head = f"{stage}\0{sys.version_info[:2]}\0{version('chalice')}\0"
    digest = hashlib.sha256(head.encode())
    for path in [*_sources(repo), *tool]:
        name = path.name if path in tool else path.relative_to(repo).as_posix()
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise PackageFailed(f"{path} is missing") from error
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _move(done: Path, folder: Path) -> None:
    try:
        done.rename(folder)
    except OSError:
        if not (folder / _TEMPLATE).is_file():  # else another `up` has just made the same
            raise


def _forget_old(build: Path, stage: str) -> None:
    made = sorted(build.glob(f"{stage}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in made[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
