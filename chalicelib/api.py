"""The HTTP API's routes: parse, call one function, return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalice.app import Blueprint, Chalice

from chalicelib import http
from chalicelib.aws.links import Links
from chalicelib.predict import payload
from chalicelib.predict.choice import DatasetStatuses
from chalicelib.predict.service import Predictor

PAGE = 20  # versions of a history's answer


class Datasets(DatasetStatuses, Protocol):
    """What the API needs of flow 1."""

    def rollback(self, name: str, to: str | None, who: str, reason: str) -> Mapping[str, Any]:
        """Bring an earlier model live again; the status. Raises DatasetNotFound, Conflict."""

    def retrain(self, name: str, request: str | None, who: str) -> Mapping[str, Any]:
        """Train the present version once more; the status. Raises DatasetNotFound, Conflict."""

    def history(self, name: str, limit: int, after: str | None) -> Mapping[str, Any]:
        """What happened to its versions. Raises DatasetNotFound, VersionNotFound."""

    def version(self, name: str, version: str, link: Callable[[str], str]) -> Mapping[str, Any]:
        """All of one version. Raises DatasetNotFound, VersionNotFound, Conflict."""

    def approve(self, name: str, who: str, reason: str, version: str | None) -> Mapping[str, Any]:
        """What waits for a person goes on; the status. Raises DatasetNotFound, VersionNotFound,
        Conflict."""

    def reject(self, name: str, who: str, reason: str, version: str | None) -> Mapping[str, Any]:
        """What waits for a person does not; the status. As `approve`."""

    def report_key(self, name: str) -> str:
        """Where the newest report lies. Raises DatasetNotFound, ReportNotFound."""


class Batches(Protocol):
    """What the API needs of flow 3."""

    def status(self, batch: str) -> Mapping[str, Any]:
        """Raises NameRefused, BatchNotFound."""


@dataclass(frozen=True)
class Services:
    """Who answers."""

    stage: str
    predictor: Predictor
    datasets: Datasets
    batches: Batches
    links: Links


def install(app: Chalice, services: Callable[[], Services], *, key_required: bool) -> None:
    """Register routes, middleware and binary types. `services` is called in requests alone."""
    app.api.binary_types = list(http.BINARY_TYPES)
    app.register_middleware(http.frame, "http")
    app.register_blueprint(routes(services, key_required=key_required))


def routes(services: Callable[[], Services], *, key_required: bool) -> Blueprint:
    """All routes. `key_required` makes API Gateway ask for an API key."""
    blueprint = Blueprint(__name__)

    def route(path: str, method: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            options = {
                "methods": [method],
                "api_key_required": key_required,
                "content_types": list(payload.ACCEPTED),
            }
            registered: Callable[..., Any] = blueprint.route(path, **options)(
                http.answers_errors(view)
            )
            return registered

        return register

    def ask(dataset: str | None) -> http.JsonResponse:
        request = blueprint.current_request
        content_type = request.headers.get("content-type", "")
        said = services().predictor.predict(dataset, http.body_of(request), content_type)
        return http.answer(said.body.decode())

    @route("/", "GET")
    def index() -> dict[str, Any]:
        return {
            "name": "pigeonhole",
            "stage": services().stage,
            "links": {
                "predict": "POST /predict",
                "predict_with": "POST /datasets/{name}/predict",
                "datasets": "GET /datasets",
                "dataset": "GET /datasets/{name}",
                "report": "GET /datasets/{name}/report",
                "history": "GET /datasets/{name}/history",
                "version": "GET /datasets/{name}/history/{version}",
                "rollback": "POST /datasets/{name}/rollback",
                "retrain": "POST /datasets/{name}/retrain",
                "approve": "POST /datasets/{name}/approve",
                "reject": "POST /datasets/{name}/reject",
                "batch": "GET /batches/{name}",
            },
        }

    @route("/predict", "POST")
    def predict() -> http.JsonResponse:
        return ask(None)

    @route("/datasets/{name}/predict", "POST")
    def predict_with(name: str) -> http.JsonResponse:
        return ask(name)

    @route("/datasets", "GET")
    def list_datasets() -> dict[str, Any]:
        return {"datasets": list(services().datasets.list())}

    @route("/datasets/{name}", "GET")
    def describe_dataset(name: str) -> Mapping[str, Any]:
        return services().datasets.status(name)

    @route("/datasets/{name}/report", "GET")
    def report(name: str) -> http.JsonResponse:
        url = services().links.to(services().datasets.report_key(name))
        return http.answer({"report": url}, 302, {"Location": url})

    @route("/datasets/{name}/history", "GET")
    def history(name: str) -> Mapping[str, Any]:
        asked: Mapping[str, str] = blueprint.current_request.query_params or {}
        limit = http.whole_number(asked, "limit", PAGE)
        return services().datasets.history(name, limit, asked.get("after"))

    @route("/datasets/{name}/history/{version}", "GET")
    def version(name: str, version: str) -> Mapping[str, Any]:
        return services().datasets.version(name, version, services().links.to)

    @route("/datasets/{name}/rollback", "POST")
    def rollback(name: str) -> http.JsonResponse:
        wish, who = http.wish_of(blueprint.current_request)
        to = (wish.get("to") or "").strip() or None
        status = services().datasets.rollback(name, to, who, wish.get("reason") or "")
        return http.answer(status, 202)

    @route("/datasets/{name}/retrain", "POST")
    def retrain(name: str) -> http.JsonResponse:
        wish, who = http.wish_of(blueprint.current_request)
        return http.answer(services().datasets.retrain(name, wish.get("id"), who), 202)

    @route("/datasets/{name}/approve", "POST")
    def approve(name: str) -> http.JsonResponse:
        wish, who = http.wish_of(blueprint.current_request)
        reason, version = wish.get("reason") or "", wish.get("version") or None
        return http.answer(services().datasets.approve(name, who, reason, version), 202)

    @route("/datasets/{name}/reject", "POST")
    def reject(name: str) -> http.JsonResponse:
        wish, who = http.wish_of(blueprint.current_request)
        reason, version = wish.get("reason") or "", wish.get("version") or None
        return http.answer(services().datasets.reject(name, who, reason, version), 202)

    @route("/batches/{name}", "GET")
    def describe_batch(name: str) -> Mapping[str, Any]:
        return services().batches.status(name)

    return blueprint
