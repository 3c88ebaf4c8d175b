"""Which cloud a command talks to: a local one, or a stage in an AWS account.

In this order: `--stage dev` (or any stage but local) means AWS, with the user's own credentials
and the outputs of the stack `pigeonhole-<stage>`; `--home` means the local cloud of that folder;
an environment into which a local cloud's env file was read (`. .local/env`) means that one; else
it is the local cloud in `.local`.
"""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.errors import CliError, NotDeployed, NotRunning
from localcloud.home import Home

DEFAULT_HOME = Path(".local")


@dataclass(frozen=True)
class Target:
    """A deployed stage. `env`: the local cloud's AWS_ENDPOINT_URL and so on; empty for AWS."""

    stage: str
    bucket: str
    api: str
    home: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    api_key_id: str | None = None

    @property
    def local(self) -> bool:
        """True for a local cloud."""
        return bool(self.env)

    @property
    def option(self) -> str:
        """What a command line needs to mean this stage, say ` --stage dev`; empty by default."""
        if not self.local:
            return f" --stage {shlex.quote(self.stage)}"
        return home_option(self.home)

    def api_key(self) -> str | None:
        """The HTTP API's key (header `x-api-key`); the local cloud asks for none."""
        if self.api_key_id is None:
            return None
        answer = self.client("apigateway").get_api_key(apiKey=self.api_key_id, includeValue=True)
        return str(answer["value"])

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud; a local one takes nothing from the user's AWS settings."""
        if not self.local:
            return boto3.client(service)
        return LocalSession(self.env).client(service)


class LocalSession(boto3.Session):
    """A boto3 session on the local cloud that `env` describes.

    Its clients take nothing from the user's own AWS settings, profiles or proxies. `env` has the
    AWS_* variables of a local cloud's env file.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        core = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
        core.set_credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
        super().__init__(botocore_session=core, region_name=env["AWS_DEFAULT_REGION"])
        self._env = env

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """As boto3's, with the local cloud's address."""
        local = Config(proxies={}, s3={"addressing_style": "path"}, max_pool_connections=32)
        config = kwargs.pop("config", None)
        return super().client(
            service_name,
            *args,
            **{
                "endpoint_url": endpoint_url(self._env, service_name),
                "config": local.merge(config) if config else local,
                **kwargs,
            },
        )


def endpoint_url(env: Mapping[str, str], service: str) -> str:
    """Where `service` listens, as botocore reads these variables."""
    own = "AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")
    return env.get(own) or env["AWS_ENDPOINT_URL"]


def find_target(home: Path | None = None, stage: str | None = None) -> Target:
    """The cloud to talk to.

    Raises:
        NotRunning: no local cloud answers there.
        NotDeployed: a local cloud runs there without the service.
        CliError: the stage is not deployed in this AWS account and region.
    """
    stage = stage or ("local" if home else os.environ.get("PIGEONHOLE_STAGE", "local"))
    if stage != "local":
        return _aws_target(stage)
    if home is None and _is_whole(os.environ):
        return _local_target(dict(os.environ), None)
    folder = home or DEFAULT_HOME
    place = Home.at(folder)
    env = place.read_env()
    running = place.running() if not _is_whole(env) else None
    if running is not None:
        raise NotDeployed(
            f"The local cloud in {folder} runs (process {running.pid}), but the service is not "
            f"deployed to it yet. Deploy it: {up_command(home)}"
        )
    if not env:
        raise NotRunning(f"No local cloud in {folder}. Start one: {up_command(home)}")
    if not _is_whole(env):
        raise NotRunning(f"{folder}/env is not complete. Start the cloud: {up_command(home)}")
    return _local_target(env, folder)


def up_command(home: Path | None) -> str:
    """The command line that starts the local cloud in `home`."""
    return f"pigeonhole up{home_option(home)}"


def home_option(home: Path | None) -> str:
    """` --home FOLDER` as a shell reads it; empty for the default home."""
    return "" if home in (None, DEFAULT_HOME) else f" --home {shlex.quote(str(home))}"


def answers(url: str, seconds: float = 2.0) -> bool:
    """Does something listen at this URL?"""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), seconds):
            return True
    except OSError:
        return False


def _is_whole(env: Mapping[str, str]) -> bool:
    names = ("AWS_ENDPOINT_URL", "PIGEONHOLE_BUCKET", "PIGEONHOLE_API")
    return all(env.get(name) for name in names)


def _local_target(env: dict[str, str], home: Path | None) -> Target:
    if not answers(env["AWS_ENDPOINT_URL"]):
        where = f"the local cloud in {home}" if home else "the cloud that the environment names"
        raise NotRunning(
            f"Nothing answers at {env['AWS_ENDPOINT_URL']}, where {where} should be. "
            f"Start it: {up_command(home)}"
        )
    return Target(
        env.get("PIGEONHOLE_STAGE", "local"),
        env["PIGEONHOLE_BUCKET"],
        env["PIGEONHOLE_API"].rstrip("/"),
        home,
        env,
    )


def _aws_target(stage: str) -> Target:
    name = f"pigeonhole-{stage}"
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise CliError(
            f"There is no stack {name} in this account and region. "
            f"Deploy it: pigeonhole deploy --stage {stage}"
        ) from error
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
    try:
        bucket, api = outputs["Bucket"], outputs["EndpointURL"].rstrip("/")
    except KeyError as error:
        raise CliError(
            f"The stack {name} is {stacks[0]['StackStatus']} and names no {error}. "
            f"Deploy it again: pigeonhole deploy --stage {stage}"
        ) from error
    return Target(stage, bucket, api, api_key_id=outputs.get("ApiKeyId"))
