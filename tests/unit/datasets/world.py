"""Everything that flow 1 sees, in memory, and the means to move it on."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger

from chalicelib import names
from chalicelib.datasets.service import Datasets
from chalicelib.datasets.state import State
from chalicelib.settings import Settings
from tests.fakes.aws import MemoryNotifications, MemoryQueues, MemoryStorage, MemoryTable
from tests.fakes.sagemaker import (
    MemoryEndpoints,
    MemoryRegistry,
    MemoryRuntime,
    MemoryTraining,
    pack,
)
from tests.fakes.ticks import Ticks, survived

DATASET = "fm"
LIVE = f"pigeonhole-local-{DATASET}"
NEXT = f"{LIVE}-next"
CLASSES = ["0", "1"]
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
    serving_image="serving:1",
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


def row(label: str | int, value: float | str = 0, pixels: int = 64) -> str:
    """A CSV line of an 8 x 8 image."""
    return ",".join([str(label), *[str(value)] * pixels])


def csv(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def good(value: int = 0) -> bytes:
    """A small CSV that can train; another `value`, another version."""
    return csv(row(0, value), row(1, value), row(0, 255), row(1, 254))


@dataclass(frozen=True)
class Trained:
    """What a job measures: by default a fine model, as good as the champion."""

    accuracy: float = 0.85
    majority: float = 0.5
    rows: int = 1000
    difference: float = 0.0
    paired_rows: int = 1000
    recall: dict[str, float] = field(default_factory=lambda: {"0": 0.85, "1": 0.85})
    champion_recall: dict[str, float] = field(default_factory=lambda: {"0": 0.85, "1": 0.85})
    same_classes: bool = True


@dataclass(frozen=True)
class Broken:
    """A job that dies, or is stopped; `leaves` is what its output.tar.gz holds, if it has one."""

    reason: str
    status: str = "Failed"
    secondary: str = ""
    leaves: dict[str, bytes] | None = None


@dataclass
class World:
    now: datetime = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    tick: Ticks = field(default_factory=Ticks)
    results: list[Trained | Broken] = field(default_factory=list)  # of the coming jobs, in order
    judgings: list[Trained | Broken] = field(default_factory=list)  # of the judging jobs
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self.reports = {"reports/index.html": b"<!doctype html>"}  # of the coming jobs
        self.storage = MemoryStorage(SETTINGS.bucket, lambda: self.now, self.tick)
        self.table = MemoryTable(self.tick)
        self.queues = MemoryQueues(self.tick)
        self.training = MemoryTraining(self.tick)
        self.registry = MemoryRegistry(self.tick)
        self.endpoints = MemoryEndpoints(self.tick)
        self.endpoints.registry = self.registry
        self.runtime = MemoryRuntime(self.storage, self.registry, self.endpoints)
        self.notifications = MemoryNotifications(self.tick)
        self.log = io.StringIO()
        self.datasets = Datasets(
            settings=self.settings,
            table=self.table,
            storage=self.storage,
            queues=self.queues,
            training=self.training,
            registry=self.registry,
            endpoints=self.endpoints,
            runtime=self.runtime,
            notifications=self.notifications,
            clock=lambda: self.now,
            logger=Logger(service=f"test-{uuid4()}", stream=self.log),
        )

    # What people do

    def put(self, path: str, body: bytes) -> str:
        key = names.dataset_prefix(DATASET) + path
        self.storage.put_bytes(key, body, "")
        stored = self.storage.head(key)
        assert stored is not None
        return stored.version_id or ""

    def ready(self) -> str:
        return self.put("_READY", b"")

    def drop(self, body: bytes, path: str = "a.csv") -> dict[str, Any]:
        """Put a CSV and _READY, and let everything come to rest."""
        self.put(path, body)
        self.ready()
        return self.settle()

    def remove(self, path: str) -> None:
        self.storage.delete(names.dataset_prefix(DATASET) + path)

    # What the cloud does

    def reconcile(self) -> None:
        self.datasets.reconcile(DATASET)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def end_job(self, name: str) -> None:
        """The container's end: outputs in S3, then the status."""
        judges = "challenger" in self.training.jobs[name].hyperparameters
        coming = self.judgings if judges else self.results
        result = coming.pop(0) if coming else Trained()
        folder = f"models/{DATASET}/{name}/output/"
        if isinstance(result, Broken):
            self.tick.muted = True
            if result.leaves is not None:
                self.storage.put_bytes(folder + "output.tar.gz", pack(result.leaves), "")
            self.training.end(name, result.status, result.reason, result.secondary)
            self.tick.muted = False
            return
        self.tick.muted = True
        evaluation = json.dumps(self._evaluation(name, result)).encode()
        if judges:
            left = pack({"evaluation.json": evaluation})
            self.storage.put_bytes(folder + "output.tar.gz", left, "")
            self.training.end(name, "Completed")
            self.tick.muted = False
            return
        self.storage.put_bytes(
            folder + "output.tar.gz",
            pack({"history.json": b"[]", "evaluation.json": evaluation} | self.reports),
            "",
        )
        self.storage.put_bytes(folder + "model.tar.gz", pack(artifact(name)), "")
        self.training.end(name, "Completed")
        self.tick.muted = False

    def _evaluation(self, name: str, result: Trained) -> dict[str, Any]:
        champion = self._champion_of(name)
        challenger = self.training.jobs[name].hyperparameters.get("challenger")
        evaluation: dict[str, Any] = {
            "format": 1,
            "dataset_version": "…",
            "training_job": challenger or name,
            **({"judging_job": name} if challenger else {}),
            "heldout": {"rows": result.rows, "majority_share": result.majority},
            "challenger": {"accuracy": result.accuracy, "recall": result.recall},
            "champion": None,
            "paired": None,
        }
        if champion:
            evaluation["champion"] = {
                "training_job": champion,
                "same_classes": result.same_classes,
                "same_shape": True,
                "accuracy": result.accuracy - result.difference,
                "recall": result.champion_recall,
            }
            if result.same_classes:
                evaluation["paired"] = {
                    "rows": result.paired_rows,
                    "difference": result.difference,
                    "standard_error": 0.01,
                    "classes": paired_classes(result),
                }
        return evaluation

    def _champion_of(self, name: str) -> str | None:
        for channel in self.training.requests[name]["InputDataConfig"]:
            if channel["ChannelName"] == "champion":
                uri: str = channel["DataSource"]["S3DataSource"]["S3Uri"]
                return uri.split("/")[-3]
        return None

    def step(self) -> bool:
        """Deliver one message, or move one thing on. False when nothing is left to happen."""
        later = [(id, delay) for id, delay in self.queues.woken if delay > 0]
        if len(later) < len(self.queues.woken):
            self.queues.woken[:] = later
            self._call(self.reconcile)
        elif self.queues.asked:
            message = self.queues.asked.pop(0)
            [(kind, fields)] = message.items()
            worker = {"preflight": self.datasets.preflight, "reports": self.datasets.publish}[kind]
            if not survived(partial(worker, fields)):
                self.queues.asked.append(message)  # SQS delivers it again
        elif self.training.running():
            self.end_job(self.training.running()[0])
            self._call(self.reconcile)
        elif self.endpoints.advance():
            self._call(self.reconcile)
        elif later:
            self.later(min(delay for _, delay in later))
            self.queues.woken.remove(min(later, key=lambda message: message[1]))
            self._call(self.reconcile)
        else:
            return False
        return True

    def settle(self) -> dict[str, Any]:
        """Until nothing more happens; the status."""
        self._call(self.reconcile)
        for _ in range(500):
            if not self.step():
                return self.status()
        raise AssertionError(f"it never comes to rest: {self.status()}")

    def until(self, *phases: str) -> None:
        self._call(self.reconcile)
        while self.status()["phase"] not in phases:
            assert self.step(), f"at rest before {phases}: {self.status()}"

    def _call(self, function: Callable[[], None]) -> None:
        while not survived(function):
            pass  # SQS delivers the message again

    # What people see

    def status(self) -> dict[str, Any]:
        return self.datasets.status(DATASET)

    def state(self) -> State:
        item = self.table.get(names.dataset_id(DATASET))
        assert item is not None
        return State.from_json(item.state)

    def happened(self) -> dict[str, list[tuple[str, str | None]]]:
        """By version, what its history tells: kinds of events, and their jobs."""
        versions = [v["version"] for v in self.datasets.history(DATASET, 100, None)["versions"]]
        told = {v: self.datasets.version(DATASET, v, str)["events"] for v in versions}
        return {v: [(e["kind"], e.get("job")) for e in told[v]] for v in sorted(told)}

    def report(self) -> str:
        uri = self.status()["report"]
        return self.storage.get_bytes(uri.removeprefix(f"s3://{SETTINGS.bucket}/")).decode()

    @property
    def jobs(self) -> list[str]:
        return list(self.training.requests)


def paired_classes(result: Trained) -> dict[str, dict[str, int]]:
    """What a job says of each class: rows that one of the two models alone gets right."""
    rows = result.paired_rows // len(result.recall)
    gained = {
        name: round((recall - result.champion_recall[name]) * rows)
        for name, recall in result.recall.items()
        if name in result.champion_recall
    }
    return {
        name: {
            "rows": rows,
            "only_challenger_right": max(0, more),
            "only_champion_right": max(0, -more),
        }
        for name, more in gained.items()
    }


def artifact(job: str) -> dict[str, bytes]:
    golden = [
        {
            "png": base64.b64encode(f"{job} {i}".encode()).decode(),
            "label": "0",
            "probabilities": [0.75, 0.25],
        }
        for i in range(3)
    ]
    return {
        "model.onnx": b"\0" * 100,
        "model.json": json.dumps({"format": 1, "classes": CLASSES}).encode(),
        "golden.jsonl": "\n".join(json.dumps(line) for line in golden).encode(),
    }


def with_settings(**changes: Any) -> Settings:
    return replace(SETTINGS, **changes)
