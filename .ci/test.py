"""Run every test with the interpreter of the part it tests; add it all up.

The containers' tests run in the containers' own environments with nothing but pytest beside them
(and JAX, for what trains on it), those of other clients (the SageMaker SDK, the AWS CLI) in
`.venvs/clients`; all other tests run in `.venv`. Four groups run at a time: the end-to-end tests
wait more than they compute, so they are three groups, each with a local cloud of its own. A group's
output is printed when it ends. The last line is `N passed, N failed`. Exit status: 0 when nothing
failed.

    .venv/bin/python .ci/test.py [pytest arguments]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")
CONTAINERS = {"serving": "serving", "training_job": "training"}
NO_TESTS_COLLECTED = 5
AT_ONCE = 4


@dataclass(frozen=True)
class Group:
    """Tests that share `python`; `folders` are where packages lie that are not beside it."""

    title: str
    paths: list[Path]
    python: Path
    folders: tuple[Path, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def groups() -> list[Group]:
    """What to run, in the order of their start: the longest first."""
    own = Path(sys.executable)
    clients = VENVS / "clients" / "bin" / "python"
    local = REPO / "tests" / "local"
    whole = sorted(local.glob("test_*.py"))
    found = [
        Group("end-to-end tests on a local cloud", whole[::2], own),
        Group("end-to-end tests on another local cloud", whole[1::2], own),
    ]
    of_containers = []
    for level in ("contract", "unit"):
        folder = REPO / "tests" / level
        parts = sorted(p for p in folder.iterdir() if p.is_dir() and p.name != "__pycache__")
        rest = [part for part in parts if part.name not in CONTAINERS]
        found.append(Group(f"{level} tests", [*rest, *sorted(folder.glob("test_*.py"))], own))
        for part in parts:
            if part.name in CONTAINERS:
                python = VENVS / CONTAINERS[part.name] / "bin" / "python"
                title = f"{level} tests of {part.name}"
                of_containers.append(Group(title, [part], python, (VENVS / "pytest",)))
    unit, contract = (REPO / "tests" / level / "training_job" for level in ("unit", "contract"))
    on_jax = Group(
        "tests of training on JAX",
        [unit / "test_loop.py", unit / "test_backends.py", contract / "test_job.py"],
        VENVS / "training" / "bin" / "python",
        (VENVS / "pytest", VENVS / "jax"),
        {"KERAS_BACKEND": "jax"},
    )
    return [
        *found,
        Group("end-to-end tests on a local cloud in trouble", [local / "trouble"], own),
        *of_containers,
        on_jax,
        Group("tests of the SageMaker SDK and the AWS CLI", [REPO / "tests" / "clients"], clients),
        Group("tests of the local cloud's page in a browser", [REPO / "tests" / "browser"], own),
    ]


@dataclass(frozen=True)
class Outcome:
    """pytest's exit status, how many passed, failed and were skipped, and what it printed."""

    status: int
    counts: Counter[str]
    output: str


def run(group: Group, arguments: list[str], report: Path) -> Outcome:
    """Run one group."""
    env = os.environ | group.environment
    if group.folders:
        env["PYTHONPATH"] = os.pathsep.join(map(str, group.folders))
    command = [str(group.python), "-m", "pytest", "-q", "--durations=3", f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *arguments, *map(str, group.paths)],
        cwd=REPO,
        env=env,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    counts: Counter[str] = Counter()
    if report.exists():
        for suite in ET.parse(report).getroot().iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            counts["failed"] += failed
            counts["skipped"] += skipped
            counts["passed"] += int(suite.get("tests", 0)) - failed - skipped
    return Outcome(done.returncode, counts, done.stdout)


def main(arguments: list[str]) -> int:
    """Run all groups, also after a failure, and print the sum as the last line."""
    started = time.monotonic()
    total: Counter[str] = Counter()
    failures = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as lanes:
        running = {
            lanes.submit(run, group, arguments, Path(folder) / f"{number}.xml"): group
            for number, group in enumerate(groups())
        }
        for done in as_completed(running):
            title, outcome = running[done].title, done.result()
            print(f"\n== {title}\n{outcome.output}", flush=True)
            total += outcome.counts
            if outcome.status not in (0, NO_TESTS_COLLECTED):
                failures.append(title)
                total["failed"] += not outcome.counts["failed"]
    print()
    for title in failures:
        print(f"failed: {title}")
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    seconds = time.monotonic() - started
    print(f"all of it took {seconds:.0f} s")
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
