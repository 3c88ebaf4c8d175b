"""Make one of the project's environments from pinned, hashed requirements; once, whoever asks.

    python3 .ci/environment.py venv   FOLDER STAMP REQUIREMENTS [--editable .]
    python3 .ci/environment.py add    FOLDER STAMP REQUIREMENTS    into an environment that is there
    python3 .ci/environment.py folder FOLDER STAMP REQUIREMENTS    packages alone, for PYTHONPATH

STAMP notes what was installed, by content: where it still holds, nothing is done. A lock beside
FOLDER lets several run at once. Runs on any Python from 3.7, so as to say which one is needed.
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
        print(f"  took {time.time() - started:.0f} s", flush=True)


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
    install = ["--no-deps", "--require-hashes", "-r", options.requirements]
    if options.kind == "folder":
        shutil.rmtree(options.folder, ignore_errors=True)
        pip(sys.executable, [*install, "--target", options.folder])
        return
    if options.kind == "venv":
        run([sys.executable, "-m", "venv", "--clear", options.folder])
    python = os.path.join(options.folder, "bin", "python")
    pip(python, install)
    if options.editable:
        pip(python, ["--no-build-isolation", "--no-deps", "--no-index", "-e", options.editable])


def pip(python: str, arguments: list[str]) -> None:
    """`pip install`, silent but for errors."""
    quiet = ["-qq", "--disable-pip-version-check", "--no-input"]
    run([python, "-m", "pip", "install", *quiet, *arguments])


def run(command: list[str]) -> None:
    """Run it; end with its status when it fails."""
    status = subprocess.call(command)
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}")


def fingerprint(options: argparse.Namespace) -> str:
    """What the environment consists of."""
    digest = hashlib.sha256(sys.version.encode())
    files = [options.requirements]
    if options.editable:
        files.append(os.path.join(options.editable, "pyproject.toml"))
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
