"""How MiniStack is started: its interpreter, its environment, its folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

from localcloud.home import ACCOUNT, HOST, Home, Ports

BRIDGE_TOKEN = "PIGEONHOLE_BRIDGE_TOKEN"
TROUBLE = "PIGEONHOLE_TROUBLE"
SAVE_SECONDS = "PIGEONHOLE_SAVE_SECONDS"

_REPOSITORY = Path(__file__).resolve().parents[2]
_LEFT = "tmp-"  # what an earlier run's temporary folder is called until it is removed
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")


class MiniStackMissing(Exception):
    """The environment that MiniStack runs in was not made."""


def command(python: Path) -> list[str]:
    """The command line. Raises MiniStackMissing."""
    if not python.exists():
        raise MiniStackMissing(f"MiniStack's environment is missing ({python}): run `make setup`")
    return [str(python), "-u", "-m", "localcloud.ministack"]


def environment(
    home: Home, ports: Ports, region: str, token: str, host: Mapping[str, str]
) -> dict[str, str]:
    """MiniStack's whole environment.

    Functions inherit most of it, so nothing of the user's AWS set-up is in it.
    """
    folder = home.ministack
    nowhere = str(folder / "none")
    return {
        **{name: host[name] for name in _INHERITED if name in host},
        # Removed again by the entry, before any function starts.
        "PYTHONPATH": str(_REPOSITORY),
        BRIDGE_TOKEN: token,
        TROUBLE: str(home.trouble_db),
        "GATEWAY_PORT": str(ports.gateway),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,  # the host in queue and API URLs
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": region,
        "AUTH": "true",
        "LAMBDA_EXECUTOR": "local",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder / "tmp"),
        # These listen on other ports, on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It would remove containers of a Docker daemon that it finds.
        "DOCKER_HOST": f"unix://{nowhere}",
        # botocore in a function must not read the user's profile or look for EC2.
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        **ports.endpoints(),
    }


def prepare(home: Home) -> None:
    """Make MiniStack's folders, the temporary one empty.

    What a killed run left there, thousands of unpacked files for each of its functions, is removed
    meanwhile: nobody waits for that.
    """
    scratch = home.ministack / "tmp"
    with contextlib.suppress(FileNotFoundError):
        scratch.rename(home.ministack / f"{_LEFT}{uuid.uuid4().hex}")
    left = list(home.ministack.glob(f"{_LEFT}*"))
    if left:
        threading.Thread(target=_remove, args=(left,), name="left-over", daemon=True).start()
    for folder in (scratch, home.ministack / "state", home.ministack / "s3"):
        os.makedirs(folder, exist_ok=True)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
