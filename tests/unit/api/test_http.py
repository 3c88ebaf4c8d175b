"""The Lambda function as API Gateway calls it: events in, answers out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from chalice import Chalice
from chalice.deploy.validate import validate_route_content_types, validate_routes

from chalicelib import api, errors
from chalicelib.predict.choice import Choice
from chalicelib.predict.patience import Patience
from chalicelib.predict.service import Predictor
from tests.unit.predict.fakes import ANSWER, MemoryDatasets, MemoryRuntime

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FORM = "application/x-www-form-urlencoded"


class MemoryBatches:
    def status(self, batch: str) -> dict[str, Any]:
        if batch != "known":
            raise errors.BatchNotFound("Nothing has come for that batch.")
        return {"batch": batch, "phase": "Done"}


def hurried() -> Patience:
    """Whose time flies: no test waits."""
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    return Patience(clock=lambda: now[0], pause=pause)


class MemoryLinks:
    def to(self, key: str) -> str:
        return f"https://bucket.s3.amazonaws.com/{key}?X-Amz-Signature=0"


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


class Api:
    """The app with services in memory, called with API Gateway's own events."""

    def __init__(
        self, datasets: MemoryDatasets, runtime: MemoryRuntime, key_required: bool = False
    ) -> None:
        self.datasets, self.runtime = datasets, runtime
        predictor = Predictor(Choice(datasets, ""), lambda _left: runtime, hurried())
        services = api.Services("local", predictor, datasets, MemoryBatches(), MemoryLinks())
        self.app = Chalice("test", configure_logs=False)
        api.install(self.app, lambda: services, key_required=key_required)

    def call(
        self,
        method: str,
        resource: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        as_base64: bool = True,
        query: dict[str, list[str]] | None = None,
        **parameters: str,
    ) -> Answer:
        """`as_base64` False: the gateway took the body for text."""
        sent: str | None = None
        if body:
            sent = base64.b64encode(body).decode() if as_base64 else body.decode(errors="replace")
        event = {
            "resource": resource,
            "httpMethod": method,
            "headers": headers,
            "multiValueQueryStringParameters": query,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {"resourcePath": resource, "httpMethod": method, "path": resource},
            "body": sent,
            "isBase64Encoded": bool(body) and as_base64,
        }
        raw = self.app(event, None)
        assert not raw.get("isBase64Encoded")
        assert raw["headers"]["Content-Type"] == "application/json"
        return Answer(raw["statusCode"], json.loads(raw["body"]), raw["headers"])


@pytest.fixture
def calls() -> Api:
    return Api(MemoryDatasets(digits="job-1", later=None), MemoryRuntime())


def assert_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]) == (status, code), answer
    assert set(answer.body) == {"error", "message"}
    assert len(answer.body["message"]) > 20


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"Content-Type": "image/png", "Accept": "*/*"}, "image/png"),
        ({"content-type": "IMAGE/PNG"}, "image/png"),
        ({"Content-Type": "image/png", "Accept": "text/html"}, "image/png"),
        ({"Content-Type": FORM}, "application/octet-stream"),
        ({"Content-Type": f"{FORM}; charset=utf-8"}, "application/octet-stream"),
        ({"Content-Type": ""}, "application/octet-stream"),
        ({"Content-Type": "application/json"}, "application/octet-stream"),
        ({}, "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_predict_passes_the_containers_json(
    calls: Api, headers: dict[str, str] | None, asked: str
) -> None:
    answer = calls.call("POST", "/predict", PNG, headers)
    assert (answer.status, answer.body) == (200, json.loads(ANSWER))
    assert calls.runtime.asked == [("pigeonhole-local-digits", PNG, asked, "application/json")]


def test_predict_with_a_dataset(calls: Api) -> None:
    assert calls.call("POST", "/datasets/{name}/predict", PNG, None, name="digits").status == 200
    for name, status, code in (
        ("nowhere", 404, "dataset_not_found"),
        ("later", 409, "no_model"),
        ("Under_Score", 400, "name_refused"),
    ):
        answer = calls.call("POST", "/datasets/{name}/predict", PNG, None, name=name)
        assert_error(answer, status, code)
    assert len(calls.runtime.asked) == 1


