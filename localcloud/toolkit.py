"""Script mode, as the SageMaker training toolkit does it, for images that run as processes.

    python toolkit.py train

Runs in the training image's environment (standard library and boto3). The tree of the container
contract lies under SAGEMAKER_BASE_DIR (default /opt/ml). The steps: read hyperparameters.json,
fetch and unpack `sagemaker_submit_directory` into `code/` unless files are there already, set the
SM_* variables, run `sagemaker_program` with the other hyperparameters as `--name value`, and leave
`output/success` or `output/failure`. The script's exit status is this program's.

Source of the contract: github.com/aws/sagemaker-training-toolkit (params.py, environment.py,
mapping.py, files.py, entry_point.py). Unlike there, SIGTERM is passed on to the script, and
requirements.txt is not installed: the image's environment has what the script needs.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class ToolkitError(Exception):
    """The job cannot start; the message becomes its failure reason."""


@dataclass(frozen=True)
class Tree:
    """The folders of the container contract under `base`."""

    base: Path

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def output(self) -> Path:
        return self.base / "output"

    def read(self, name: str) -> dict[str, Any]:
        """One of the JSON files under input/config; empty when it is not there."""
        file = self.config / name
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def main(environment: Mapping[str, str]) -> int:
    """Run the job that the tree describes; returns the exit status."""
    tree = Tree(Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")))
    try:
        raw = tree.read("hyperparameters.json")
        parsed = {name: _parse(value) for name, value in raw.items()}
        program = environment.get("SAGEMAKER_PROGRAM") or parsed.get("sagemaker_program")
        if not program:
            raise ToolkitError("The hyperparameter sagemaker_program is not set.")
        fetch_code(str(parsed.get("sagemaker_submit_directory", "")), tree.code)
        if not (tree.code / program).is_file():
            raise ToolkitError(f"The submitted archive has no {program} at its root.")
        if (tree.code / "requirements.txt").exists():
            print("requirements.txt is not installed: the image's environment is used.", flush=True)
        user = user_hyperparameters(parsed)
        arguments = command_arguments(user)
        variables = {
            **environment,
            **training_variables(tree, user, arguments, str(program)),
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-u", program] if program.endswith(".py") else ["sh", program]
        return run_script([*command, *arguments], tree, variables)
    except ToolkitError as error:
        print(error, file=sys.stderr, flush=True)
        write_failure(tree, str(error))
        return 1


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def user_hyperparameters(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """The script's own: without `sagemaker_*` and `_tuning_objective_metric`."""
    return {
        name: value
        for name, value in parsed.items()
        if not name.startswith("sagemaker_") and name != "_tuning_objective_metric"
    }


def command_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """`--name value` in order of the names; a name of one letter becomes `-n`."""
    arguments = []
    for name in sorted(hyperparameters):
        arguments += [f"-{name}" if len(name) == 1 else f"--{name}", str(hyperparameters[name])]
    return arguments


def fetch_code(source: str, code: Path) -> None:
    """Unpack the archive at `source` (s3:// or a path) into `code`, unless `code` holds files."""
    if code.is_dir() and any(code.iterdir()):
        return
    code.mkdir(parents=True, exist_ok=True)
    if not source:
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "sourcedir.tar.gz"
        if source.startswith("s3://"):
            _download(source, archive)
        elif Path(source).is_file():
            archive = Path(source)
        else:
            raise ToolkitError(f"sagemaker_submit_directory {source} is not there.")
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(code, filter="data")
        except tarfile.TarError as error:
            raise ToolkitError(f"{source} is no archive that can be unpacked: {error}") from error


def _download(source: str, target: Path) -> None:
    import boto3  # noqa: PLC0415  (only where the code lies in S3)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    parts = urlsplit(source)
    try:
        boto3.client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(target))
    except (BotoCoreError, ClientError) as error:
        raise ToolkitError(f"{source} cannot be downloaded: {error}") from error


def training_variables(
    tree: Tree, user: Mapping[str, Any], arguments: list[str], program: str
) -> dict[str, str]:
    """The SM_* variables for the script."""
    resources = tree.read("resourceconfig.json")
    channels = tree.read("inputdataconfig.json")
    data = tree.base / "input" / "data"
    host = resources.get("current_host", "algo-1")
    instance = resources.get("current_instance_type", "local")
    values: dict[str, Any] = {
        "SM_HOSTS": resources.get("hosts", [host]),
        "SM_CURRENT_HOST": host,
        "SM_CURRENT_INSTANCE_TYPE": instance,
        "SM_NETWORK_INTERFACE_NAME": resources.get("network_interface_name", "lo"),
        "SM_HPS": dict(user),
        "SM_USER_ENTRY_POINT": program,
        "SM_USER_ARGS": arguments,
        "SM_FRAMEWORK_PARAMS": {},
        "SM_RESOURCE_CONFIG": resources,
        "SM_INPUT_DATA_CONFIG": channels,
        "SM_CHANNELS": sorted(channels),
        "SM_INPUT_DIR": tree.base / "input",
        "SM_INPUT_CONFIG_DIR": tree.config,
        "SM_OUTPUT_DIR": tree.output,
        "SM_OUTPUT_DATA_DIR": tree.output / "data",
        "SM_OUTPUT_INTERMEDIATE_DIR": tree.output / "intermediate",
        "SM_MODEL_DIR": tree.base / "model",
        "SM_MODULE_DIR": tree.code,
        "SM_MODULE_NAME": program.removesuffix(".py"),
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": 0,
        "SM_NUM_NEURONS": 0,
        "SM_LOG_LEVEL": 20,
    }
    values["SM_TRAINING_ENV"] = {
        name.removeprefix("SM_").lower(): str(value) if isinstance(value, Path) else value
        for name, value in values.items()
    }
    for channel in channels:
        values[f"SM_CHANNEL_{channel.upper()}"] = data / channel
    for name, value in user.items():
        values[f"SM_HP_{name.upper()}"] = value
    return {
        name: value if isinstance(value, str) else _text(value) for name, value in values.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)


def run_script(command: list[str], tree: Tree, variables: Mapping[str, str]) -> int:
    """Run the script in the code folder; its standard error is kept for the failure reason."""
    print("Invoking script with the following command:", flush=True)
    print(shlex.join(command), flush=True)
    (tree.output / "data").mkdir(parents=True, exist_ok=True)
    (tree.output / "intermediate").mkdir(parents=True, exist_ok=True)
    (tree.base / "model").mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command,
        cwd=tree.code,
        env=dict(variables),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    last: deque[str] = deque(maxlen=20)
    assert process.stderr is not None
    for line in process.stderr:
        last.append(line)
        sys.stderr.write(line)
        sys.stderr.flush()
    status = process.wait()
    if status == 0:
        (tree.output / "success").touch()
        return 0
    message = "".join(last).strip()
    write_failure(
        tree,
        f"ExecuteUserScriptError:\nExitCode {status}\nErrorMessage {message!r}\n"
        f"Command {shlex.join(command)!r}",
    )
    return status if status > 0 else 128 - status


def write_failure(tree: Tree, reason: str) -> None:
    """Write output/failure, unless the script has written its own."""
    file = tree.output / "failure"
    if not file.exists():
        tree.output.mkdir(parents=True, exist_ok=True)
        file.write_text(reason, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(os.environ))
