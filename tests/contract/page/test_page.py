"""The page and its JSON, over HTTP, on a local cloud with real jobs."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import urllib3

from tests.contract.localcloud.clouds import wait_for
from tests.contract.page.world import JOBS, World

PAGES = ("/", "/_pigeonhole/page.css", "/_pigeonhole/page.js", "/_pigeonhole/tree.js")
SCRIPT = "<script>document.title = 'owned'</script>"


def job(world: World, name: str) -> dict[str, Any]:
    return next((j for j in world.state()["training"] if j["name"] == name), {})


@pytest.mark.parametrize("path", [*PAGES, "/_pigeonhole/state", "/favicon.ico"])
def test_everything_is_served_with_a_strict_policy(world: World, path: str) -> None:
    answer = world.get(path)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_page_loads_nothing_from_elsewhere(world: World) -> None:
    for path in PAGES:
        text = world.get(path).data.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text.replace("forbids innerHTML", "")


@pytest.mark.parametrize("path", [*PAGES, "/_pigeonhole/state", "/_pigeonhole/logs?group=a&name=b"])
def test_a_name_that_is_not_the_loopbacks_is_refused(world: World, path: str) -> None:
    for host in ("evil.test", f"evil.test:{world.cloud.ports.sagemaker}"):
        answer = world.get(path, Host=host, Origin="http://evil.test")
        assert answer.status == 403
        assert b"training" not in answer.data
    assert world.get(path, Host="localhost:1").status == 200


def test_a_request_without_a_host_is_refused(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.cloud.ports.sagemaker), 5) as connection:
        connection.sendall(b"GET /_pigeonhole/state HTTP/1.0\r\n\r\n")
        assert b" 403 " in connection.makefile("rb").readline()


def test_nothing_can_be_changed_through_it(world: World) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = urllib3.request(method, f"{world.url}/_pigeonhole/state", retries=False)
        assert answer.status in (404, 405)


def test_the_api_stays_where_it_was(world: World) -> None:
    assert world.api.list_models()["Models"] == []


def test_nothing_new_is_said_by_304(world: World) -> None:
    first = world.get("/_pigeonhole/state")
    again = world.get("/_pigeonhole/state", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.data) == (304, b"")
    world.has_ended(world.train("hello"))

    def changed() -> bool:
        etag = {"If-None-Match": first.headers["ETag"]}
        return world.get("/_pigeonhole/state", **etag).status == 200

    wait_for(changed, "another answer")


def test_a_running_job_is_shown_with_its_metrics_and_its_lines(world: World) -> None:
    name = world.train("accuracy=0.5", "accuracy=0.75", SCRIPT, wait=True)
    wait_for(lambda: len(world.logs(JOBS, name)["lines"]) == 3, "its lines")
    told = wait_for(lambda: job(world, name).get("metrics") and job(world, name), "its metrics")
    assert (told["status"], told["secondary"]) == ("InProgress", "Training")
    (metric,) = told["metrics"]
    assert (metric["name"], metric["last"]) == ("accuracy", 0.75)
    assert [value for _, value in metric["points"]] == [0.5, 0.75]
    answer = world.logs(JOBS, name)
    assert [line["text"] for line in answer["lines"]] == ["accuracy=0.5", "accuracy=0.75", SCRIPT]
    assert answer["lines"][0]["stream"].startswith("algo-1-")
    assert len(answer["containers"]) == 1
    assert world.logs(JOBS, name, answer["next"])["lines"] == []
    world.end(name)
    assert world.logs(JOBS, name)["containers"] == []
    wait_for(lambda: job(world, name)["status"] == "Stopped", "the page says so")


def test_a_failed_job_says_why(world: World) -> None:
    name = world.train(fail="data changed: <b>a.csv</b>")
    world.has_ended(name)
    told = wait_for(lambda: job(world, name).get("reason"), "the reason")
    assert told.startswith("AlgorithmError: data changed: <b>a.csv</b>")


def test_an_endpoint_its_registry_and_its_events_are_shown(world: World) -> None:
    world.endpoint("shoes-live")
    world.runtime.invoke_endpoint(EndpointName="shoes-live", Body=b"hi", ContentType="text/csv")

    def told() -> Any:
        found = world.state()["endpoints"]
        return found[0] if found and found[0]["variants"][0]["invocations"] else None

    endpoint = wait_for(told, "the call is counted")
    (variant,) = endpoint["variants"]
    assert endpoint["status"] == "InService"
    assert variant["serverless"]["memory_mb"] == 2048
    assert (variant["containers"], variant["invocations"], variant["errors"]) == (1, 1, 0)
    assert variant["latency_us"] > 0
    state = world.state()
    assert state["groups"][0]["versions"][0]["approval"] == "Approved"
    assert [model["name"] for model in state["models"]] == ["shoes-live"]
    seen = [(e["type"], e["name"], e["status"]) for e in state["events"]]
    assert ("SageMaker Endpoint State Change", "shoes-live", "IN_SERVICE") in seen
    lines = world.logs("/aws/sagemaker/Endpoints/shoes-live", "shoes-live")["lines"]
    assert any("serving as good" in line["text"] for line in lines)


def test_an_event_names_the_targets_that_it_reached(world: World) -> None:
    sqs, events = world.cloud.client("sqs"), world.cloud.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="all", EventPattern='{"source": ["aws.sagemaker"]}')
    events.put_targets(Rule="all", Targets=[{"Id": "q", "Arn": arn["QueueArn"]}])
    name = world.train()
    world.has_ended(name)

    def reached() -> Any:
        own = [e for e in world.state()["events"] if e["name"] == name]
        return next((e for e in own if e["deliveries"]), None)

    (delivery,) = wait_for(reached, "an event that was delivered")["deliveries"]
    assert (delivery["target"], delivery["outcome"]) == ("heard", "delivered")


def test_trouble_in_force_is_shown(world: World) -> None:
    urllib3.request(
        "POST",
        f"{world.url}/_pigeonhole/trouble",
        json={"kind": "throttle", "on": "CreateModel", "times": 2},
    )
    try:
        rules = wait_for(lambda: world.state()["trouble"], "the rule")
        assert [(r["kind"], r["on"], r["times"]) for r in rules] == [("throttle", "CreateModel", 2)]
    finally:
        urllib3.request("DELETE", f"{world.url}/_pigeonhole/trouble")
    wait_for(lambda: not world.state()["trouble"], "no more trouble")


@pytest.mark.parametrize(
    "query", ["", "?group=a", "?group=a&name=b&after=x", "?name=b", "?after=-1"]
)
def test_a_bad_question_about_logs_is_told_so(world: World, query: str) -> None:
    answer = world.get(f"/_pigeonhole/logs{query}")
    assert answer.status == 400
    assert answer.json()["error"] == "bad_request"


def test_a_job_that_never_was_has_no_lines(world: World) -> None:
    assert world.logs(JOBS, "nobody")["lines"] == []
