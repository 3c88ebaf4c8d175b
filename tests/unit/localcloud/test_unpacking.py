"""A worker's code as a link to what others unpacked."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest

from localcloud.ministack.unpacking import UnpackedOnce


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def worker(text: str, script: str = "_worker.py") -> Path:
    """The folder of a worker whose package holds app.py, as MiniStack makes it."""
    folder = Path(tempfile.mkdtemp(prefix="ministack-lambda-f-"))
    (folder / script).touch()
    (folder / "code").mkdir()
    with zipfile.ZipFile(folder / "code.zip", "w") as archive:
        archive.writestr("app.py", text)
    with UnpackedOnce(folder / "code.zip") as archive:
        archive.extractall(folder / "code")
    return folder


def test_workers_of_the_same_package_share_its_files() -> None:
    one, two, other = worker("a"), worker("a"), worker("b")
    assert (one / "code" / "app.py").samefile(two / "code" / "app.py")
    assert (other / "code" / "app.py").read_text() == "b"


def test_a_worker_that_ends_takes_nothing_from_the_others() -> None:
    one, two = worker("a"), worker("a")
    shutil.rmtree(one)
    worker("b")  # others than it are tidied up
    assert (two / "code" / "app.py").read_text() == "a"


def test_a_package_that_no_worker_has_any_more_is_removed_with_the_next(scratch: Path) -> None:
    shutil.rmtree(worker("a"))
    assert len(list((scratch / "unpacked").iterdir())) == 1
    worker("b")
    (left,) = (scratch / "unpacked").iterdir()
    assert (left / "app.py").read_text() == "b"


def test_a_worker_that_ends_meanwhile_disturbs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = worker("a")
    readlink = os.readlink

    def late(path: Path) -> str:
        shutil.rmtree(ending, ignore_errors=True)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", late)
    assert (worker("b") / "code" / "app.py").read_text() == "b"


def test_other_runtimes_have_files_of_their_own() -> None:
    one, two = worker("a", "_worker.js"), worker("a", "_worker.js")
    assert not (one / "code").is_symlink()
    assert not (one / "code" / "app.py").samefile(two / "code" / "app.py")


def test_what_cannot_be_unpacked_leaves_nothing_behind(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: zipfile.ZipFile, path: str, *_: object) -> None:
        Path(path, "app.py").touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "extractall", full)
        with pytest.raises(OSError, match="No space left"):
            worker("a")
    assert list((scratch / "unpacked").iterdir()) == []
    assert (worker("a") / "code" / "app.py").read_text() == "a"