def test_multipart_through_the_gateway(calls: Api) -> None:
    head = b'--XyZ\r\nContent-Disposition: form-data; name="i"; filename="a.png"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    assert calls.call("POST", "/predict", head + PNG + b"\r\n--XyZ--\r\n", headers).status == 200
    assert calls.runtime.asked[0][1] == PNG


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (None, "image/png", 400, "body_refused"),
        (b"\x89PNG\r\n\x1a\n" + bytes(4_000_000), "image/png", 413, "too_large"),
        (PNG, "application/pdf", 415, "unsupported_media_type"),
        (PNG, "*/*", 415, "unsupported_media_type"),
    ],
)
def test_bad_requests_say_what_to_do(
    calls: Api, body: bytes | None, content_type: str, status: int, code: str
) -> None:
    answer = calls.call("POST", "/predict", body, {"Content-Type": content_type})
    assert_error(answer, status, code)
    assert calls.runtime.asked == []


def test_csv_that_the_gateway_took_for_text(calls: Api) -> None:
    headers = {"Content-Type": "text/csv"}
    assert calls.call("POST", "/predict", b"1,2,3", headers, as_base64=False).status == 200


def test_image_that_the_gateway_took_for_text_is_told_the_header(calls: Api) -> None:
    answer = calls.call("POST", "/predict", PNG, {}, as_base64=False)
    assert_error(answer, 400, "body_refused")
    assert "application/octet-stream" in answer.body["message"]


def test_body_that_is_no_base64_is_a_400(calls: Api) -> None:
    raw = calls.app(
        {
            "headers": {"content-type": "image/png"},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {"resourcePath": "/predict", "httpMethod": "POST"},
            "body": "é",
            "isBase64Encoded": True,
        },
        None,
    )
    assert raw["statusCode"] == 400
    assert json.loads(raw["body"])["error"] == "body_refused"


@pytest.mark.parametrize(("status"), [400, 413, 415])
def test_what_the_container_refuses_comes_through(status: int) -> None:
    said = {"error": "bad_image", "message": "The PNG breaks off; send the whole file."}
    runtime = MemoryRuntime(errors.ModelError("424", status, json.dumps(said)))
    answer = Api(MemoryDatasets(digits="job"), runtime).call("POST", "/predict", PNG)
    assert (answer.status, answer.body) == (status, said)


def test_container_error_that_is_no_json_keeps_its_text() -> None:
    runtime = MemoryRuntime(errors.ModelError("424", 404, "<html>not found, says a proxy</html>"))
    answer = Api(MemoryDatasets(digits="job"), runtime).call("POST", "/predict", PNG)
    assert_error(answer, 404, "model_error")


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.ModelError("424", 500, '{"error": "internal_error"}'), "unavailable"),
        (errors.ModelNotReady("starting"), "model_not_ready"),
        (errors.Throttled("slow down"), "throttled"),
        (errors.Unavailable("read timeout"), "unavailable"),
        (errors.ResourceNotFound("Endpoint pigeonhole-local-digits not found"), "unavailable"),
    ],
)
def test_passing_trouble_is_503_with_retry_after(raised: Exception, code: str) -> None:
    answer = Api(MemoryDatasets(digits="job"), MemoryRuntime(raised)).call("POST", "/predict", PNG)
    assert_error(answer, 503, code)
    assert int(answer.headers["Retry-After"]) > 0
    assert "try again" in answer.body["message"].lower()


def test_trouble_of_our_own_does_not_show_its_insides() -> None:
    app = Api(MemoryDatasets(digits="job"), MemoryRuntime(KeyError("secret")))
    app.app.log.disabled = True
    answer = app.call("POST", "/predict", PNG)
    assert_error(answer, 500, "internal_error")
    assert "secret" not in str(answer.body)


def test_several_champions_list_the_choices() -> None:
    answer = Api(MemoryDatasets(a="job-a", b="job-b"), MemoryRuntime()).call(
        "POST", "/predict", PNG
    )
    assert_error(answer, 409, "dataset_not_chosen")
    assert "/datasets/a/predict" in answer.body["message"]


