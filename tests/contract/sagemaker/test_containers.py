"""What a container finds around it: its command, its tree, its names, and nobody else's."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from localcloud import processes
from localcloud.processes import Process
from localcloud.sagemaker import network, private
from localcloud.sagemaker.containers import Containers, Spec

from .account import PATIENCE, ROLE
from .conftest import VENVS, Running

TRAINING_IMAGE = "0.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21.0-cpu-py312"
needs_private = pytest.mark.skipif(
    not private.available(), reason="this system gives processes no mounts of their own"
)


@dataclass
class Ran:
    status: int
    lines: list[str]


def spec(folder: Path, *entrypoint: str, image: str = "test/trainer:1") -> Spec:
    return Spec(
        image=image,
        argument="train",
        folder=folder,
        role_arn=ROLE,
        session_name="container",
        log_group="/test/containers",
        log_stream=folder.name,
        entrypoint=entrypoint,
    )


def start(sagemaker: Running, given: Spec) -> tuple[Process, list[str]]:
    lines: list[str] = []
    return sagemaker.cloud.containers.run(given, on_line=lines.append), lines


def run(sagemaker: Running, given: Spec) -> Ran:
    process, lines = start(sagemaker, given)
    return Ran(process.wait(PATIENCE), lines)


def test_an_entry_point_takes_the_place_of_the_command(sagemaker: Running, tmp_path: Path) -> None:
    given = spec(tmp_path, "/bin/bash", "-c", 'echo "$0 $#"')
    assert run(sagemaker, given) == Ran(0, ["/bin/bash 0"])
    given = replace(given, arguments=["a b", "c"])
    assert run(sagemaker, given) == Ran(0, ["a b 1"])


def test_arguments_alone_take_the_place_of_train(sagemaker: Running, tmp_path: Path) -> None:
    (tmp_path / "ml/input/config").mkdir(parents=True)
    (tmp_path / "ml/input/config/hyperparameters.json").write_text('{"mode": "silent"}')
    ran = run(sagemaker, replace(spec(tmp_path), arguments=["tune"]))
    assert ran == Ran(7, ["mode silent argument tune"])


def test_python_is_the_images_own(sagemaker: Running, tmp_path: Path) -> None:
    given = spec(tmp_path, "/bin/bash", "-c", "type -p python3 python pip", image=TRAINING_IMAGE)
    beside = VENVS / "training" / "bin"
    assert run(sagemaker, given).lines == [str(beside / n) for n in ("python3", "python", "pip")]


def test_without_mounts_of_its_own_a_container_is_told_where_its_tree_is(
    sagemaker: Running, tmp_path: Path
) -> None:
    cloud = sagemaker.cloud
    containers = Containers(
        cloud.settings,
        cloud.images,
        cloud.roles,
        cloud.logs,
        processes.start,
        own_mounts=lambda: False,
    )
    lines: list[str] = []
    show = ("sh", "-c", 'echo "$SAGEMAKER_BASE_DIR $SM_MODEL_DIR"; ls "$SAGEMAKER_BASE_DIR"')
    with network.lease(["algo-1"], own_hosts_file=lambda: False) as hosts:
        given = replace(spec(tmp_path, *show), hosts=hosts, hostname="algo-1")
        assert containers.run(given, on_line=lines.append).wait(PATIENCE) == 0
        given = replace(given, argument="serve", model=tmp_path / "artifact")
        assert containers.run(given, on_line=lines.append).wait(PATIENCE) == 0
    root = tmp_path / "ml"
    assert lines == [f"{root} ", "model", f"{root} {tmp_path / 'artifact'}", "model"]


@needs_private
def test_hosts_have_names_and_may_use_the_same_port(sagemaker: Running, tmp_path: Path) -> None:
    """One host serves on its name, the other reaches it by that name."""
    serve = "import socket; s = socket.create_server((socket.gethostname(), 8890)); print('up')"
    say = serve + "; c = s.accept()[0]; c.sendall(b'hello'); c.close()"
    ask = serve + "; print(socket.create_connection(('algo-1', 8890)).recv(9).decode())"
    up = threading.Event()
    with network.lease(["algo-1", "algo-2"]) as hosts:
        first, second = (
            replace(spec(tmp_path / name, "python3", "-u", "-c", code), hosts=hosts, hostname=name)
            for name, code in (("algo-1", say), ("algo-2", ask))
        )
        process = sagemaker.cloud.containers.run(first, on_line=lambda _: up.set())
        assert up.wait(PATIENCE)
        assert run(sagemaker, second) == Ran(0, ["up", "hello"])
        assert process.wait(PATIENCE) == 0


@needs_private
def test_names_and_hosts_stay_inside(sagemaker: Running, tmp_path: Path) -> None:
    before = Path("/etc/hosts").read_text()
    with network.lease(["algo-1"]) as hosts:
        given = replace(
            spec(tmp_path, "sh", "-c", "hostname; cat /etc/hosts"), hosts=hosts, hostname="algo-1"
        )
        lines = run(sagemaker, given).lines
    assert lines[0] == "algo-1"
    assert f"{hosts['algo-1']}\talgo-1" in lines
    assert Path("/etc/hosts").read_text() == before


@needs_private
def test_each_container_has_an_opt_ml_of_its_own(sagemaker: Running, tmp_path: Path) -> None:
    first = spec(tmp_path / "first", "sh", "-c", "touch /opt/ml/mine && echo && sleep 60")
    touched = threading.Event()
    process = sagemaker.cloud.containers.run(first, on_line=lambda _: touched.set())
    assert touched.wait(PATIENCE)
    try:
        second = spec(tmp_path / "second", "ls", "/opt/ml")
        assert run(sagemaker, second) == Ran(0, ["model"])
    finally:
        process.stop(grace=0.1)
    assert (tmp_path / "first/ml/mine").exists()


@needs_private
def test_the_model_and_read_only_folders_cannot_be_changed(
    sagemaker: Running, tmp_path: Path
) -> None:
    model, data = tmp_path / "artifact", tmp_path / "c/ml/input/data/train"
    for folder in (model, data):
        folder.mkdir(parents=True)
        (folder / "file").write_text("kept\n")
    script = (
        "cd /opt/ml; cat model/file input/data/train/file; touch input/data/free "
        "&& ! touch model/file && ! rm input/data/train/file"
    )
    given = replace(spec(tmp_path / "c", "sh", "-c", script), model=model)
    ran = run(sagemaker, replace(given, read_only=["input/data/train"]))
    assert ran.status == 0, ran.lines
    assert ran.lines[:2] == ["kept", "kept"]
    assert all("Read-only file system" in line for line in ran.lines[2:])
