"""A steady load of requests across ten updates on bad days: none fails, and none is answered by
anything but one of the two models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local import rows
from tests.local.conftest import Answer, Cloud, wait_for

DATASET = "updates"
LIVE = f"pigeonhole-local-{DATASET}"
UPDATES = 10
SILENT = 4  # this update is rolled back by SageMaker without a word
PNG = rows.picture(rows.sample("test")[1][0])[1]
TROUBLE = (
    ("throttle", "--on", "InvokeEndpoint", "--times", "12"),
    ("error-500", "--on", "InvokeEndpoint", "--skip", "40", "--times", "4"),
    ("slow-start", "--on", f"{LIVE}*", "--times", "3", "--seconds", "2"),
)


class Load:
    """Callers of the API, each asking again as soon as it is answered and a moment has passed."""

    def __init__(self, cloud: Cloud, callers: int = 2) -> None:
        self.answers: list[Answer] = []
        self._cloud = cloud
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._over.is_set():
            path = f"/datasets/{DATASET}/predict"
            self.answers.append(self._cloud.http("POST", path, PNG, {"Content-Type": "image/png"}))
            time.sleep(0.1)


@pytest.fixture(scope="module")
def models(cloud: Cloud) -> tuple[str, str]:
    """Two models, both once live: the training jobs, the live one last."""
    cloud.put(f"datasets/{DATASET}/dataset.json", rows.settings())
    cloud.put(f"datasets/{DATASET}/a_test.csv", rows.csv("test", 400))
    jobs = []
    for count in (1000, 1500):
        cloud.put(f"datasets/{DATASET}/a_train.csv", rows.csv("train", count))
        status = cloud.settled(DATASET, cloud.ready(DATASET))
        if status["outcome"] != "Live":  # so small a model may be weak at one class
            cloud.http("POST", f"/datasets/{DATASET}/approve", b'{"by": "tests"}')
        jobs.append(str(status["training_job"]))
        wait_for(lambda: champion(cloud) == jobs[-1], "the model", 120, cloud.why(DATASET))
    return jobs[0], jobs[1]


def champion(cloud: Cloud) -> str | None:
    found = cloud.dataset(DATASET)["champion"]
    return None if found is None else str(found["training_job"])


@pytest.fixture
def bad_days(cloud: Cloud) -> Iterator[None]:
    for rule in TROUBLE:
        cloud.command("trouble", "add", *rule)
    yield
    cloud.command("trouble", "clear")


def rolled_back(cloud: Cloud, to: str) -> dict[str, Any]:
    """How the rollback to this job ended."""
    wish = f'{{"to": "{to}", "reason": "under load", "by": "tests"}}'.encode()
    answer = cloud.http("POST", f"/datasets/{DATASET}/rollback", wish)
    assert answer.status == 202, answer
    asked = answer.body["change"]["asked"]

    def over() -> dict[str, Any] | None:
        change: dict[str, Any] = cloud.dataset(DATASET)["change"]
        assert change["asked"] == asked
        return change if change["outcome"] else None

    return wait_for(over, f"the rollback to {to}", 180, cloud.why(DATASET))


@pytest.mark.usefixtures("bad_days")
def test_no_request_fails_across_ten_updates(cloud: Cloud, models: tuple[str, str]) -> None:
    live = models[1]
    with Load(cloud) as load:
        for number in range(UPDATES):
            to = next(job for job in models if job != live)
            if number == SILENT:
                # Its config may be asked for once more where who asked died before noting it.
                cloud.command("trouble", "add", "rollback", "--on", LIVE, "--times", "3")
            change = rolled_back(cloud, to)
            assert change["outcome"] == ("Failed" if number == SILENT else "Live"), change
            if number == SILENT:
                cloud.command("trouble", "clear")
            live = live if number == SILENT else to
            assert champion(cloud) == live
            config = cloud.client("sagemaker").describe_endpoint(EndpointName=LIVE)
            assert config["EndpointConfigName"] == live
    failed = [answer for answer in load.answers if answer.status != 200]
    assert not failed, f"{len(failed)} of {len(load.answers)}: {failed[:3]}"
    versions = {job.removeprefix(f"{LIVE}-") for job in models}
    assert {answer.body["model_version"] for answer in load.answers} == versions
    assert len(load.answers) > UPDATES
