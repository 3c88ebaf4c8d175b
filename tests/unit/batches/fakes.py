"""The world that flow 3 sees, in memory: S3, the table, the queues, SageMaker and the time.

Each effect ticks, and a test may have the process die, or another one cut in, at any tick.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, Any

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.aws.queues import Queues
from chalicelib.aws.storage import OpenObject, OpenUpload, Storage, StoredObject
from chalicelib.aws.table import Item, Table
from chalicelib.aws.transform import TransformJob
from chalicelib.batches.service import Batches
from chalicelib.batches.writer import ResultsWriter
from chalicelib.errors import DatasetNotFound, ObjectNotFound, RevisionConflict
from chalicelib.predict.choice import Choice
from chalicelib.sagemaker_names import SageMakerNames
from chalicelib.settings import Settings

SETTINGS = Settings(
    stage="local",
    bucket="pigeonhole-local-000000000000-us-east-1",
    table="table",
    events_queue_url="events",
    work_queue_url="work",
    events_dead_letters_url="events-dead",
    work_dead_letters_url="work-dead",
    training_image_cpu="training:cpu",
    training_image_gpu="training:gpu",
    serving_image="serving",
    training_role_arn="arn:aws:iam::000000000000:role/training",
    endpoint_role_arn="arn:aws:iam::000000000000:role/endpoint",
    transform_role_arn="arn:aws:iam::000000000000:role/transform",
    training_instance_type="ml.m5.xlarge",
    training_spot=False,
    training_max_runtime_seconds=3600,
    training_max_wait_seconds=7200,
    transform_instance_type="ml.m5.xlarge",
    code_version="0123456789ab",
    default_dataset="",
    quiet_seconds=10,
    retry_seconds=60,
    serverless_memory_mb=2048,
    serverless_max_concurrency=5,
)


class Killed(BaseException):
    """The process is gone: no `except Exception` sees it."""


@dataclass
class Ticks:
    """Counts effects; `at` is the one at which `then` is called, once."""

    count: int = 0
    at: int = 0
    then: Callable[[], None] | None = None

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.at and self.then is not None:
            then, self.then = self.then, None
            then()


class MemoryStorage(Storage):
    """A versioned bucket."""

    def __init__(self, tick: Ticks, now: Callable[[], datetime]) -> None:
        self.bucket = SETTINGS.bucket
        self.objects: dict[str, tuple[StoredObject, bytes]] = {}
        self.uploading = False
        self._tick = tick
        self._now = now
        self._puts = 0

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield self.objects[key][0]

    def list_versions(self, prefix: str) -> Iterator[StoredObject]:
        return self.list(prefix)

    def head(self, key: str) -> StoredObject | None:
        return self.objects[key][0] if key in self.objects else None

    def open(
        self, key: str, version_id: str | None = None, if_etag: str | None = None
    ) -> OpenObject:
        return OpenObject(self.objects[key][0], io.BytesIO(self.get_bytes(key)))

    def get_bytes(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectNotFound(key)
        return self.objects[key][1]

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        self._puts += 1
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        stored = StoredObject(key, etag, len(body), self._now(), f"v{self._puts}")
        self.objects[key] = (stored, body)
        self._tick()

    def upload(self, key: str, body: IO[bytes], content_type: str) -> None:
        self.put_bytes(key, body.read(), content_type)

    def delete(self, key: str) -> None:
        del self.objects[key]
        self._tick()

    def open_uploads(self, prefix: str) -> Sequence[OpenUpload]:
        return [OpenUpload(prefix + "big.zip", "1", self._now())] if self.uploading else []


class MemoryTable(Table):
    """Conditional writes as DynamoDB's."""

    def __init__(self, tick: Ticks) -> None:
        self.held: dict[str, tuple[int, str]] = {}
        self._tick = tick

    def get(self, id: str) -> Item | None:
        if id not in self.held:
            return None
        revision, state = self.held[id]
        return Item(id, revision, json.loads(state))

    def put(self, id: str, state: Mapping[str, Any], revision: int) -> Item:
        if self.held.get(id, (0, ""))[0] != revision:
            raise RevisionConflict(id)
        self.held[id] = (revision + 1, json.dumps(state))
        self._tick()
        return Item(id, revision + 1, state)


class MemoryQueues(Queues):
    """`woken` holds ids and delays, `asked` the messages of the work queue."""

    def __init__(self, tick: Ticks) -> None:
        self.woken: list[tuple[str, int]] = []
        self.asked: list[dict[str, Any]] = []
        self._tick = tick

    def wake(self, id: str, delay_seconds: int = 0, *, swept: bool = False) -> None:
        self.woken.append((id, delay_seconds))
        self._tick()

    def work(self, kind: str, **fields: Any) -> None:
        assert kind == "results"
        self.asked.append(fields)
        self._tick()


class MemoryTransform:
    """SageMaker: jobs stay InProgress until a test ends them."""

    def __init__(self, tick: Ticks) -> None:
        self.models: dict[str, str] = {}
        self.requests: dict[str, Mapping[str, Any]] = {}
        self.statuses: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.refusal: Exception | None = None
        self._tick = tick

    def ensure_model(
        self, name: str, image: str, model_data_url: str, role_arn: str, tags: Mapping[str, str]
    ) -> None:
        self.models.setdefault(name, model_data_url)
        self._tick()

    def delete_model(self, name: str) -> None:
        self.models.pop(name, None)
        self._tick()

    def create(self, request: Mapping[str, Any]) -> None:
        if self.refusal is not None:
            raise self.refusal
        name = request["TransformJobName"]
        assert request["ModelName"] in self.models
        self.requests.setdefault(name, request)
        self.statuses.setdefault(name, "InProgress")
        self._tick()

    def describe(self, name: str) -> TransformJob | None:
        if name not in self.statuses:
            return None
        return TransformJob(name, self.statuses[name], self.reasons.get(name, ""))