def test_reading_and_retraining(calls: Api) -> None:
    listed = calls.call("GET", "/datasets").body["datasets"]
    assert [d["dataset"] for d in listed] == ["digits", "later"]
    assert calls.call("GET", "/datasets/{name}", name="digits").body["phase"] == "Live"
    assert_error(calls.call("GET", "/datasets/{name}", name="x"), 404, "dataset_not_found")
    for headers in (None, {"Content-Type": FORM}):
        answer = calls.call("POST", "/datasets/{name}/retrain", b"", headers, name="digits")
        assert (answer.status, answer.body["dataset"]) == (202, "digits")
    wish = b'{"id": "monday", "by": "anna"}'
    calls.call("POST", "/datasets/{name}/retrain", wish, name="digits")
    assert calls.datasets.retrained == [
        *2 * [("digits", None, "somebody")],
        ("digits", "monday", "anna"),
    ]
    wish = b'{"to": "0123abcd", "reason": "bags for coats", "by": "anna"}'
    for body, to, who in ((wish, "0123abcd", "anna"), (b"", None, "somebody")):
        answer = calls.call("POST", "/datasets/{name}/rollback", body, name="digits")
        assert (answer.status, answer.body["dataset"]) == (202, "digits")
        assert calls.datasets.rollbacks[-1][:3] == ("digits", to, who)
    assert calls.call("GET", "/batches/{name}", name="known").body["phase"] == "Done"
    assert_error(calls.call("GET", "/batches/{name}", name="other"), 404, "batch_not_found")
    index = calls.call("GET", "/").body
    assert (index["name"], index["stage"]) == ("pigeonhole", "local")


def test_wrong_method_is_ours_too(calls: Api) -> None:
    answer = calls.call("DELETE", "/datasets")
    assert_error(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("key_required", [True, False])
def test_chalice_can_package_the_routes(key_required: bool) -> None:
    calls = Api(MemoryDatasets(), MemoryRuntime(), key_required)
    app = calls.app
    validate_routes(app.routes)
    validate_route_content_types(app.routes, app.api.binary_types)
    entries = [entry for methods in app.routes.values() for entry in methods.values()]
    assert len(entries) == 1 + len(calls.call("GET", "/").body["links"])  # each is told of
    assert {bool(entry.api_key_required) for entry in entries} == {key_required}
    assert "*/*" in app.api.binary_types
    assert set(entries[0].content_types) <= set(app.api.binary_types)


def test_history_comes_in_pages(calls: Api) -> None:
    assert calls.call("GET", "/datasets/{name}/history", name="digits").status == 200
    query = {"limit": ["5"], "after": ["abcd"]}
    calls.call("GET", "/datasets/{name}/history", query=query, name="digits")
    assert calls.datasets.pages == [("digits", 20, None), ("digits", 5, "abcd")]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "1e3", "٣", "9" * 5000])
def test_a_page_of_no_size_is_refused(calls: Api, limit: str) -> None:
    query = {"limit": [limit]}
    answer = calls.call("GET", "/datasets/{name}/history", query=query, name="digits")
    assert_error(answer, 400, "input_refused")


def test_a_version_s_reports_are_links(calls: Api) -> None:
    resource = "/datasets/{name}/history/{version}"
    answer = calls.call("GET", resource, name="digits", version="abcd")
    url = "https://bucket.s3.amazonaws.com/reports/abcd?X-Amz-Signature=0"
    assert answer.body == {"version": "abcd", "reports": {"report": {"url": url}}}
    assert_error(calls.call("GET", resource, name="no", version="abcd"), 404, "dataset_not_found")


def test_text_goes_out_as_text_whatever_the_caller_accepts() -> None:
    """Real API Gateway hands base64 on undecoded where Accept fits no binary type."""
    runtime = MemoryRuntime('{"label": "Tasche 👜"}'.encode())
    answer = Api(MemoryDatasets(digits="job"), runtime).call(
        "POST", "/predict", PNG, {"Accept": ""}
    )
    assert answer.body == {"label": "Tasche 👜"}


def test_a_dataset_s_report_is_one_redirect_away(calls: Api) -> None:
    answer = calls.call("GET", "/datasets/{name}/report", name="digits")
    url = "https://bucket.s3.amazonaws.com/reports/digits/job-1/index.html?X-Amz-Signature=0"
    assert (answer.status, answer.headers["Location"]) == (302, url)
    assert answer.body == {"report": url}
    missing = calls.call("GET", "/datasets/{name}/report", name="nothing")
    assert (missing.status, missing.body["error"]) == (404, "dataset_not_found")
