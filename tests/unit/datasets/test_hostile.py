"""Input that breaks readers: always a report with the file and the reason, never silence."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from urllib3.exceptions import ProtocolError

from chalicelib.aws.storage import OpenObject
from chalicelib.datasets.preflight.preflight import Asked, Preflight
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.preflight.zips import look_into, read_csvs
from tests.fakes.aws import MemoryStorage
from tests.unit.datasets.world import World, good, row


def zipped(method: int) -> bytes:
    rng = random.Random(1)
    rows = "\n".join(row(i % 2, rng.randrange(256)) for i in range(300)) + "\n"
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        archive.writestr("rows.csv", rows)
    return body.getvalue()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 180_000, "nested too deeply"),
        (b'{"classes": ["\\ud800", "b"]}', "UTF-8"),
        (b'{"\\ud800": 1}', "no setting"),
        (b'{"hyperparameters": {"x": "\\ud800"}}', "control characters"),
        (b'{"hyperparameters": {"\\ud800": 1}}', "its name"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"hyperparameters": {"x": ' + b"1" * 5000 + b"}}", "not JSON"),
    ],
)
def test_a_hostile_dataset_json_is_refused_with_a_report(settings: bytes, reason: str) -> None:
    world = World()
    world.put("dataset.json", settings)
    status = world.drop(good())
    assert (status["outcome"], status["settled"]) == ("Refused", True)
    assert "dataset.json" in status["message"]
    assert reason in status["message"]
    assert reason in world.report()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_a_problem_of_its_file(method: int) -> None:
    whole = zipped(method)
    assert problems_of(whole) == []
    rng = random.Random(2)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        problems = problems_of(bytes(damaged))
        refused += bool(problems)
        assert all(problem.file.startswith("a.csv.zip") for problem in problems)
    assert refused > 50
    for end in range(0, len(whole), 7):
        assert problems_of(whole[:end])


def problems_of(body: bytes) -> list[Problem]:
    """Of the zip, and of the CSVs in it; no CSV in it is one, too."""
    file = io.BytesIO(body)
    found = look_into("a.csv.zip", file, len(body))
    problems = [p for read in read_csvs(found, file, None) for p in read.problems]
    nothing = [] if found.csvs else [Problem("a.csv.zip", "no CSV")]
    return found.problems + problems or nothing


class Broken(MemoryStorage):
    """Opening a CSV raises."""

    def __init__(self, storage: MemoryStorage, error: Exception) -> None:
        self.__dict__ = storage.__dict__
        self._error = error

    def open(
        self, key: str, version_id: str | None = None, if_etag: str | None = None
    ) -> OpenObject:
        if key.endswith(".csv"):
            raise self._error
        return super().open(key, version_id, if_etag)


def check(world: World, error: Exception) -> None:
    """The check of a dropped dataset meets the error."""
    world.put("a.csv", good())
    world.ready()
    world.reconcile()
    [message] = world.queues.asked
    asked = message["preflight"]
    world.queues.asked.clear()
    broken = Broken(world.storage, error)
    preflight = Preflight(broken, lambda: world.now, Logger(service="hostile"), 10**9)
    preflight.run(Asked.of(asked))


@pytest.mark.parametrize("error", [RuntimeError("odd \ud800"), MemoryError("too big")])
def test_an_error_that_nobody_foresaw_settles_with_a_report(error: Exception) -> None:
    world = World()
    check(world, error)
    status = world.settle()
    assert (status["outcome"], status["settled"]) == ("Failed", True)
    assert type(error).__name__ in status["message"]
    assert status["message"].partition("; `pigeonhole retrain")[0] in world.report()
    world.ready()
    assert world.settle()["outcome"] == "Live"


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "GetObject"),
        EndpointConnectionError(endpoint_url="https://s3"),
        ProtocolError("broken"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_trouble_with_aws_is_left_to_the_retries(error: Exception) -> None:
    world = World()
    with pytest.raises(type(error)):
        check(world, error)
    assert not [key for key in world.storage.versions if key.startswith("reports/")]
