"""A dataset that trains in seconds, is dropped in the middle of trouble, and held to its promises.

Its data go A → B → A: what was trained once is judged, verified and deployed again without a
training, in seconds, so that nearly every step of the flow can be disturbed many times.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from localcloud.trouble import Rule, Rules
from tests.local.conftest import Cloud, wait_for

ALL = os.environ.get("PIGEONHOLE_TROUBLE") == "all"  # all there is, not CI's part of it
SIDE = 8  # pixels
TRAIN_ROWS, TEST_ROWS = 200, 210  # fewer held-out rows than 200: a person would have to approve
AFTERMATH = 20  # s, for what a run leaves behind it to be written
PATIENCE = 900  # s, until a drop must have come to rest


@cache
def rows(count: int, seed: int) -> bytes:
    """A CSV of two classes, dark and bright, that every model tells apart."""
    dealt = random.Random(seed)
    lines = [",".join(["label", *(f"p{i}" for i in range(SIDE * SIDE))])]
    for number in range(count):
        label = number % 2
        pixels = (40 + 150 * label + dealt.randint(-30, 30) for _ in range(SIDE * SIDE))
        lines.append(",".join(map(str, [label, *pixels])))
    return "\n".join([*lines, ""]).encode()


class Subject:
    """One dataset, and what it was given so far. `name` must stand in no other name."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.rules = Rules(cloud.home / "trouble.db")
        self.jobs: set[str] = set()
        self.data = 0  # what was put last
        settings = {"hyperparameters": {"epochs": 2}}
        cloud.put(f"datasets/{name}/dataset.json", json.dumps(settings).encode())
        cloud.put(f"datasets/{name}/a_test.csv", rows(TEST_ROWS, 0))

    def put(self, data: int) -> None:
        """Upload data number so much."""
        self.cloud.put(f"datasets/{self.name}/a_train.csv", rows(TRAIN_ROWS, data))
        self.data = data

    def drop(
        self, data: int, trouble: Iterable[Rule] = (), aftermath: float = AFTERMATH
    ) -> tuple[dict[str, Any], list[Rule]]:
        """Drop data number so much, live through the trouble, and check what must be true.

        Gives the status and the rules that never struck; they are ended.
        """
        added = [self.rules.add(replace(rule)).number for rule in trouble]
        self.put(data)
        status = self.cloud.settled(self.name, self.cloud.ready(self.name), PATIENCE)
        self.check(status)
        # A run's record is written, and told of, behind the status.
        with suppress(pytest.fail.Exception):
            wait_for(lambda: not self._unused(added), "the trouble to strike", aftermath)
        left = self._unused(added)
        for rule in self.rules.all():
            if rule.number in added:
                self.rules.clear(rule.number)
        return status, left

    def _unused(self, numbers: list[int]) -> list[Rule]:
        return [r for r in self.rules.all() if r.number in numbers and not r.used]

    def check(self, status: dict[str, Any]) -> None:
        """One job a version, one registered model a job, and the right champion, live."""
        trained_now = f"pigeonhole-local-{self.name}-{status['version'][:12]}-1"
        assert status["outcome"] in ("Live", "AlreadyTrained"), status
        assert status["champion"]["training_job"] == trained_now, status
        self.jobs.add(trained_now)
        assert sorted(self.cloud.training_jobs(self.name)) == sorted(self.jobs)
        sagemaker = self.cloud.client("sagemaker")
        packages = sagemaker.list_model_packages(
            ModelPackageGroupName=f"pigeonhole-local-{self.name}"
        )["ModelPackageSummaryList"]
        assert len(packages) == len(self.jobs)
        endpoint = sagemaker.describe_endpoint(EndpointName=f"pigeonhole-local-{self.name}")
        assert endpoint["EndpointStatus"] == "InService"
        assert endpoint["EndpointConfigName"] == trained_now
        wait_for(self.alone, f"the verification endpoint of {self.name} to go")

    def alone(self) -> bool:
        """Is the live endpoint the only one?"""
        listed = self.cloud.client("sagemaker").list_endpoints(
            NameContains=f"pigeonhole-local-{self.name}"
        )
        return len(listed["Endpoints"]) == 1


@contextmanager
def sweeping(cloud: Cloud, seconds: float) -> Iterator[None]:
    """Sweeps so often, not every five minutes."""
    sqs, url, over = cloud.client("sqs"), cloud.output("EventsQueueUrl"), threading.Event()

    def sweep() -> None:
        while not over.wait(seconds):
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"sweep": True}))

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def given_up(cloud: Cloud, *names: str) -> list[dict[str, Any]]:
    """The messages about these datasets in the dead-letter queues."""
    listed: list[dict[str, Any]] = json.loads(cloud.command("dead-letters", "--json").stdout)
    return [letter for letter in listed if any(name in letter["body"] for name in names)]


def nothing_given_up(cloud: Cloud, *names: str) -> None:
    """No message about these datasets lies in a dead-letter queue; else the failure shows why."""
    assert given_up(cloud, *names) == []


def nothing_lost(cloud: Cloud, *names: str) -> None:
    """A death takes the other messages of its batch with it, so that one may be given up by others'
    deaths: then it says so, and sent back it changes nothing."""
    letters = given_up(cloud, *names)
    if not letters:
        return
    assert all("killed" in letter["cause"] for letter in letters), letters
    before = {name: (cloud.dataset(name)["champion"], cloud.training_jobs(name)) for name in names}
    cloud.command("replay", *(letter["id"] for letter in letters))
    wait_for(lambda: not given_up(cloud, *names), "the messages to be sent back")
    wait_for(lambda: all(cloud.dataset(name)["settled"] for name in names), "all to be settled")
    after = {name: (cloud.dataset(name)["champion"], cloud.training_jobs(name)) for name in names}
    assert after == before
