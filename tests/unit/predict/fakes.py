"""Datasets and the SageMaker runtime, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.aws.endpoints import Answer
from chalicelib.errors import DatasetNotFound

ANSWER = b'{"label": "Bag", "probability": 0.98, "model_version": "0123456789ab-1"}'


class MemoryDatasets:
    """`champions` by dataset: a training job, or None while there is no model."""

    def __init__(self, **champions: str | None) -> None:
        self.champions = champions
        self.retrained: list[tuple[str, str | None, str]] = []
        self.pages: list[tuple[str, int, str | None]] = []
        self.decided: list[tuple[str, str, str, str, str | None]] = []
        self.rollbacks: list[tuple[str, str | None, str, str]] = []

    def status(self, name: str) -> dict[str, Any]:
        if name not in self.champions:
            raise DatasetNotFound(f"There is no dataset called {name}.")
        job = self.champions[name]
        return {
            "dataset": name,
            "phase": "Live" if job else "Training",
            "message": "serving" if job else "Epoch 3 of 8.",
            "endpoint": f"pigeonhole-local-{name}",
            "champion": None if job is None else {"training_job": job, "version": "a" * 64},
        }

    def list(self) -> list[dict[str, Any]]:
        return [self.status(name) for name in sorted(self.champions)]

    def retrain(self, name: str, request: str | None, who: str) -> dict[str, Any]:
        self.retrained.append((name, request, who))
        return self.status(name)

    def rollback(self, name: str, to: str | None, who: str, reason: str) -> dict[str, Any]:
        self.rollbacks.append((name, to, who, reason))
        return self.status(name)

    def approve(self, name: str, who: str, reason: str, version: str | None) -> dict[str, Any]:
        self.decided.append(("approve", name, who, reason, version))
        return self.status(name)

    def reject(self, name: str, who: str, reason: str, version: str | None) -> dict[str, Any]:
        self.decided.append(("reject", name, who, reason, version))
        return self.status(name)

    def history(self, name: str, limit: int, after: str | None) -> dict[str, Any]:
        self.status(name)
        self.pages.append((name, limit, after))
        return {"dataset": name, "versions": [], "next": None, "notices": []}

    def version(self, name: str, version: str, link: Callable[[str], str]) -> dict[str, Any]:
        self.status(name)
        return {"version": version, "reports": {"report": {"url": link(f"reports/{version}")}}}

    def report_key(self, name: str) -> str:
        return f"reports/{name}/{self.status(name)['champion']['training_job']}/index.html"


class MemoryRuntime:
    """Answers what it was made with, or raises it; `asked` is what it was called with.

    `first` are raised by the first calls, in order.
    """

    def __init__(self, answer: bytes | Exception = ANSWER, *first: Exception) -> None:
        self.answer = answer
        self.first = list(first)
        self.asked: list[tuple[str, bytes, str, str]] = []

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> Answer:
        self.asked.append((endpoint, body, content_type, accept))
        if self.first:
            raise self.first.pop(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(self.answer, "application/json")
