"""Make one of the project's environments from pinned, hashed requirements; once, whoever asks.

    python3 .ci/environment.py venv   FOLDER STAMP REQUIREMENTS [--editable .]
    python3 .ci/environment.py add    FOLDER STAMP REQUIREMENTS    into an environment that is there
    python3 .ci/environment.py folder FOLDER STAMP REQUIREMENTS    packages alone, for PYTHONPATH

STAMP notes what was installed, by content: where it still holds, nothing is done. A lock beside
FOLDER lets several run at once. Runs on any Python from 3.7, so as to say which one is needed.

uv installs, in a quarter of pip's time; pip does where it is set up for another index than PyPI or
a way to it that uv does not learn from it, and where uv is missing or fails. uv itself lies in
`.venv`, which is made first.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

OLDEST, NEWEST = (3, 11), (3, 13)
REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = os.path.join(REPO, ".venv")
UV = os.path.join(OWN, "bin", "uv")
UV_PINNED = os.path.join(REPO, "requirements", "uv.txt")
# Of uv's settings those that decide from where it fetches, not what or whereto it installs.
UV_SETTINGS = ("UV_CACHE_DIR", "UV_LINK_MODE", "UV_DEFAULT_INDEX", "UV_OFFLINE", "UV_HTTP_TIMEOUT")
QUIET = ["-qq", "--disable-pip-version-check", "--no-input"]
PIP_ALONE = {"index-url", "no-index", "trusted-host", "client-cert", "proxy"}


def main() -> None:
    """Parse, lock, and make what is not there yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["venv", "add", "folder"])
    parser.add_argument("folder")
    parser.add_argument("stamp")
    parser.add_argument("requirements")
    parser.add_argument("--editable", default="")
    options = parser.parse_args()
    check_python()
    os.makedirs(os.path.dirname(os.path.abspath(options.folder)), exist_ok=True)
    with open(options.folder.rstrip("/") + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint(options)
        if read(options.stamp) == wanted:
            os.utime(options.stamp)
            return
        started = time.time()
        print(f"Installing {options.requirements} in {options.folder}", flush=True)
        make(options)
        with open(options.stamp, "w") as stamp:
            stamp.write(wanted)
        print(f"  {options.requirements} took {time.time() - started:.0f} s", flush=True)


def check_python() -> None:
    """End with a sentence when this Python, or its venv, will not do."""
    major, minor, micro = sys.version_info[:3]
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            f"Pigeonhole needs Python 3.11, 3.12 or 3.13; {sys.executable} is "
            f"{major}.{minor}.{micro}. Name another one: make PYTHON=python3.12"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian keeps it in a package of its own
        import venv  # noqa: F401, PLC0415
    except ImportError:
        sys.exit(
            f"{sys.executable} has no venv. "
            f"On Debian and Ubuntu: apt install python{major}.{minor}-venv"
        )


def make(options: argparse.Namespace) -> None:
    """Install; the environment is empty before, unless it is to be added to."""
    # The files name every package, those that packages need too.
    packages = ["--no-deps", "--require-hashes", "-r", options.requirements]
    python, more = prepare(options)
    config = pip_config(python)
    usable = not PIP_ALONE & config.keys() and has_uv(python)
    if not (usable and by_uv(python, [*packages, *more], config)):
        if usable:
            print("  uv could not install that: pip tries", flush=True)
            python, more = prepare(options)  # nothing of what uv left
        again = ["--force-reinstall"] if options.kind == "add" else []
        pip(python, [*packages, *more, *again])
    if options.editable:
        pip(python, ["--no-build-isolation", "--no-deps", "--no-index", "-e", options.editable])


def prepare(options: argparse.Namespace) -> tuple[str, list[str]]:
    """The Python to install for and what pip and uv are to be told of the place."""
    if options.kind == "folder":
        shutil.rmtree(options.folder, ignore_errors=True)
        return sys.executable, ["--target", options.folder]
    if options.kind == "venv":
        run([sys.executable, "-m", "venv", "--clear", options.folder])
    return os.path.join(options.folder, "bin", "python"), []


def has_uv(python: str) -> bool:
    """Whether uv is there; it is installed first where `python` is that of `.venv`."""
    if not os.path.exists(UV) and os.path.abspath(python).startswith(OWN + os.sep):
        command = [python, "-m", "pip", "install", *QUIET, "--only-binary", ":all:"]
        subprocess.call([*command, "--require-hashes", "-r", UV_PINNED], stderr=subprocess.DEVNULL)
    return os.path.exists(UV)


def by_uv(python: str, arguments: list[str], config: dict[str, str]) -> bool:
    """Install by uv; whether that went well."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UV_") or k in UV_SETTINGS}
    if "cert" in config:
        kept.setdefault("SSL_CERT_FILE", config["cert"])
    # What is there of an installation that was cut off may not be whole.
    command = [UV, "pip", "install", "--no-config", "--quiet", "--reinstall", "--compile-bytecode"]
    try:
        return not subprocess.call([*command, "--python", python, *arguments], env=kept)
    except OSError:
        return False


def pip_config(python: str) -> dict[str, str]:
    """pip's settings, of its files and the environment, without where each is from."""
    command = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    config = {}
    for line in listed.stdout.decode(errors="replace").splitlines():
        name, _, value = line.partition("=")  # global.index-url='https://…'
        config[name.rpartition(".")[2]] = value.strip("'\"")
    return config


def pip(python: str, arguments: list[str]) -> None:
    """`pip install`, silent but for errors."""
    run([python, "-m", "pip", "install", *QUIET, *arguments])


def run(command: list[str]) -> None:
    """Run it; end with its status when it fails."""
    status = subprocess.call(command)
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}")


def fingerprint(options: argparse.Namespace) -> str:
    """What the environment consists of."""
    digest = hashlib.sha256(sys.version.encode())
    files = [options.requirements]
    if options.editable:  # the project's own, where uv lies
        files += [UV_PINNED, os.path.join(options.editable, "pyproject.toml")]
    for name in files:
        digest.update(read(name).encode())
    return digest.hexdigest()


def read(name: str) -> str:
    """A file's text; empty where there is none."""
    if not os.path.exists(name):
        return ""
    with open(name) as file:
        return file.read()


if __name__ == "__main__":
    main()
