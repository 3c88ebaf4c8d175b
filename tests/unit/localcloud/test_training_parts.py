"""The parts of a training job that need no process: hosts, shards, times, outputs, mirrors."""

from __future__ import annotations

import os
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker.s3data import DataError, S3Object
from localcloud.sagemaker.training import outputs
from localcloud.sagemaker.training.channels import shards, shuffled
from localcloud.sagemaker.training.cluster import hosts_of, resource_config
from localcloud.sagemaker.training.states import seconds_of
from localcloud.sagemaker.training.sync import Mirror, Ticker


class FakeS3:
    """Buckets in memory, as far as mirrors use them; `denied` refuses every write."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.denied = False

    def get_paginator(self, _: str) -> FakeS3:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        return [{"Contents": [{"Key": key} for key in keys]}]

    def download_file(self, bucket: str, key: str, target: str) -> None:
        Path(target).write_bytes(self.objects[key])

    def upload_file(self, file: str, bucket: str, key: str, ExtraArgs: Any = None) -> None:
        self._check()
        self.objects[key] = Path(file).read_bytes()

    def delete_object(self, Bucket: str, Key: str) -> None:
        self._check()
        self.objects.pop(Key, None)

    def _check(self) -> None:
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "checkpoints"
    found.mkdir()
    return found


def mirror(s3: FakeS3, folder: Path, uri: str = "s3://b/c/", *, whole: bool = True) -> Mirror:
    return Mirror(s3, folder, uri, folder.parent, whole=whole)


def write(path: Path, text: str, moment: int) -> None:
    """A file with a time of its own, so that no two contents look alike."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (moment, moment))


def test_file_is_put_once_two_looks_found_it_the_same(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder)
    write(folder / "a", "h", 1)
    kept.look()
    write(folder / "a", "half", 2)
    kept.look()
    assert s3.objects == {}
    kept.look()
    assert s3.objects == {"c/a": b"half"}


def test_last_look_takes_everything(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder)
    write(folder / "deep" / "a", "whole", 1)
    kept.look(last=True)
    assert s3.objects == {"c/deep/a": b"whole"}


def test_unchanged_file_is_put_once(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder)
    write(folder / "a", "a", 1)
    kept.look(last=True)
    s3.objects["c/a"] = b"somebody else's"
    kept.look(last=True)
    assert s3.objects == {"c/a": b"somebody else's"}


def test_growing_file_is_put_as_it_is_where_readers_can_tell(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder, whole=False)
    write(folder / "events", "one", 1)
    kept.look()
    assert s3.objects == {"c/events": b"one"}
    write(folder / "events", "one two", 2)
    kept.look()
    assert s3.objects == {"c/events": b"one two"}


def test_restored_files_are_not_put_again_and_go_when_they_are_deleted(folder: Path) -> None:
    s3 = FakeS3()
    s3.objects = {"c/old": b"old", "c/deep/kept": b"kept", "c2/other": b"other"}
    kept = mirror(s3, folder)
    kept.restore(threading.Event())
    assert (folder / "deep" / "kept").read_bytes() == b"kept"
    assert not (folder / "other").exists()
    s3.objects["c/old"] = b"newer"
    kept.look(last=True)
    assert s3.objects["c/old"] == b"newer"
    (folder / "old").unlink()
    kept.look()
    assert s3.objects == {"c/deep/kept": b"kept", "c2/other": b"other"}


def test_files_of_others_are_left_alone(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder)
    kept.restore(threading.Event())
    s3.objects["c/of-another-host"] = b"x"
    kept.look(last=True)
    assert s3.objects == {"c/of-another-host": b"x"}


def test_mirror_of_a_whole_bucket(folder: Path) -> None:
    s3 = FakeS3()
    s3.objects = {"top": b"top"}
    kept = mirror(s3, folder, "s3://b")
    kept.restore(threading.Event())
    write(folder / "a", "a", 1)
    kept.look(last=True)
    assert s3.objects == {"top": b"top", "a": b"a"}


def test_what_could_not_be_put_is_put_the_next_time(folder: Path) -> None:
    s3 = FakeS3()
    kept = mirror(s3, folder)
    write(folder / "a", "a", 1)
    s3.denied = True
    with pytest.raises(DataError, match="Failed to upload s3://b/c/a"):
        kept.look(last=True)
    s3.denied = False
    kept.look()
    assert s3.objects == {"c/a": b"a"}
    assert [path.name for path in folder.parent.iterdir()] == ["checkpoints"]


def test_links_to_nowhere_are_no_checkpoints(folder: Path) -> None:
    s3 = FakeS3()
    (folder / "latest").symlink_to("gone")
    mirror(s3, folder).look(last=True)
    assert s3.objects == {}


