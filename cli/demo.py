"""`make demo`: the whole loop on real images, on a local cloud of its own that ends with it.

    python -m cli.demo [--data sample|full]

Everything lies in `.demo/<data>`; what was trained there is still there at the next run.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import json
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from cli import cloud, fashion_mnist
from cli.api import Api, DatasetStatus
from cli.commands import classify, drop, report, up
from cli.console import Waiting, bar, make_console, shown
from cli.errors import CliError
from cli.explain import explain
from cli.pictures import Picture, read_pictures
from cli.target import Target, find_target
from cli.uploads import download
from localcloud.home import Home

PORT = 4766  # not `pigeonhole up`'s, so that both can run
FULL_ACCURACY = 0.90
ASKED_OF_EACH_CLASS = 2
CLASSIFIED = 198
DATASET = "fashion-mnist"
LOG_LINES = 15
INTERRUPTED = 130


class DemoFailed(CliError):
    """A step did not come to what it should."""


@dataclass
class Times:
    """What took how long, in seconds, in order."""

    rows: list[tuple[str, float]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str, console: Console) -> Iterator[None]:
        """Announce a step and time it."""
        console.print()
        console.print(f"== {title}", style="bold cyan")
        started = time.monotonic()
        yield
        self.rows.append((title, time.monotonic() - started))

    def parts(self, took: dict[str, float]) -> None:
        """What the step just done spent on what."""
        self.rows.extend((f"  {title}", seconds) for title, seconds in took.items())

    def table(self) -> Table:
        """All of it, and the sum."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("What")
        table.add_column("Seconds", justify="right")
        for title, seconds in self.rows:
            table.add_row(title, f"{seconds:.1f}")
        table.add_row("Everything", f"{time.monotonic() - self._started:.1f}", style="bold")
        return table


@dataclass(frozen=True)
class Material:
    """What is dropped, the held-out pictures in it, and the classes' names in label order."""

    files: list[Path]
    heldout: list[Picture]
    classes: list[str]

    def truth(self, picture: Picture) -> str:
        """The name of the picture's class."""
        return self.classes[int(picture.label)]


def demo(data: str, folder: Path, console: Console) -> None:
    """Run every step; raises DemoFailed, or what a step raises. The cloud is stopped by `main`."""
    times = Times()
    with times.step("The data", console):
        material = full_material(folder, console) if data == "full" else sample_material()
        console.print(", ".join(shown(path) for path in material.files))
    with times.step("Start a local cloud and deploy to it", console):
        port = cloud_port(folder)
        up.start_and_deploy(Home.at(folder / "cloud"), port, folder / "build", console)
    target = find_target(folder / "cloud")
    with times.step("Drop the CSVs", console):
        waiting = Waiting(console)
        status = drop.upload_and_follow(
            material.files, DATASET, target, console=console, waiting=waiting
        )
        if drop.print_outcome(status, target, console) != drop.LIVE:
            raise DemoFailed(f"The dropped data did not go live: {status.message}")
    times.parts(waiting.took)
    print_report(folder, status, target, console)
    with times.step("Ask the HTTP API about held-out images", console):
        ask(target, material, console)
    with times.step("Classify a folder of 200 files", console):
        classify_folder(folder, target, material, console)
    console.print()
    console.print(times.table())
    if data == "full":
        check_full(status)


def print_report(folder: Path, status: DatasetStatus, target: Target, console: Console) -> None:
    """Where the report on the training lies, as a file that a browser opens."""
    if status.report is None or not status.report.endswith("/index.html"):
        return
    where = folder / "report"
    shutil.rmtree(where, ignore_errors=True)
    page = report.fetch(status, where, target, console)
    console.print(f"Report: {shown(page)}")


def sample_material() -> Material:
    """The sample in docs/examples."""
    folder = fashion_mnist.SAMPLE_FOLDER
    train, test = (
        folder / f"{name}.gz" for name in (fashion_mnist.TRAIN_CSV, fashion_mnist.TEST_CSV)
    )
    return _material([train, test, folder / "dataset.json"])


def full_material(folder: Path, console: Console) -> Material:
    """All of Fashion-MNIST as CSVs, converted once."""
    progress = bar(console, size_in_bytes=False)
    with progress:
        tasks: dict[str, Any] = {}

        def show(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=100)
            progress.update(tasks[what], completed=round(share * 100))

        train, test = fashion_mnist.full_csvs(folder / "data", show)
    return _material([train, test, fashion_mnist.SAMPLE_FOLDER / "dataset.json"])


def _material(files: list[Path]) -> Material:
    _, test, settings = files
    classes = json.loads(settings.read_text())["classes"]
    return Material(files, list(islice(read_pictures(test), 1000)), classes)


def ask(target: Target, material: Material, console: Console) -> None:
    """Some pictures of each class to `POST /predict`, truth beside answer."""
    api = Api.of(target)
    left = Counter({str(label): ASKED_OF_EACH_CLASS for label in range(len(material.classes))})
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Truth", "Answer", "Probability", ""):
        table.add_column(column)
    right = asked = 0
    with console.status("Asking"):
        for picture in material.heldout:
            if not left[picture.label]:
                continue
            left[picture.label] -= 1
            truth = material.truth(picture)
            answer = api.predict(picture.png(), "image/png")
            hit = answer["label"] == truth
            right, asked = right + hit, asked + 1
            table.add_row(
                truth, answer["label"], f"{answer['probability']:.1%}", "" if hit else "wrong"
            )
    console.print(f"POST {target.api}/predict")
    console.print(table)
    console.print(f"{right} of {asked} right.")


def classify_folder(folder: Path, target: Target, material: Material, console: Console) -> None:
    """198 held-out pictures, a broken one and a text file; what came back, held against truth."""
    images = folder / "images"
    truth = make_folder(images, material)
    name = classify.batch_name(images, datetime.now())
    files = classify.files_of(images)
    status = classify.upload_and_follow(images, files, name, target, dataset=None, console=console)
    if status.phase != "Done" or status.results is None:
        raise DemoFailed(f"The batch ended as {status.phase}: {status.message}")
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    download(target.client("s3"), status.results, results, console)
    classify.print_results(status, results, console)
    with (results / "predictions.csv").open(newline="", encoding="utf-8") as file:
        answers = {row["file"]: row["label"] for row in csv.DictReader(file)}
    right = sum(answers.get(file) == label for file, label in truth.items())
    console.print(f"Right on {right} of {len(truth)} images: {right / len(truth):.1%}.")
    if set(answers) != set(truth):
        raise DemoFailed("The results do not hold every image exactly once.")


def make_folder(folder: Path, material: Material) -> dict[str, str]:
    """Write the files; gives the class of each picture by file name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    truth = {}
    step = max(1, len(material.heldout) // CLASSIFIED)
    for number, picture in enumerate(material.heldout[: CLASSIFIED * step : step]):
        name = f"image-{number:03d}.png"
        (folder / name).write_bytes(picture.png())
        truth[name] = material.truth(picture)
    (folder / "broken.png").write_bytes(material.heldout[0].png()[:60])
    (folder / "notes.txt").write_text("This is no image.\n")
    return truth


def check_full(status: DatasetStatus) -> None:
    """The full data with the default settings reach a known accuracy."""
    accuracy = status.champion.accuracy if status.champion else None
    if accuracy is None or accuracy < FULL_ACCURACY:
        raise DemoFailed(f"Held-out accuracy {accuracy}: {FULL_ACCURACY} was to be reached.")


def cloud_port(folder: Path) -> int:
    """The port that this demo's cloud has, or the usual one, or a free pair of ports.

    What a cloud holds names its ports, so that they are kept between runs where possible.
    """
    running = Home.at(folder / "cloud").running()
    if running is not None and running.gateway:
        return running.gateway
    noted = folder / "port"
    port = int(noted.read_text()) if noted.exists() else PORT
    while not (_is_free(port) and _is_free(port + 1)):
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
            port = min(any_port.getsockname()[1], 65534)
    noted.write_text(f"{port}\n")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def print_logs(home: Home, console: Console) -> None:
    """The last lines of what the cloud logged."""
    for log in sorted(home.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        if lines:
            console.print(f"\n{shown(log)}:", style="bold")
            for line in lines:
                console.print(f"  {line}", style="dim")


def run(data: str, folder: Path, console: Console) -> int:
    """The demo from start to stop; the exit status."""
    home = Home.at(folder / "cloud")
    try:
        demo(data, folder, console)
        return 0
    except KeyboardInterrupt:
        console.print("\nStopped by you.")
        return INTERRUPTED
    except Exception as error:
        sentence = str(error) if isinstance(error, CliError) else explain(error)
        console.print(f"\nThe demo failed. {sentence or repr(error)}", style="bold red")
        print_logs(home, console)
        return 1
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        if cloud.down(home):
            console.print("The local cloud is stopped; nothing is left running.")


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments and run; one demo at a time in a folder."""
    parser = argparse.ArgumentParser(prog="python -m cli.demo", description=__doc__)
    parser.add_argument("--data", choices=("sample", "full"), default="sample")
    options = parser.parse_args(arguments)
    folder = Path(".demo") / options.data
    folder.mkdir(parents=True, exist_ok=True)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    console = make_console()
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            console.print(f"Another demo runs in {folder}; wait for its end.")
            return 1
        return run(options.data, folder, console)


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
