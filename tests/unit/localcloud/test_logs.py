from __future__ import annotations

from typing import Any

from botocore.exceptions import EndpointConnectionError

from localcloud.logs import Stream


class FakeLogsClient:
    """CloudWatch Logs in memory; `away` makes it unreachable."""

    class exceptions:
        class ResourceAlreadyExistsException(Exception):
            pass

    def __init__(self) -> None:
        self.away = False
        self.streams: list[str] = []
        self.messages: list[str] = []

    def create_log_group(self, logGroupName: str) -> None:
        self._reach()

    def create_log_stream(self, logGroupName: str, logStreamName: str) -> None:
        self._reach()
        self.streams.append(f"{logGroupName}:{logStreamName}")

    def put_log_events(self, logEvents: list[dict[str, Any]], **_: Any) -> None:
        self._reach()
        self.messages += [event["message"] for event in logEvents]

    def _reach(self) -> None:
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def stream(client: FakeLogsClient) -> tuple[Stream, list[Stream]]:
    forgotten: list[Stream] = []
    return Stream(client, "/aws/sagemaker/TrainingJobs", "job/algo-1", forgotten.append), forgotten


def test_lines_wait_while_logs_cannot_be_reached() -> None:
    client = FakeLogsClient()
    opened, _ = stream(client)
    client.away = True
    opened.write("one")
    assert not opened.flush()
    opened.write("two")
    assert not opened.flush()
    client.away = False
    assert opened.flush()
    assert client.messages == ["one", "two"]


def test_a_stream_that_closes_while_logs_is_away_harms_nobody() -> None:
    client = FakeLogsClient()
    opened, forgotten = stream(client)
    client.away = True
    opened.write("lost")
    opened.close()
    assert forgotten == [opened]


def test_a_container_that_says_nothing_has_its_stream() -> None:
    client = FakeLogsClient()
    opened, _ = stream(client)
    opened.close()
    assert client.streams == ["/aws/sagemaker/TrainingJobs:job/algo-1"]


def test_empty_lines_are_left_out() -> None:
    client = FakeLogsClient()
    opened, _ = stream(client)
    for line in ("a", "", "b"):
        opened.write(line)
    opened.close()
    assert client.messages == ["a", "b"]