class MemoryDatasets:
    """`champions` by dataset: a training job, or None while there is no model."""

    def __init__(self) -> None:
        self.champions: dict[str, str | None] = {"fashion-mnist": "pigeonhole-local-fm-1"}

    def status(self, name: str) -> dict[str, Any]:
        if name not in self.champions:
            raise DatasetNotFound(name)
        job = self.champions[name]
        champion = None if job is None else {"training_job": job, "version": "a" * 64}
        return {
            "dataset": name,
            "phase": "Live" if job else "Training",
            "message": "Serving." if job else "Epoch 3 of 8.",
            "champion": champion,
            "endpoint": f"pigeonhole-local-{name}",
        }

    def list(self) -> list[dict[str, Any]]:
        return [self.status(name) for name in sorted(self.champions)]


Classify = Callable[[str], dict[str, Any] | None]


def by_ending(key: str) -> dict[str, Any]:
    """A classifier: .txt is rejected, all else is a Bag."""
    if key.endswith(".txt"):
        return {"error": "not_an_image", "message": "These bytes are no image."}
    return {"label": "Bag", "probability": 0.75, "probabilities": {"Bag": 0.75, "Shoe": 0.25}}


@dataclass
class World:
    """Everything, and the means to move it on."""

    now: datetime = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    tick: Ticks = field(default_factory=Ticks)

    def __post_init__(self) -> None:
        self.storage = MemoryStorage(self.tick, lambda: self.now)
        self.table = MemoryTable(self.tick)
        self.queues = MemoryQueues(self.tick)
        self.transform = MemoryTransform(self.tick)
        self.datasets = MemoryDatasets()
        logger = Logger(service="test", stream=io.StringIO(), level="CRITICAL")
        self.batches = Batches(
            settings=SETTINGS,
            table=self.table,
            storage=self.storage,
            queues=self.queues,
            transform=self.transform,
            choice=Choice(self.datasets, ""),
            clock=lambda: self.now,
            logger=logger,
        )
        self.writer = ResultsWriter(self.table, self.storage, self.queues, lambda: self.now, logger)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def drop(self, batch: str, *files: str, ready: bool = True) -> None:
        for file in files:
            self.storage.put_bytes(f"inbox/{batch}/{file}", file.encode(), "")
        if ready:
            self.storage.put_bytes(f"inbox/{batch}/_READY", b"", "")

    def end_job(
        self,
        name: str,
        classify: Classify = by_ending,
        status: str = "Completed",
        without: frozenset[str] = frozenset(),
        folder: str = "",
    ) -> None:
        """Answer the job's shards but those named in `without`, as the container would."""
        request = self.transform.requests[name]
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        target = request["TransformOutput"]["S3OutputPath"]
        bucket = f"s3://{SETTINGS.bucket}/"
        prefix = source.removeprefix(bucket)
        for stored in list(self.storage.list(prefix)):
            shard = stored.key.removeprefix(prefix)
            if shard in without:
                continue
            lines = []
            for line in self.storage.get_bytes(stored.key).decode().split("\n"):
                if line:
                    key = json.loads(line)["key"]
                    answer = classify(key)
                    if answer is not None:
                        lines.append(json.dumps({"key": key, **answer}) + "\n")
            out = f"{target.removeprefix(bucket)}{folder}{shard}.out"
            self.storage.put_bytes(out, "".join(lines).encode(), "")
        self.transform.statuses[name] = status
        if status == "Failed":
            self.transform.reasons[name] = "AlgorithmError: the container died"

    def running(self) -> list[str]:
        return [n for n, status in self.transform.statuses.items() if status == "InProgress"]

    def settle(self, *batches: str) -> None:
        """Deliver messages, end jobs and let time pass until nothing more happens.

        A message whose function died is delivered again, as SQS does.
        """
        events = [names.batch_id(batch) for batch in batches]
        for _ in range(1000):
            events += [id for id, delay in self.queues.woken if delay == 0]
            later = [(id, delay) for id, delay in self.queues.woken if delay > 0]
            self.queues.woken[:] = later
            if events:
                id = events.pop(0)
                if not survived(partial(self.batches.reconcile, id.removeprefix("batch/"))):
                    events.append(id)
            elif self.queues.asked:
                fields = self.queues.asked.pop(0)
                if not survived(partial(self.writer.write, fields)):
                    self.queues.asked.append(fields)
            elif self.running():
                name = self.running()[0]
                survived(partial(self.end_job, name))
                self.transform.statuses[name] = "Completed"
                run = SageMakerNames("local").parse_transform(name)
                assert run is not None
                events.append(run.id)
            elif later:
                self.later(max(delay for _, delay in later))
                events += [id for id, _ in later]
                self.queues.woken.clear()
            else:
                return
        raise AssertionError("it never comes to rest")

    def status(self, batch: str) -> dict[str, Any]:
        return self.batches.status(batch)

    def result(self, batch: str, name: str) -> str:
        run = self.status(batch)["run"]
        return self.storage.get_bytes(f"results/{batch}/{run}/{name}").decode()


def survived(call: Callable[[], None]) -> bool:
    """Did it run to its end?"""
    try:
        call()
    except Killed:
        return False
    return True


def die() -> None:
    raise Killed
