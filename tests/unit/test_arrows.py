"""Who imports whom (docs/architecture.md), and where processes and time come from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
OURS = {"app", "chalicelib", "cli", "localcloud", "serving", "tests", "training_job"}
ALLOWED = {
    "app.py": {"app", "chalicelib"},
    "chalicelib": {"chalicelib"},
    "cli": {"cli", "localcloud"},
    "localcloud": {"localcloud"},
    "serving": {"serving"},
    "training_job": {"training_job"},
}


def files(part: str) -> list[Path]:
    path = REPOSITORY / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Modules by their full names, and `module.name` for each name taken from one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses(part: str, *names: str) -> set[str]:
    """Files below a part that call or import one of these (`subprocess`, `time.sleep`)."""
    found = set()
    for path in files(part):
        tree = ast.parse(path.read_text())
        called = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if (called | set(imported(path))) & set(names):
            found.add(str(path.relative_to(REPOSITORY / part)))
    return found


@pytest.mark.parametrize("part", ALLOWED)
def test_parts_import_what_the_arrows_allow(part: str) -> None:
    assert files(part)
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in files(part)
        for name in imported(path)
        if name.split(".")[0] in OURS - ALLOWED[part]
    ]
    assert not wrong


def test_the_command_takes_of_the_local_cloud_only_where_it_is() -> None:
    names = {name for path in files("cli") for name in imported(path)}
    modules = {".".join(name.split(".")[:2]) for name in names if name.startswith("localcloud.")}
    assert modules == {"localcloud.home"}


def test_sagemaker_knows_of_the_rest_of_the_cloud_by_its_protocols() -> None:
    names = {name for path in files("localcloud/sagemaker") for name in imported(path)}
    modules = {".".join(name.split(".")[:2]) for name in names if name.startswith("localcloud.")}
    assert modules <= {f"localcloud.{m}" for m in ("images", "ports", "processes", "sagemaker")} | {
        "localcloud.trouble"  # how a caller's ARN is read
    }


def test_processes_are_started_in_one_place() -> None:
    starts = (
        "subprocess",
        "multiprocessing",
        "os.fork",
        "os.execvp",
        "os.posix_spawn",
        "os.system",
    )
    assert uses("localcloud", *starts) == {
        "processes.py",
        "keeper.py",  # what `processes` starts, which starts the command
        "sagemaker/private.py",  # asks once whether the system gives a private /opt/ml
        "toolkit.py",  # runs inside a container
    }


def test_sagemaker_has_its_time_from_its_clock() -> None:
    times = ("time.time", "time.monotonic", "time.sleep")
    assert uses("localcloud/sagemaker", *times) == {
        "clock.py",
        "server.py",  # what is left for a socket's waits, which no clock of a test can move
    }
