"""`pigeonhole logs`: whose, in which order, and nothing that a terminal would obey."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from cli.commands.logs import Source, find, show, until_over
from cli.errors import CliError
from cli.training_log import Log

GROUP = "/aws/sagemaker/TrainingJobs"


class NotFound(Exception):
    """CloudWatch Logs' ResourceNotFoundException."""


class Exceptions:
    ResourceNotFoundException = NotFound


class Logs:
    """Streams of one group; a page of streams an answer, events from a position on."""

    exceptions = Exceptions

    def __init__(self, group: str = GROUP) -> None:
        self.group = group
        self.streams: dict[str, list[tuple[int, str]]] = {}

    def describe_log_streams(
        self, logGroupName: str, logStreamNamePrefix: str = "", nextToken: str = "0"
    ) -> dict[str, Any]:
        if logGroupName != self.group:
            raise NotFound
        names = sorted(name for name in self.streams if name.startswith(logStreamNamePrefix))
        at = int(nextToken)
        more = {"nextToken": str(at + 1)} if at + 1 < len(names) else {}
        return {"logStreams": [{"logStreamName": name} for name in names[at : at + 1]], **more}

    def get_log_events(
        self, logGroupName: str, logStreamName: str, startFromHead: bool, nextToken: str = "0"
    ) -> dict[str, Any]:
        events = self.streams[logStreamName][int(nextToken) :]
        found = [{"timestamp": at, "message": text} for at, text in events]
        return {"events": found, "nextForwardToken": str(len(self.streams[logStreamName]))}


def screen() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200, markup=False, highlight=False), out


def test_the_lines_of_several_hosts_come_by_time_and_each_once() -> None:
    logs = Logs()
    logs.streams = {
        "job/algo-1-5": [(1, "one"), (3, "three")],
        "job/algo-2-5": [(2, "two\n")],
        "job-2/algo-1-5": [(1, "of another job")],
    }
    log = Log(logs, GROUP, "job")
    assert [(line.stream, line.text) for line in log.new()] == [
        ("algo-1-5", "one"),
        ("algo-2-5", "two"),
        ("algo-1-5", "three"),
    ]
    assert log.new() == []
    logs.streams["job/algo-1-5"].append((4, "four"))
    assert [line.text for line in log.new()] == ["four"]


def test_an_endpoint_has_a_group_of_its_own_and_may_have_said_nothing() -> None:
    logs = Logs("/aws/sagemaker/Endpoints/e")
    logs.streams = {"Blue/1": [(2, "b")], "Green/2": [(1, "g")]}
    assert [line.text for line in Log(logs, "/aws/sagemaker/Endpoints/e").new()] == ["g", "b"]
    assert Log(logs, "/aws/sagemaker/Endpoints/other").new() == []


def test_what_a_job_prints_cannot_steer_the_terminal() -> None:
    logs = Logs()
    logs.streams["job/algo-1"] = [
        (1, "\x1b[31mred\x1b[0m [bold]x[/bold]\tend"),
        (2, "\x1b]0;t\x07"),
    ]
    console, out = screen()
    assert show(Log(logs, GROUP, "job"), console) == 2
    assert out.getvalue() == "red [bold]x[/bold]    end\n\\x1b]0;t\\x07\n"


def test_following_ends_with_the_job_and_misses_nothing() -> None:
    logs = Logs()
    logs.streams["job/algo-1"] = []
    statuses = iter(["InProgress", "InProgress"])
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        logs.streams["job/algo-1"].append((len(slept), f"line {len(slept)}"))

    source = Source("job", (GROUP, "job"), lambda: next(statuses, "Completed"))
    console, out = screen()
    until_over(Log(logs, GROUP, "job"), source, console, sleep)
    assert out.getvalue().splitlines() == ["line 1", "line 2", "line 3", "line 4"]


class SageMaker:
    """Has a transform job `t`, and an endpoint `e`."""

    def describe_training_job(self, TrainingJobName: str) -> dict[str, str]:
        return self._found("TrainingJobStatus", TrainingJobName, "")

    def describe_transform_job(self, TransformJobName: str) -> dict[str, str]:
        return self._found("TransformJobStatus", TransformJobName, "t")

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:
        return self._found("EndpointStatus", EndpointName, "e")

    def _found(self, member: str, name: str, only: str) -> dict[str, str]:
        if name != only:
            error = {"Error": {"Code": "ValidationException", "Message": "not found"}}
            raise ClientError(error, "Describe")
        return {member: "InProgress"}


def test_a_name_is_looked_for_among_jobs_and_endpoints() -> None:
    assert find(SageMaker(), "t").log == ("/aws/sagemaker/TransformJobs", "t")
    assert find(SageMaker(), "e").log == ("/aws/sagemaker/Endpoints/e", "")
    assert find(SageMaker(), "e").status() == "InProgress"
    with pytest.raises(CliError, match=r"There is no training job, .* or endpoint nobody"):
        find(SageMaker(), "nobody")
