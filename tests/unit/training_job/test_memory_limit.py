"""How much memory the job may use."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import pytest
from pigeonhole_training.data import memory


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"v2": "max\n"}, None),
        ({"v2": "1073741824\n"}, 2**30),
        ({"v1": "9223372036854771712\n"}, None),  # how version 1 writes that there is none
        ({"v1": "2147483648\n", "v2": "1073741824\n"}, 2**30),
    ],
)
def test_the_least_of_machine_and_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], limit: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (tmp_path / "v2", tmp_path / "v1"))
    expected = psutil.virtual_memory().total if limit is None else limit
    if resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        assert memory.memory_limit() == expected
        assert memory.pixel_budget() == expected // 4
