"""The local cloud's folder and addresses: where everything lies, what clients must be told.

    <home>/
    ├── env                 `export NAME=value` lines for shells; written by the deployment
    ├── localcloud.json     pid, start time, ports of the cloud that runs; written when it is ready
    ├── localcloud.lock     held while a cloud runs on this home (flock); names its pid and ports
    ├── events.db           events on their way to the rules' targets (SQLite)
    ├── trouble.db          the rules of trouble on demand (SQLite)
    ├── images.toml         the user's own images, beside those of localcloud/images.toml; optional
    ├── sagemaker-sdk.yaml  what the SageMaker Python SDK must be told; named in `env`
    ├── logs/               localcloud.log, ministack.log
    ├── ministack/          state/, s3/ (object bytes), tmp/
    └── sagemaker/          state.db, jobs/, models/

Importable by the `pigeonhole` command: the standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shlex
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
ACCOUNT = "000000000000"
ROOT_KEY = "test"  # MiniStack takes this pair for the account's root
ROOT_SECRET = "test"
DEFAULT_PORT = 4566
DEFAULT_REGION = "us-east-1"

_REPOSITORY = Path(__file__).resolve().parents[1]
_SDK_CONFIG = """\
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {bucket}
"""
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


@dataclass(frozen=True)
class Ports:
    """Where a cloud listens: MiniStack on `gateway`, SageMaker and its runtime on the next."""

    gateway: int

    @property
    def sagemaker(self) -> int:
        """The port of SageMaker."""
        return self.gateway + 1

    @property
    def gateway_url(self) -> str:
        """MiniStack's URL, without a trailing slash."""
        return f"http://{HOST}:{self.gateway}"

    @property
    def sagemaker_url(self) -> str:
        """SageMaker's URL, without a trailing slash."""
        return f"http://{HOST}:{self.sagemaker}"

    def endpoints(self) -> dict[str, str]:
        """The AWS_ENDPOINT_URL* variables that send an AWS client to this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.gateway_url,
            "AWS_ENDPOINT_URL_SAGEMAKER": self.sagemaker_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.sagemaker_url,
        }


@dataclass(frozen=True)
class Running:
    """A cloud that holds its home's lock. `started`: seconds since 1970; `ready`: it answers."""

    pid: int
    gateway: int
    region: str
    started: float
    ready: bool = False

    @property
    def ports(self) -> Ports:
        """Where it listens."""
        return Ports(self.gateway)


