from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from cli.stack.code import training_code


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


FILES = {"train.py": "print(1)", "package/model.py": "x = 1", "requirements.txt": ""}
NOISE = {
    "tests/test_model.py": "",
    "package/__pycache__/model.pyc": "1",
    ".cache/x": "1",
    "conftest.py": "",
}


def test_files_stand_at_the_root_without_tests_and_caches(tmp_path: Path) -> None:
    code = training_code(write(tmp_path, FILES | NOISE))
    with tarfile.open(fileobj=io.BytesIO(code.archive), mode="r:gz") as archive:
        assert archive.getnames() == ["package/model.py", "requirements.txt", "train.py"]


def test_the_same_files_give_the_same_bytes_anywhere_at_any_time(tmp_path: Path) -> None:
    first = write(tmp_path / "a", FILES)
    second = write(tmp_path / "b", dict(reversed(FILES.items())) | NOISE)
    os.utime(second / "train.py", (1, 1))
    (second / "train.py").chmod(0o600)
    assert training_code(first) == training_code(second)


@pytest.mark.parametrize("changed", [{"train.py": "print(2)"}, {"more.py": ""}])
def test_any_change_is_another_version(tmp_path: Path, changed: dict[str, str]) -> None:
    before = training_code(write(tmp_path, FILES))
    after = training_code(write(tmp_path, changed))
    assert before.version != after.version
    assert len(after.version) == 12
    assert after.key == f"code/{after.version}/sourcedir.tar.gz"


def test_a_folder_without_the_entry_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train\.py"):
        training_code(tmp_path)
