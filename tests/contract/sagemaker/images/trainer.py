"""A training container for tests; the hyperparameter `mode` says what it does.

good: prints metrics, copies what it got into the model   failing: writes a failure file, exits 3
silent: exits 7 without a word                           stubborn: ignores SIGTERM
polite: ends at SIGTERM, leaving a model                 role: reads S3 as the job's role
hosts: meets the other hosts, then writes what it saw; the host of `fail_on` fails instead, and the
    others wait for it for ever
resume: without checkpoints writes `step-1` and waits to be killed; with them, goes on to `step-2`
half: like resume, but its checkpoint never stops growing
tensorboard: appends to an event file until it is stopped
patient: waits for `output/go`, then leaves a checkpoint and a model and ends well
big: leaves a model of `megabytes`               many: leaves checkpoints of 1 MiB for a long time
read-only: tries to change a file of the channel `train`
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    settings = json.loads((base / "input/config/hyperparameters.json").read_text())
    mode = settings.get("mode", "good")
    print(f"mode {mode} argument {sys.argv[1]}", flush=True)
    if mode == "failing":
        (base / "output/failure").write_text("data changed: b.csv\n" + "x" * 3000)
        return 3
    if mode == "silent":
        return 7
    if mode in ("stubborn", "polite"):
        return wait(base, mode)
    if mode in MODES:
        return MODES[mode](base, settings)
    for epoch, loss in enumerate((0.9, 0.5, 0.25), 1):
        print(f"epoch={epoch}; loss={loss}; accuracy=nan;", flush=True)
    data = base / "input/data"
    report = {
        "files": {
            str(path.relative_to(data)): path.read_text()
            for path in sorted(data.rglob("*"))
            if path.is_file()
        },
        "configs": {
            path.name: json.loads(path.read_text())
            for path in (base / "input/config").glob("*.json")
        },
        "environment": {k: v for k, v in os.environ.items() if k != "PATH"},
        "private": Path("/opt/ml/input/config/hyperparameters.json").exists(),
    }
    (base / "model/report.json").write_text(json.dumps(report))
    if settings.get("output"):
        (base / "output/data/history.json").write_text("{}")
    return 0


def hosts(base: Path, settings: dict[str, str]) -> int:
    """All hosts meet at the first, over the network and by their names."""
    config = json.loads((base / "input/config/resourceconfig.json").read_text())
    me, everybody = config["current_host"], config["hosts"]
    if settings.get("fail_on") == me:
        (base / "output/failure").write_text(f"{me} gives up")
        return 4
    if settings.get("fail_on"):
        return wait(base, "waiting")
    met = meet(me, everybody)
    data = base / "input/data"
    report = {
        "config": config,
        "met": met,
        "name": socket.gethostname(),
        "files": sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()),
    }
    print(f"loss={0.1 * everybody.index(me)};", flush=True)
    for folder in (base / "model", base / "output/data"):
        (folder / f"{me}.json").write_text(json.dumps(report))
        (folder / "who").write_text(me)
    return 0


def meet(me: str, everybody: list[str], port: int = 5757) -> str:
    """The first host hands a word to each of the others; each listens on its own address."""
    if me != everybody[0]:
        for _ in range(400):
            try:
                with socket.create_connection((everybody[0], port), timeout=5) as line:
                    line.sendall(me.encode())
                    return line.makefile().read()
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise TimeoutError
    came = []
    with socket.create_server((me, port)) as server:
        for _ in everybody[1:]:
            line, _ = server.accept()
            with line:
                came.append(line.recv(100).decode())
                line.sendall(b"welcome")
    return " ".join(sorted(came))


def resume(base: Path, settings: dict[str, str]) -> int:
    folder = base / settings.get("folder", "checkpoints")
    me = json.loads((base / "input/config/resourceconfig.json").read_text())["current_host"]
    found = sorted(path.name for path in folder.rglob("*") if path.is_file())
    print(f"found {found}", flush=True)
    if not found:
        (folder / "deep").mkdir()
        (folder / "deep" / f"step-1.{me}").write_text("one")
        (folder / "gone").write_text("soon")
        return wait(base, "waiting")
    (folder / "gone").unlink(missing_ok=True)
    (folder / f"step-2.{me}").write_text("two")
    (base / f"model/{me}").write_text(json.dumps(found))
    return 0


def half(base: Path, settings: dict[str, str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = base / "checkpoints"
    (folder / "whole").write_text("whole")
    with (folder / "growing").open("w") as file:
        while True:
            file.write("more")
            file.flush()
            time.sleep(0.002)


def tensorboard(base: Path, settings: dict[str, str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (base / "output/tensorboard/events").open("w") as file:
        while True:
            file.write("event\n")
            file.flush()
            time.sleep(0.002)


def read_only(base: Path, settings: dict[str, str]) -> int:
    file = base / "input/data/train/a.csv"
    before = file.read_text()
    try:
        file.write_text("changed")
        outcome = "changed"
    except OSError as error:
        outcome = type(error).__name__
    (base / "model/outcome").write_text(f"{before} {outcome}")
    return 0


def patient(base: Path, settings: dict[str, str]) -> int:
    (base / "output/ready").touch()
    while not (base / "output/go").exists():
        time.sleep(0.02)
    if (base / "checkpoints").is_dir():
        (base / "checkpoints/late").write_text("late")
    (base / "model/late").write_text("late")
    return 0


def big(base: Path, settings: dict[str, str]) -> int:
    size = int(settings["megabytes"]) * 1024 * 1024
    (base / "model/noise").write_text(random.randbytes(size // 2).hex())
    return 0


def many(base: Path, settings: dict[str, str]) -> int:
    """A checkpoint after the other, each written elsewhere and renamed."""
    for number in range(10_000):
        fresh = base / "output/fresh"
        fresh.write_bytes(random.randbytes(1024 * 1024))
        fresh.rename(base / f"checkpoints/{number}")
        time.sleep(0.05)
    return 0


MODES: dict[str, Callable[[Path, dict[str, str]], int]] = {
    "hosts": hosts,
    "resume": resume,
    "half": half,
    "tensorboard": tensorboard,
    "read-only": read_only,
    "patient": patient,
    "big": big,
    "many": many,
}


def wait(base: Path, mode: str) -> int:
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif mode == "polite":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        (base / "model/checkpoint").write_text("half")
    (base / "output/ready").touch()
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
