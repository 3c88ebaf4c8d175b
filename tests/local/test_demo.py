"""`make demo`, twice in a row: the loop as a newcomer sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.local.conftest import REPO


def demo(folder: Path) -> str:
    """What the demo printed; it keeps its state below `folder`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "cli.demo"],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def running_in(folder: Path) -> list[str]:
    """Command lines of the processes that have something to do with `folder`."""
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]


def test_demo_runs_twice_and_leaves_nothing_running(tmp_path: Path) -> None:
    first = demo(tmp_path)
    assert "epoch=1; train_loss=" in first
    assert "fashion-mnist is live." in first
    assert "200 files: 198 classified, 2 rejected." in first
    assert "rejected: broken.png: " in first
    assert "rejected: notes.txt: " in first
    assert "Truth" in first
    assert "Everything" in first.splitlines()[-2]
    assert "Report: .demo/sample/report/index.html" in first
    assert "<html" in (tmp_path / ".demo/sample/report/index.html").read_text(encoding="utf-8")
    assert running_in(tmp_path) == []

    second = demo(tmp_path)
    assert "This very data has been trained already" in second
    assert "epoch=1" not in second
    assert "200 files: 198 classified, 2 rejected." in second
    assert running_in(tmp_path) == []
