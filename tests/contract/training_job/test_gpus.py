"""The job's first step, planned and compiled by XLA for GPUs that are described and not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[3]
# WRN-28-10: 25 of 3 x 3, one where a stage begins. Each is also differentiated by its weights and,
# but for the first, by what goes in.
CONVOLUTIONS = 3 * (25 + 3) - 1

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="XLA's compiler for NVIDIA GPUs runs on Linux alone"
)


@pytest.fixture(scope="module")
def steps() -> dict[str, Any]:
    """`wide-28-10` on one T4, and on a host with four A10Gs."""
    command = [sys.executable, str(REPO / "bench" / "gpus.py"), "--json", "--preset", "wide-28-10"]
    done = subprocess.run(
        [*command, "--on", "T4", "--on", "A10G:4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"{step['count']} x {step['gpu']}": step for step in found}


def test_all_convolutions_are_in_sixteen_bits(steps: dict[str, Any]) -> None:
    assert steps["1 x T4"]["convolutions"] == {"float16": CONVOLUTIONS}  # Turing has no bfloat16
    assert steps["4 x A10G"]["convolutions"] == {"bfloat16": CONVOLUTIONS}


def test_rows_stay_on_the_gpu_and_the_step_fits_its_memory(steps: dict[str, Any]) -> None:
    for step in steps.values():
        assert step["rows_on_device"]
        # with room for what cuDNN takes besides
        assert step["memory"] < step["device_memory"] / 4


def test_all_gpus_of_a_host_share_a_batch(steps: dict[str, Any]) -> None:
    one, four = steps["1 x T4"], steps["4 x A10G"]
    assert (one["images"], four["images"]) == (256, 64)
    assert four["memory"] < one["memory"]
    assert one["exchanges"] == 0 < four["exchanges"]
