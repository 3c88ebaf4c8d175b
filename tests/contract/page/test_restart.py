"""The page over a stop and a start of the cloud, and of the containers of an endpoint."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

from localcloud.sagemaker.store import Kind
from tests.contract.localcloud.clouds import wait_for
from tests.contract.page.world import JOBS, World


def test_an_open_page_does_not_hold_up_the_end_and_old_lines_are_found_again(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "home")
    try:
        world.start()
        name = world.train("accuracy=0.5", "the last line")
        world.has_ended(name)
        logs = world.cloud.client("logs")
        wait_for(
            lambda: logs.filter_log_events(logGroupName=JOBS)["events"][-1:], "the logs are sent"
        )
        port = world.cloud.ports.sagemaker
        pages = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(3)]
        for page in pages:
            page.request("GET", "/_pigeonhole/state")
            assert page.getresponse().read()
        last = world.logs(JOBS, name)["next"]
        assert world.cloud.stop() == 0
        # What uvicorn logs when requests are still open after its patience.
        assert "graceful shutdown exceeded" not in world.cloud.home.log.read_text()
        assert [page.sock.recv(1) for page in pages] == [b""] * 3  # and nobody is left hanging
        world.cloud.start()
        again = world.train("of this run")
        world.has_ended(again)
        assert [line["text"] for line in world.logs(JOBS, again, last)["lines"]] == ["of this run"]
        lines = world.logs(JOBS, name)["lines"]
        assert [line["text"] for line in lines] == ["accuracy=0.5", "the last line"]
        (_, job) = world.state()["training"]
        assert (job["name"], job["metrics"][0]["last"]) == (name, 0.5)
        assert world.state()["totals"][str(Kind.TRAINING_JOB)] == {"Completed": 2}
    finally:
        world.cloud.close()


def test_scaling_to_zero_and_the_cold_start_after_it_are_shown(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    try:
        world.start(PIGEONHOLE_SERVERLESS_IDLE_SECONDS="0.5")
        world.endpoint("shoes")

        def variant() -> Any:
            return world.state()["endpoints"][0]["variants"][0]

        wait_for(lambda: variant()["containers"] == 0, "scaled to zero")
        assert variant()["setup_us"] is None
        world.runtime.invoke_endpoint(EndpointName="shoes", Body=b"hi", ContentType="text/csv")
        told = wait_for(lambda: variant()["setup_us"] and variant(), "the cold start")
        assert told["setup_us"] > 0
        assert told["setup_at"] > 0
        assert told["invocations"] == 1
    finally:
        world.cloud.close()