class Ticks:
    """A clock that does not wait: it lets `count` ticks pass, then the end."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = threading.Event()

    def now(self) -> float:
        return 0.0

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        if self.left:
            self.left -= 1
            return False
        self.done.set()
        return event.wait()


def test_ticker_goes_on_after_an_error() -> None:
    clock = Ticks(3)
    calls: list[str] = []

    def fails() -> None:
        calls.append("fails")
        raise DataError("ClientError: no")

    with Ticker("job", clock, 1.0, [fails, lambda: calls.append("works")]) as ticker:
        clock.done.wait()
        ticker.close()
    assert calls == ["fails", "works"] * 3


def test_hosts_are_counted_through_the_groups() -> None:
    groups = [
        {"InstanceType": "ml.m5.large", "InstanceGroupName": "a", "InstanceCount": 2},
        {"InstanceType": "ml.c5.large", "InstanceGroupName": "b", "InstanceCount": 1},
    ]
    hosts = hosts_of({"InstanceGroups": groups}, Path("/jobs/j"))
    assert [(h.name, h.group) for h in hosts] == [("algo-1", "a"), ("algo-2", "a"), ("algo-3", "b")]
    config = resource_config(hosts[2], hosts)
    assert config["current_instance_type"] == "ml.c5.large"
    assert config["instance_groups"][0]["hosts"] == ["algo-1", "algo-2"]


def test_hosts_are_sorted_as_text() -> None:
    """As AWS says it: lexicographically."""
    hosts = hosts_of({"InstanceType": "ml.m5.large", "InstanceCount": 10}, Path("/j"))
    assert resource_config(hosts[0], hosts)["hosts"][:3] == ["algo-1", "algo-10", "algo-2"]


def test_shards_deal_out_every_object_once() -> None:
    objects = [S3Object("b", str(number), str(number)) for number in range(7)]
    dealt = shards(objects, 3)
    assert [len(share) for share in dealt] == [3, 2, 2]
    assert sorted(o.key for share in dealt for o in share) == [o.key for o in objects]
    assert shards(objects[:1], 3)[2] == []


def test_shuffle_follows_its_seed() -> None:
    objects = [S3Object("b", str(number), str(number)) for number in range(20)]
    assert shuffled(objects, 1) == shuffled(objects, 1) != shuffled(objects, 2)
    assert sorted(o.key for o in shuffled(objects, 1)) == sorted(o.key for o in objects)


def steps(*times: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"Status": s, "StartTime": start, "EndTime": end} for s, start, end in times]


def test_waiting_for_spot_instances_is_not_training() -> None:
    walked = steps(
        ("Starting", 0, 100),
        ("Downloading", 100, 110),
        ("Training", 110, 200),
        ("Interrupted", 200, 300),
        ("Starting", 300, 400),
        ("Downloading", 400, 410),
        ("Training", 410, 490),
        ("Uploading", 490, 500),
        ("Completed", 500, 500),
    )
    assert seconds_of(walked, spot=False) == {
        "TrainingTimeInSeconds": 200,
        "BillableTimeInSeconds": 200,
    }
    assert seconds_of(walked, spot=True) == {
        "TrainingTimeInSeconds": 200,
        "BillableTimeInSeconds": 60,
    }


def test_times_are_whole_seconds_of_at_least_one() -> None:
    brief = steps(("Downloading", 1.0, 1.25), ("Training", 1.25, 1.5), ("Failed", 1.5, 1.5))
    assert set(seconds_of(brief, spot=True).values()) == {1}
    longer = steps(("Training", 0.0, 2.1))
    assert seconds_of(longer, spot=False)["TrainingTimeInSeconds"] == 3


def tree(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{root.name}")
    root.mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "d/b"], ["c"], {"a": "one", "c": "two", "d/b": "one"}),
        (["a"], ["a"], {"a": "two"}),
        (["d/a"], ["d/b"], {"d/a": "one", "d/b": "two"}),
        (["d/a", "d/e/f"], ["d"], {"d": "two"}),  # a file where the first host has a folder
        (["d"], ["d/a"], {"d/a": "two"}),  # and the other way round
        ([], [], {}),
    ],
)
def test_outputs_of_hosts_are_merged_and_the_last_wins(
    tmp_path: Path, first: list[str], second: list[str], expected: dict[str, str]
) -> None:
    s3 = FakeS3()
    folders = [tree(tmp_path / "one", *first), tree(tmp_path / "two", *second)]
    outputs.upload(s3, folders, "s3://b/out.tar.gz", tmp_path)
    archive = tmp_path / "out.tar.gz"
    archive.write_bytes(s3.objects["out.tar.gz"])
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
        names = tar.getnames()
    assert len(names) == len(set(names))
    found = {
        path.relative_to(tmp_path / "unpacked").as_posix(): path.read_text()
        for path in (tmp_path / "unpacked").rglob("*")
        if path.is_file()
    }
    assert found == expected
