"""The commands of docs/clients.md, as a person types them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import REPO

from .conftest import Tripwire, needs_opt_ml

pytest.importorskip("sagemaker.train")


@needs_opt_ml
def test_the_first_job_of_the_page(env: dict[str, str], tripwire: Tripwire, tmp_path: Path) -> None:
    page = (REPO / "docs" / "clients.md").read_text()
    section = page.split("## A first job\n")[1].split("\n## ")[0]
    commands = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(commands) == 3
    programs = [Path(sys.executable).parent, REPO / ".venv" / "bin"]
    done = subprocess.run(
        ["sh", "-eu", "-c", "\n".join(commands)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**env, "PATH": ":".join([*map(str, programs), env["PATH"]])},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Completed s3://sagemaker-us-east-1-000000000000/first/first-" in done.stdout
    assert '"MetricName": "loss"' in done.stdout
    assert "rate=0.1; loss=0.5;" in done.stdout
    assert (tmp_path / "model.tar.gz").exists()
    assert tripwire.calls == []