@dataclass(frozen=True)
class Home:
    """The paths below one cloud's folder (see the module's docstring). Make it with `Home.at`."""

    root: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Home:
        """The home at `path`, made absolute."""
        return cls(Path(path).expanduser().resolve())

    @property
    def env_file(self) -> Path:
        return self.root / "env"

    @property
    def sdk_config_file(self) -> Path:
        return self.root / "sagemaker-sdk.yaml"

    @property
    def state_file(self) -> Path:
        return self.root / "localcloud.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "localcloud.lock"

    @property
    def events_db(self) -> Path:
        return self.root / "events.db"

    @property
    def images_file(self) -> Path:
        return self.root / "images.toml"

    @property
    def trouble_db(self) -> Path:
        """The rules of trouble on demand."""
        return self.root / "trouble.db"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def log(self) -> Path:
        """What the cloud itself says."""
        return self.logs / "localcloud.log"

    @property
    def ministack(self) -> Path:
        return self.root / "ministack"

    @property
    def sagemaker(self) -> Path:
        return self.root / "sagemaker"

    def make(self) -> None:
        """Make the folders that do not exist."""
        for folder in (self.root, self.logs, self.ministack, self.sagemaker):
            folder.mkdir(parents=True, exist_ok=True)

    def running(self) -> Running | None:
        """The cloud that runs on this home, or None. A cloud that was killed does not count."""
        try:
            file = self.lock_file.open()
        except FileNotFoundError:
            return None
        with file:
            if _try_lock(file, fcntl.LOCK_SH):
                return None
            holder = _parsed(file.read())
        if holder is None:  # between taking the lock and writing its name
            return Running(0, 0, "", 0.0)
        with contextlib.suppress(FileNotFoundError):
            written = _parsed(self.state_file.read_text())
            if written is not None and written.pid == holder.pid:
                return Running(**{**asdict(holder), "ready": True})
        return holder

    def mark_ready(self, running: Running) -> None:
        """Write localcloud.json: the cloud answers."""
        write_atomically(self.state_file, json.dumps({**asdict(running), "ready": True}) + "\n")

    def mark_stopped(self) -> None:
        """Remove localcloud.json."""
        self.state_file.unlink(missing_ok=True)

    def write_env(self, values: Mapping[str, str]) -> None:
        """Write `env` in one step: a reader sees the old file or the new one."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
        write_atomically(self.env_file, "".join(lines))

    def write_sdk_config(self, region: str) -> dict[str, str]:
        """Write the SageMaker Python SDK's defaults; returns the variable that it finds them by.

        For its default bucket and for telemetry the SDK asks STS in AWS itself, whatever endpoints
        are set: it is told the bucket's name, and that no telemetry is wanted.
        """
        bucket = f"sagemaker-{region}-{ACCOUNT}"  # the name that the SDK would have found
        write_atomically(self.sdk_config_file, _SDK_CONFIG.format(bucket=bucket))
        return {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(self.sdk_config_file)}

    def read_env(self) -> dict[str, str]:
        """The variables of `env`; empty where it was not written yet."""
        try:
            text = self.env_file.read_text()
        except FileNotFoundError:
            return {}
        found = (_ASSIGNMENT.fullmatch(line.strip()) for line in text.splitlines())
        return {m[1]: (shlex.split(m[2]) or [""])[0] for m in found if m}


class HomeInUse(Exception):
    """Another cloud runs on this home; `running` says which."""

    def __init__(self, home: Home, running: Running | None) -> None:
        self.running = running
        who = f"process {running.pid}, port {running.gateway}" if running else "another process"
        super().__init__(
            f"a local cloud already runs in {home.root} ({who}): "
            "use it, stop it with `pigeonhole down`, or choose another --home"
        )


class PortInUse(Exception):
    """A port that the cloud needs is taken."""

    def __init__(self, port: int, use: str, gateway: int) -> None:
        self.port = port
        super().__init__(
            f"port {port} ({use}) on {HOST} is in use: stop what listens there, or start with "
            f"`--port N` (the cloud needs N and N + 1; now N is {gateway})"
        )


class Lock:
    """The home's lock, held until `release` or the end of the process, however it ends.

    `left_over`: the cloud before was killed; what it started may still be ending.
    """

    def __init__(self, home: Home, running: Running) -> None:
        """Take the lock. Raises HomeInUse."""
        home.make()
        self._file = home.lock_file.open("a+")
        if not _try_lock(self._file, fcntl.LOCK_EX):
            self._file.close()
            raise HomeInUse(home, home.running())
        home.mark_stopped()
        self.left_over = os.fstat(self._file.fileno()).st_size > 0
        self._file.truncate(0)
        self._file.write(json.dumps(asdict(running)) + "\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next cloud start here."""
        with contextlib.suppress(ValueError):
            self._file.truncate(0)
            self._file.close()


def endpoint_env(ports: Ports, region: str) -> dict[str, str]:
    """What any AWS client needs to talk to this cloud as the account's root."""
    return {
        **ports.endpoints(),
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }


def venvs_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the project's environments lie: `PIGEONHOLE_VENVS`, else `.venvs` in the repository."""
    variables = os.environ if environment is None else environment
    return Path(variables.get("PIGEONHOLE_VENVS") or _REPOSITORY / ".venvs").absolute()


def venv_python(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """The interpreter of one of the project's environments, say `ministack`."""
    # Not resolved: a virtual environment is known by the path of its interpreter's link.
    return venvs_folder(environment) / name / "bin" / "python"


def listen(port: int, use: str, gateway: int) -> socket.socket:
    """Bind a port on the loopback interface without listening yet. Raises PortInUse."""
    # asyncio sets TCP_NODELAY only where it sees the protocol named; without, answers take 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortInUse(port, use, gateway) from error
        raise
    return bound


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _parsed(text: str) -> Running | None:
    try:
        return Running(**json.loads(text))
    except (ValueError, TypeError):
        return None
