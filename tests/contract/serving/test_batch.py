from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.serving.container import Bucket, Container, running, s3
from tests.unit.serving.artifact import bar, encoded

KEYS = "application/x-pigeonhole-keys"
WIDE = encoded(bar("Wide"))


class Batch:
    """A container in batch mode on a bucket of its own."""

    def __init__(self, bucket: Bucket, container: Container) -> None:
        self.bucket = bucket
        self.container = container

    def send(self, *keys: dict[str, str]) -> tuple[int, list[dict[str, Any]]]:
        body = b"".join(json.dumps(key).encode() + b"\n" for key in keys)
        status, _, answer = self.container.call(body, KEYS)
        return status, [json.loads(line) for line in answer.splitlines()]

    @property
    def log(self) -> str:
        return self.container.log.read_text()


@pytest.fixture(scope="module")
def batch(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    bucket = Bucket({(f"inbox/b/{i}.png", None): WIDE for i in range(200)})
    log = tmp_path_factory.mktemp("batch") / "log"
    with (
        s3(bucket) as url,
        running(
            model_dir,
            log,
            SAGEMAKER_BATCH="True",
            PIGEONHOLE_BUCKET="data",
            PIGEONHOLE_PREFIX="inbox/b/",
            AWS_ENDPOINT_URL_S3=url,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
            AWS_DEFAULT_REGION="us-east-1",
        ) as container,
    ):
        yield Batch(bucket, container)
        assert container.process.poll() is None


def test_keys_in_labels_out_in_order(batch: Batch) -> None:
    keys = [{"key": f"inbox/b/{i}.png"} for i in range(200)]
    status, found = batch.send(*keys)
    assert status == 200
    assert [line["key"] for line in found] == [key["key"] for key in keys]
    assert {line["label"] for line in found} == {"Wide"}


def test_a_version_is_read_and_odd_keys_arrive_as_they_are(batch: Batch) -> None:
    key = "inbox/b/a b+ü%20.png"
    batch.bucket.objects[key, "v 1/+"] = encoded(bar("Tall"))
    status, found = batch.send({"key": key, "version_id": "v 1/+"})
    assert (status, found[0]["label"], found[0]["key"]) == (200, "Tall", key)


def test_rejected_lines(batch: Batch) -> None:
    batch.bucket.objects["inbox/b/note.txt", None] = b"milk"
    _, found = batch.send(
        {"key": "inbox/b/note.txt"},
        {"key": "inbox/b/gone.png"},
        {"key": "inbox/b/0.png", "version_id": "gone"},
        {"key": "models/m.tar.gz"},
        {"key": "inbox/b/0.png"},
    )
    codes = [line.get("error") for line in found]
    assert codes == ["not_an_image", "not_found", "not_found", "forbidden_key", None]
    assert "models/m.tar.gz" not in batch.bucket.asked


def test_an_object_over_the_limit_is_not_read(batch: Batch) -> None:
    size = 60 * 1024 * 1024
    batch.bucket.objects["inbox/b/huge.png", None] = b"\x00" * size
    before = batch.bucket.sent
    _, found = batch.send({"key": "inbox/b/huge.png"})
    assert found[0]["error"] == "too_large"
    assert batch.bucket.sent - before < size / 2


def test_throttling_and_broken_bodies_pass(batch: Batch) -> None:
    batch.bucket.refusals["inbox/b/1.png"] = [(503, "SlowDown"), (500, "InternalError")]
    batch.bucket.broken["inbox/b/2.png"] = 1
    status, found = batch.send({"key": "inbox/b/1.png"}, {"key": "inbox/b/2.png"})
    assert (status, [line.get("label") for line in found]) == (200, ["Wide", "Wide"])


def test_a_store_that_stays_down_fails_the_request_rather_than_rejecting(batch: Batch) -> None:
    batch.bucket.refusals["inbox/b/3.png"] = [(503, "ServiceUnavailable")] * 50
    status, found = batch.send({"key": "inbox/b/3.png"}, {"key": "inbox/b/4.png"})
    assert (status, found[0]["error"]) == (500, "storage_failed")
    assert "ServiceUnavailable" in batch.log
    batch.bucket.refusals.clear()
    assert batch.send({"key": "inbox/b/3.png"})[0] == 200


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "NoSuchBucket"])
def test_what_is_misconfigured_fails_the_request_and_says_so(batch: Batch, code: str) -> None:
    batch.bucket.refusals["inbox/b/5.png"] = [(403, code)]
    status, found = batch.send({"key": "inbox/b/5.png"})
    assert (status, found[0]["error"]) == (500, "storage_failed")
    assert code in batch.log or "access denied to s3://data/inbox/b/5.png" in batch.log


def test_access_denied_to_one_key_rejects_that_key_alone(batch: Batch) -> None:
    batch.bucket.refusals["inbox/b/6.png"] = [(403, "AccessDenied")]
    status, found = batch.send({"key": "inbox/b/6.png"}, {"key": "inbox/b/7.png"})
    assert (status, [line.get("error") for line in found]) == (200, ["access_denied", None])
    assert found[0]["message"].startswith("S3 denies access to this file")


def test_access_denied_to_all_keys_fails_the_request(batch: Batch) -> None:
    keys = [f"inbox/b/{i}.png" for i in (8, 9)]
    batch.bucket.refusals.update({key: [(403, "AccessDenied")] for key in keys})
    status, found = batch.send(*({"key": key} for key in keys))
    assert (status, found[0]["error"]) == (500, "storage_failed")
    assert "s3:GetObjectVersion" in found[0]["message"]


def test_batch_mode_answers_ping_and_never_loads_tensorflow(
    model_dir: Path, tmp_path: Path
) -> None:
    bucket = Bucket({("inbox/b/0.png", None): WIDE})
    log = tmp_path / "log"
    with (
        s3(bucket) as url,
        running(
            model_dir,
            log,
            PYTHONPROFILEIMPORTTIME="1",  # Python then writes each import to standard error
            SAGEMAKER_BATCH="true",
            PIGEONHOLE_BUCKET="data",
            PIGEONHOLE_PREFIX="inbox/b/",
            AWS_ENDPOINT_URL_S3=url,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
            AWS_DEFAULT_REGION="us-east-1",
        ) as container,
    ):
        assert container.call(None, path="/ping", method="GET")[::2] == (200, b"")
        assert Batch(bucket, container).send({"key": "inbox/b/0.png"})[0] == 200
    lines = [line for line in log.read_text().splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"serving", "onnxruntime", "botocore"} <= loaded  # imports are seen at all
    assert not {"tensorflow", "keras"} & loaded


def test_images_are_answered_in_batch_mode_too(batch: Batch) -> None:
    assert json.loads(batch.container.call(WIDE, "image/png")[2])["label"] == "Wide"
