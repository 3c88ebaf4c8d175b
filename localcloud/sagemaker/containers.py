"""Containers: one process each, with the environment and the /opt/ml tree that SageMaker gives
them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.images import Image, Images
from localcloud.ports import Logs
from localcloud.processes import Process, Starter
from localcloud.sagemaker import private
from localcloud.sagemaker.cloud import Settings
from localcloud.sagemaker.network import hosts_file
from localcloud.sagemaker.roles import Roles


@dataclass(frozen=True)
class Spec:
    """What to run.

    folder: the container's own; its /opt/ml is `folder/ml`; all in it goes with the container
    argument: `train` or `serve`
    model: the unpacked artifact, for servers; read-only in the container where that can be had
    hosts: the addresses of the job's hosts by name, as `network.lease` gives them; they resolve in
    the container where it can have an /etc/hosts of its own
    hostname: this host's name among them
    entrypoint: in place of the image's command (AlgorithmSpecification.ContainerEntrypoint)
    arguments: in place of `argument` (ContainerArguments)
    read_only: folders below /opt/ml that the container must not change, say `input/data/train`;
    they exist in `folder/ml`; kept so where the system can, as for `model`
    """

    image: str
    argument: str
    folder: Path
    role_arn: str
    session_name: str
    log_group: str
    log_stream: str
    environment: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    hostname: str | None = None
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] | None = None
    read_only: Sequence[str] = ()


class Containers:
    """Starts containers; `own_mounts` says whether they can have a /opt/ml of their own."""

    def __init__(
        self,
        settings: Settings,
        images: Images,
        roles: Roles,
        logs: Logs,
        start: Starter,
        *,
        own_mounts: Callable[[], bool] = private.available,
    ) -> None:
        self._settings = settings
        self._images = images
        self._roles = roles
        self._logs = logs
        self._start = start
        self._own_mounts = own_mounts

    def check(self, image: str) -> None:
        """Raises UnknownImage when the image cannot run here."""
        self._images.resolve(image)

    def run(
        self,
        spec: Spec,
        *,
        on_line: Callable[[str], None] | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> Process:
        """Start a container; its output goes to CloudWatch Logs and to `on_line`.

        Raises UnknownImage.
        """
        image = self._images.resolve(spec.image)
        token, credentials = self._roles.open(spec.role_arn, spec.session_name)
        stream = self._logs.stream(spec.log_group, spec.log_stream)

        def line(text: str) -> None:
            stream.write(text)
            if on_line is not None:
                on_line(text)

        def ended(status: int) -> None:
            self._roles.close(token)
            stream.close()
            if on_exit is not None:
                on_exit(status)

        try:
            command, tree = self._placed(_command(image, spec), spec)
            environment = {
                **self._host_environment(spec.folder),
                "PATH": _path(image),
                **image.environment,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials,
                **tree,
                **spec.environment,
            }
            return self._start(
                command,
                env=environment,
                cwd=image.cwd,
                on_line=line,
                on_exit=ended,
                orphan_grace=5.0,
            )
        except BaseException:  # nobody will tell of its end
            self._roles.close(token)
            stream.close()
            raise

    def _placed(self, command: list[str], spec: Spec) -> tuple[list[str], dict[str, str]]:
        """The command with its tree, and the variables that say where the tree is."""
        root = spec.folder / "ml"
        for name in ("ml/model", "home", "tmp", "stage"):
            (spec.folder / name).mkdir(parents=True, exist_ok=True)
        model = spec.model or root / "model"
        if self._own_mounts():
            stage = spec.folder / "stage"
            fixed = {name: root / name for name in spec.read_only}
            if spec.model is not None:
                fixed["model"] = spec.model
            command = private.wrap(
                command,
                stage=stage,
                root=root,
                read_only=fixed,
                hosts=_hosts_file(spec),
                hostname=spec.hostname,
            )
            root, model = Path("/opt/ml"), Path("/opt/ml/model")
        tree = {"SAGEMAKER_BASE_DIR": str(root)}
        if spec.argument == "serve":
            tree["SM_MODEL_DIR"] = str(model)
        return command, tree

    def _host_environment(self, folder: Path) -> dict[str, str]:
        """What a container may know of its host: folders to write to, and where the cloud is."""
        region = self._settings.region
        return {
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **self._settings.endpoints,
        }


def _command(image: Image, spec: Spec) -> list[str]:
    """As `docker run [--entrypoint …] image …` puts it together.

    Whether AWS appends `train` to an entry point that comes without arguments is not documented;
    we append nothing.
    """
    if spec.arguments is not None:
        arguments = list(spec.arguments)
    else:
        arguments = [] if spec.entrypoint else [spec.argument]
    return [*(spec.entrypoint or image.command), *arguments]


def _path(image: Image) -> str:
    """Where programs are: beside the image's interpreter first, so that `python3` is that one."""
    path = os.environ.get("PATH", os.defpath)
    program = Path(image.command[0]) if image.command else Path()
    return f"{program.parent}{os.pathsep}{path}" if program.is_absolute() else path


def _hosts_file(spec: Spec) -> Path | None:
    """Write the container's /etc/hosts when it has hosts of its own."""
    if not spec.hosts:
        return None
    system = ""
    with contextlib.suppress(OSError):
        system = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace")
    file = spec.folder / "hosts"
    file.write_text(hosts_file(spec.hosts, system), encoding="utf-8")
    return file


def remove_folder(folder: Path) -> None:
    """Remove a container's folder; what a dying process still writes is left to the next start."""
    shutil.rmtree(folder, ignore_errors=True)
