"""Containers: one process each, with the environment and the /opt/ml tree that SageMaker gives
them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.images import Images
from localcloud.ports import Logs
from localcloud.processes import Process, Starter
from localcloud.sagemaker import private
from localcloud.sagemaker.cloud import Settings
from localcloud.sagemaker.roles import Roles


@dataclass(frozen=True)
class Spec:
    """What to run.

    folder: the container's own; its /opt/ml is `folder/ml`, everything in it goes with the
    container argument: `train` or `serve` model: the unpacked artifact, for servers
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


class Containers:
    """Starts containers."""

    def __init__(
        self, settings: Settings, images: Images, roles: Roles, logs: Logs, start: Starter
    ) -> None:
        self._settings = settings
        self._images = images
        self._roles = roles
        self._logs = logs
        self._start = start

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

        command, tree = self._placed([*image.command, spec.argument], spec)
        environment = {
            **self._host_environment(spec.folder),
            **image.environment,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials,
            **tree,
            **spec.environment,
        }
        return self._start(
            command, env=environment, cwd=image.cwd, on_line=line, on_exit=ended, orphan_grace=5.0
        )

    def _placed(self, command: list[str], spec: Spec) -> tuple[list[str], dict[str, str]]:
        """The command with its tree, and the variables that say where the tree is."""
        root = spec.folder / "ml"
        for name in ("ml/model", "home", "tmp", "stage"):
            (spec.folder / name).mkdir(parents=True, exist_ok=True)
        model = spec.model or root / "model"
        if private.available():
            stage = spec.folder / "stage"
            command = private.wrap(command, stage=stage, root=root, model=spec.model)
            root, model = Path("/opt/ml"), Path("/opt/ml/model")
        tree = {"SAGEMAKER_BASE_DIR": str(root)}
        if spec.argument == "serve":
            tree["SM_MODEL_DIR"] = str(model)
        return command, tree

    def _host_environment(self, folder: Path) -> dict[str, str]:
        """What a container may know of its host: where programs are, and where the cloud is."""
        region = self._settings.region
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **self._settings.endpoints,
        }


def remove_folder(folder: Path) -> None:
    """Remove a container's folder; what a dying process still writes is left to the next start."""
    shutil.rmtree(folder, ignore_errors=True)
