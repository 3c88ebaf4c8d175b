"""Script mode, as the SageMaker training toolkit does it, for images that run as processes.

    python toolkit.py train

Runs in the training image's environment (standard library and boto3). The tree of the container
contract lies under SAGEMAKER_BASE_DIR (default /opt/ml). The steps: read hyperparameters.json,
fetch and unpack `sagemaker_submit_directory` into `code/` unless files are there already, set the
SM_* variables, run `sagemaker_program` with the other hyperparameters as `--name value`, and leave
`output/success` or `output/failure`. The script's exit status is this program's.

Source of the contract: github.com/aws/sagemaker-training-toolkit (params.py, environment.py,
mapping.py, files.py, entry_point.py) and, for `--model_dir` and TF_CONFIG,
github.com/aws/sagemaker-tensorflow-training-toolkit (training.py). Unlike there, SIGTERM is passed
on to the script, requirements.txt is not installed (the image's environment has what the script
needs), and the workers in TF_CONFIG have ports of their own: see `worker_address`. Parameter
servers, MPI and the distributed libraries of SageMaker end a job that asks for them.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_OBJECTIVE = "_tuning_objective_metric"  # only a tuning job's trials have it
_MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
_PARAMETER_SERVER = "sagemaker_parameter_server_enabled"
_NOT_HERE = (
    _PARAMETER_SERVER,
    "sagemaker_mpi_enabled",
    "sagemaker_distributed_dataparallel_enabled",
)
_OF_THE_TOOLKIT = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_job_name",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_s3_output",
)
_WORKER_PORT = 8890
_LOCAL_PORTS, _LOCAL_ADDRESSES = 20000, 20 * 254  # as localcloud/sagemaker/network.py has them


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
        if _OBJECTIVE in parsed:
            job = environment.get("TRAINING_JOB_NAME")
            user["model_dir"] = tuned_model_dir(user.get("model_dir"), job)
        arguments = command_arguments(user)
        variables = {
            **environment,
            **training_variables(tree, user, arguments, str(program), framework_parameters(parsed)),
            **cluster_variables(tree.read("resourceconfig.json"), parsed),
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
        if not name.startswith("sagemaker_") and name != _OBJECTIVE
    }


def framework_parameters(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """The `sagemaker_*` ones that are neither the script's nor the toolkit's own."""
    return {
        name: value
        for name, value in parsed.items()
        if name.startswith("sagemaker_") and name not in _OF_THE_TOOLKIT
    }


def tuned_model_dir(model_dir: object, job: str | None) -> str:
    """The `--model_dir` of a tuning job's trial, as the TensorFlow image makes it: trials must not
    share one. `None/<job>/model` when none was given is that image's, too.
    """
    given = str(model_dir)
    return given if given.startswith("/opt/ml") else f"{given}/{job}/model"


def cluster_variables(resources: Mapping[str, Any], parsed: Mapping[str, Any]) -> dict[str, str]:
    """TF_CONFIG for MultiWorkerMirroredStrategy, when the job asks for it.

    Raises ToolkitError for the other ways to train on several hosts that the image has.
    """
    hosts = resources.get("hosts", ["algo-1"])
    for name in _NOT_HERE:
        if parsed.get(name) and (len(hosts) > 1 or name != _PARAMETER_SERVER):
            raise ToolkitError(f"{name} is not supported by the local cloud.")
    if not parsed.get(_MIRRORED):
        return {}
    workers = [worker_address(host, alone=len(hosts) == 1) for host in hosts]
    task = {"index": hosts.index(resources.get("current_host", hosts[0])), "type": "worker"}
    return {
        "TF_CONFIG": json.dumps(
            {"cluster": {"worker": workers}, "environment": "cloud", "task": task}
        )
    }


def worker_address(
    host: str, *, alone: bool = False, look_up: Callable[[str], str] = socket.gethostbyname
) -> str:
    """Where a host's TensorFlow listens: `host:8890`, as in the image.

    On the loopback interface the port follows from the host's address instead: TensorFlow listens
    on all addresses of the machine, which the hosts share. `alone`: a name that does not resolve
    is this machine's.
    """
    try:
        address = look_up(host)
    except OSError as error:
        if not alone:
            raise ToolkitError(f"The host {host} does not resolve.") from error
        host = address = "127.0.0.1"
    first, _, third, fourth = map(int, address.split("."))
    if first != 127:  # the loopback network
        return f"{host}:{_WORKER_PORT}"
    return f"{host}:{_LOCAL_PORTS + ((third - 1) * 254 + fourth - 1) % _LOCAL_ADDRESSES}"


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
    tree: Tree,
    user: Mapping[str, Any],
    arguments: list[str],
    program: str,
    framework: Mapping[str, Any],
) -> dict[str, str]:
    """The SM_* variables for the script."""
    resources = tree.read("resourceconfig.json")
    channels = tree.read("inputdataconfig.json")
    data = tree.base / "input" / "data"
    host = resources.get("current_host", "algo-1")
    instance = resources.get("current_instance_type", "local")
    group = resources.get("current_group_name", "homogeneousCluster")
    groups = {entry["instance_group_name"]: entry for entry in resources.get("instance_groups", [])}
    mirrored = bool(framework.get(_MIRRORED))
    values: dict[str, Any] = {
        "SM_HOSTS": resources.get("hosts", [host]),
        "SM_CURRENT_INSTANCE_GROUP": group,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": groups.get(group, {}).get("hosts", []),
        "SM_INSTANCE_GROUPS": list(groups),
        "SM_INSTANCE_GROUPS_DICT": groups,
        "SM_DISTRIBUTION_INSTANCE_GROUPS": [group] if mirrored else [],
        "SM_IS_HETERO": len(groups) > 1,
        "SM_CURRENT_HOST": host,
        "SM_CURRENT_INSTANCE_TYPE": instance,
        "SM_NETWORK_INTERFACE_NAME": resources.get("network_interface_name", "lo"),
        "SM_HPS": dict(user),
        "SM_USER_ENTRY_POINT": program,
        "SM_USER_ARGS": arguments,
        "SM_FRAMEWORK_PARAMS": dict(framework),
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
