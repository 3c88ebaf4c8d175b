"""The input channels of a training job: which objects each host gets.

ShardedByS3Key: AWS says that each of n hosts gets about 1/n of the objects, and not which; ours
gets every n-th in the order of the keys (or of the manifest), after the shuffle if there is one.

FastFile: AWS shows the objects as read-only files without copying them first; ours are fetched
first, so that a job starts later and then reads at the speed of the disk.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localcloud.sagemaker.s3data import S3Object, download, list_input
from localcloud.sagemaker.training.cluster import Host

_READ_ONLY = 0o444


def input_config(channels: Sequence[dict[str, Any]], mode: str) -> dict[str, Any]:
    """inputdataconfig.json; `mode` is the job's TrainingInputMode."""
    configs = {}
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        config = {
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if "ContentType" in channel:
            config["ContentType"] = channel["ContentType"]
        configs[channel["ChannelName"]] = config
    return configs


def read_only(channels: Sequence[dict[str, Any]], mode: str) -> list[str]:
    """The folders below /opt/ml that the containers must not change."""
    return [
        f"input/data/{channel['ChannelName']}"
        for channel in channels
        if channel.get("InputMode", mode) == "FastFile"
    ]


def fetch(
    s3: Any, channel: dict[str, Any], mode: str, hosts: Sequence[Host], stop: threading.Event
) -> None:
    """Bring one channel to the hosts.

    Raises DataError, and Interrupted when `stop` is set.
    """
    name = channel["ChannelName"]
    source = channel["DataSource"]["S3DataSource"]
    fast = channel.get("InputMode", mode) == "FastFile"
    for host in hosts:
        _folder(host, name).mkdir(parents=True, exist_ok=True)
    uri = source["S3Uri"]
    # A file system has folders: FastFile's prefix is one, with or without the slash at its end.
    objects = list_input(s3, source["S3DataType"], f"{uri.rstrip('/')}/" if fast else uri)
    if "ShuffleConfig" in channel:
        objects = shuffled(objects, channel["ShuffleConfig"]["Seed"])
    groups = source.get("InstanceGroupNames")
    takers = [host for host in hosts if not groups or host.group in groups]
    if source.get("S3DataDistributionType") == "ShardedByS3Key":
        for host, share in zip(takers, shards(objects, len(takers)), strict=True):
            download(s3, share, _folder(host, name), stop)
    elif takers:
        first = _folder(takers[0], name)
        download(s3, objects, first, stop)
        for host in takers[1:]:
            copy = os.link if fast else shutil.copyfile
            shutil.copytree(first, _folder(host, name), copy_function=copy, dirs_exist_ok=True)
    if fast:
        for host in takers:
            _protect(_folder(host, name))


def shards(objects: Sequence[S3Object], count: int) -> list[list[S3Object]]:
    """The objects dealt out to `count` hosts."""
    return [list(objects[number::count]) for number in range(count)]


def shuffled(objects: Sequence[S3Object], seed: int) -> list[S3Object]:
    """The objects in the order of a ShuffleConfig's seed. How AWS shuffles is not documented."""
    order = list(objects)
    random.Random(seed).shuffle(order)
    return order


def _folder(host: Host, channel: str) -> Path:
    return host.ml / "input" / "data" / channel


def _protect(folder: Path) -> None:
    """Files that cannot be written to, where the container's mounts do not see to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(_READ_ONLY)
