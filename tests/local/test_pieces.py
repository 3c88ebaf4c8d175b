"""A dataset that is checked in pieces, by functions side by side, on a local cloud."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.local import rows
from tests.local.conftest import Cloud, wait_for

FILES = {
    "a_train.csv": rows.csv("train", 900),
    "b_train.csv.gz": gzip.compress(rows.csv("train", 100, start=900), mtime=0),
    "c_test.csv": rows.csv("test", 400),
}
SETTINGS = {
    "classes": rows.class_names(),
    "preset": "dense-128",
    "hyperparameters": {"epochs": 3},
    "bad_rows": 0.01,
}


def idle(cloud: Cloud) -> None:
    """A function that is changed while it runs may fail, as on AWS, and be called again."""
    wait_for(lambda: cloud.queue_depth("WorkQueueUrl") == 0, "the work queue to drain")


@contextmanager
def pieces_of(cloud: Cloud, size: int) -> Iterator[None]:
    """Meanwhile a check of more than `size` bytes is cut."""
    idle(cloud)
    functions = cloud.client("lambda")
    listed = functions.list_functions()["Functions"]
    [name] = [f["FunctionName"] for f in listed if "-Work-" in f["FunctionName"]]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    lowered = before | {"PIGEONHOLE_PREFLIGHT_PIECE_BYTES": str(size)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": lowered})
    try:
        yield
        idle(cloud)
    finally:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": before}
        )


def put(cloud: Cloud, dataset: str, settings: Mapping[str, Any]) -> str:
    for name, body in FILES.items():
        cloud.put(f"datasets/{dataset}/{name}", body)
    # One row of the second piece cannot be used.
    header, *lines = FILES["a_train.csv"].decode().splitlines()
    lines[700] = lines[700].rpartition(",")[0] + ",300"
    cloud.put(f"datasets/{dataset}/a_train.csv", "\n".join([header, *lines, ""]).encode())
    cloud.put(f"datasets/{dataset}/dataset.json", json.dumps(settings).encode())
    return cloud.ready(dataset)


def checked(cloud: Cloud, dataset: str, version: str) -> dict[str, Any]:
    """version.json, but for what tells one copy of the same files from another."""
    key = f"reports/{dataset}/preflight/{version}/version.json"
    text = cloud.client("s3").get_object(Bucket=cloud.bucket, Key=key)["Body"].read().decode()
    told: dict[str, Any] = json.loads(text.replace(f"datasets/{dataset}/", "datasets/…/"))
    del told["dataset"], told["version"], told["settings"]
    for file in told["files"]:
        del file["version_id"]
    return told


def test_what_is_checked_in_pieces_goes_live_like_what_is_checked_in_one(cloud: Cloud) -> None:
    with pieces_of(cloud, 1_000_000):
        cut = cloud.settled("cut", put(cloud, "cut", SETTINGS))
    assert cut["outcome"] == "Live", cut
    # Over its budget: it is checked, and then waits for somebody who pays.
    whole = cloud.settled("whole", put(cloud, "whole", {**SETTINGS, "budget": {"job_usd": 0}}))
    assert whole["outcome"] == "PendingApproval", whole
    listed = cloud.client("s3").list_objects_v2(Bucket=cloud.bucket, Prefix="pieces/")["Contents"]
    prefix = f"pieces/cut/{cut['version']}/1/"
    assert len([found for found in listed if found["Key"].startswith(prefix)]) >= 2 + 4
    assert not [found for found in listed if found["Key"].startswith("pieces/whole/")]
    told = checked(cloud, "cut", cut["version"])
    assert told == checked(cloud, "whole", whole["version"])
    assert [file.get("set_aside") for file in told["files"]] == [[700], None, None]
    idle(cloud)
