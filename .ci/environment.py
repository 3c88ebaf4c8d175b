"""Make one of the project's environments from pinned, hashed requirements; once, whoever asks.

    python3 .ci/environment.py venv   FOLDER STAMP REQUIREMENTS [--editable .]
    python3 .ci/environment.py add    FOLDER STAMP REQUIREMENTS    into an environment that is there
    python3 .ci/environment.py folder FOLDER STAMP REQUIREMENTS    packages alone, for PYTHONPATH

STAMP notes what was installed, by content: where it still holds, nothing is done. A lock beside
FOLDER lets several run at once. Runs on any Python from 3.7, so as to say which one is needed.

uv installs, in a quarter of pip's time; pip does where it is set up for another index than PyPI,
which uv does not learn from it, and where uv fails. uv itself lies in `.venv`, which is made first.
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
    if options.kind == "folder":
        shutil.rmtree(options.folder, ignore_errors=True)
        install(sys.executable, [*packages, "--target", options.folder])
        return
    if options.kind == "venv":
        run([sys.executable, "-m", "venv", "--clear", options.folder])
    python = os.path.join(options.folder, "bin", "python")
    if os.path.abspath(options.folder) == OWN and not os.path.exists(UV):
        pip(python, ["--no-deps", "--require-hashes", "-r", UV_PINNED])
    install(python, packages)
    if options.editable:
        pip(python, ["--no-build-isolation", "--no-deps", "--no-index", "-e", options.editable])


def install(python: str, arguments: list[str]) -> None:
    """Install by uv if that goes, else by pip."""
    config = pip_config(python)
    if os.path.exists(UV) and "index-url" not in config and "no-index" not in config:
        environment = dict(os.environ)
        if "cert" in config:
            environment.setdefault("SSL_CERT_FILE", config["cert"])
        command = [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        if not subprocess.call([*command, *arguments], env=environment):
            return
        print("  uv could not install that: pip tries", flush=True)
    pip(python, arguments)


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
