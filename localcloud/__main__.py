"""The local cloud in the foreground:

    python -m localcloud --home .local --port 4566

MiniStack listens on --port, SageMaker on the port after it. Ends on SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import os
import signal
import sys
import threading
from types import FrameType

from localcloud.home import DEFAULT_PORT, DEFAULT_REGION, Home, HomeInUse, PortInUse, Ports
from localcloud.ministack.launch import MiniStackMissing
from localcloud.ministack.server import MiniStackFailed
from localcloud.supervisor import CloudFailed, run

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LONGEST_LOG = 20 * 1024 * 1024


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    parser.add_argument("--home", default=".local", help="folder of the cloud (default: .local)")
    ports = f"MiniStack's port; N + 1 is SageMaker's (default: {DEFAULT_PORT})"
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, metavar="N", help=ports)
    parser.add_argument("--region", default=DEFAULT_REGION)
    options = parser.parse_args(arguments)
    home = Home.at(options.home)
    home.make()
    _log_to(home)
    host = dict(os.environ)
    _forget_aws()
    try:
        run(home, Ports(options.port), options.region, host, _stop_event())
    except (HomeInUse, PortInUse, MiniStackMissing, MiniStackFailed, CloudFailed) as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65534:
        raise argparse.ArgumentTypeError("a port from 1 to 65534")
    return port


def _log_to(home: Home) -> None:
    to_file = logging.handlers.RotatingFileHandler(
        home.log, maxBytes=_LONGEST_LOG, backupCount=1, encoding="utf-8"
    )
    handlers: list[logging.Handler] = [to_file]
    if sys.stderr.isatty():  # a pipe that nobody reads would block, a file would grow for ever
        handlers.append(logging.StreamHandler(sys.stderr))
    logging.basicConfig(level=logging.INFO, format=_FORMAT, handlers=handlers)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    output = logging.getLogger("ministack.output")
    output.propagate = False
    ministack = logging.handlers.RotatingFileHandler(
        home.logs / "ministack.log", maxBytes=_LONGEST_LOG, backupCount=1, encoding="utf-8"
    )
    output.addHandler(ministack)


def _forget_aws() -> None:
    """Keep the user's own AWS set-up out of this process and what it starts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def _stop_event() -> threading.Event:
    """Set by the first SIGTERM or SIGINT. At the second the process leaves at once: what it started
    is ended by its keepers.
    """
    stop = threading.Event()

    def stopped(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    return stop


if __name__ == "__main__":
    sys.exit(main())
