"""`pigeonhole up` and `down`: the local cloud with the service deployed to it."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from cli import cloud
from cli.console import interruptible, make_console, shown
from cli.stack.deploy import LOCAL, Deployed, deploy
from cli.stack.errors import StackError
from cli.target import DEFAULT_HOME, LocalSession, home_option
from localcloud.home import Home, endpoint_env

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build"
EXAMPLE = "docs/examples/fashion-mnist"
LOOK_SECONDS = 0.2


def up(home: Path | None, port: int | None, foreground: bool) -> int:
    """Start, deploy, say how to go on; with `foreground`, stay until Ctrl-C and stop it all."""
    console = make_console()
    place = Home.at(home or DEFAULT_HOME)
    if not foreground:
        left = f"`{_command('down', home)}` stops it."
        with interruptible(console, f"The local cloud may run on; {left}"):
            try:
                deployed = start_and_deploy(place, port, BUILD, console)
            except StackError:
                console.print(f"The cloud itself runs; nothing is deployed to it. {left}")
                raise
            print_next_steps(deployed, home, console)
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        print_next_steps(start_and_deploy(place, port, BUILD, console), home, console)
        console.print("Ctrl-C stops it all.")
        _pass_on_log(place, console)
        console.print("The local cloud has ended.")
        return 0
    except KeyboardInterrupt:
        console.print()
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cloud.down(place, console.print)


def down(home: Path | None) -> int:
    """Stop the local cloud. Exit status 0 also when none ran."""
    console = make_console()
    place = Home.at(home or DEFAULT_HOME)
    with console.status("Stopping"):
        stopped = cloud.down(place)
    if stopped:
        console.print(f"Stopped. What it holds stays in {shown(place.root)}.")
    else:
        console.print(f"No local cloud runs in {shown(place.root)}.")
    return 0


def start_and_deploy(home: Home, port: int | None, build: Path, console: Console) -> Deployed:
    """The service, deployed to the cloud in `home`, which is started where it does not run yet.

    Writes the home's env file. `build` keeps packages between deployments. Raises CloudNotStarted,
    OtherCloud, StackError.
    """
    with console.status("Starting the local cloud") as spinner:

        def say(line: str) -> None:
            console.print(line)
            spinner.update(line)

        running = cloud.up(home, port, say=say)
        env = endpoint_env(running.ports, running.region)
        with alone(home.root):
            session = LocalSession(env)
            deployed = deploy(session, REPOSITORY, LOCAL, build.resolve(), say)
            home.write_env(
                {
                    **env,
                    "PIGEONHOLE_STAGE": deployed.stage,
                    "PIGEONHOLE_BUCKET": deployed.bucket,
                    "PIGEONHOLE_API": deployed.api,
                    **home.write_sdk_config(running.region),
                }
            )
            _carry_on(session, deployed)
    return deployed


def _carry_on(session: LocalSession, deployed: Deployed) -> None:
    """Have the service look at everything now: a cloud that was killed left work half done.

    The scheduled sweep would find it too, minutes later.
    """
    sqs = session.client("sqs")
    sqs.send_message(QueueUrl=deployed.events_queue_url, MessageBody='{"sweep": true}')


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else deploys here: two deployments of one stack would end each other."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def print_next_steps(deployed: Deployed, home: Path | None, console: Console) -> None:
    """Where things are, and what a person does now."""
    env_file = (home or DEFAULT_HOME) / "env"
    console.print("The local cloud runs and the service is deployed to it.", style="bold green")
    console.print(f"  bucket    s3://{deployed.bucket}")
    console.print(f"  HTTP API  {deployed.api}")
    page = Home.at(home or DEFAULT_HOME).read_env().get("AWS_ENDPOINT_URL_SAGEMAKER")
    if page:
        console.print(f"  page      {page}/   shows jobs, endpoints, events and logs live")
    console.print("Go on:")
    console.print(f"  pigeonhole drop {EXAMPLE}/*.csv.gz {EXAMPLE}/dataset.json{home_option(home)}")
    console.print(f"  . {shlex.quote(str(env_file))}   then aws, boto3 and curl talk to it too")
    console.print(f"  {_command('down', home)}")


def _pass_on_log(home: Home, console: Console) -> None:
    """Print what the cloud logs until it ends."""
    with home.log.open(errors="replace") as log:
        log.seek(0, 2)
        while home.running() is not None:
            line = log.readline()
            if line:
                console.print(line.rstrip("\n"), style="dim")
            else:
                time.sleep(LOOK_SECONDS)


def _command(name: str, home: Path | None) -> str:
    return f"pigeonhole {name}{home_option(home)}"


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt
