"""What jobs and endpoints print, as it arrives in CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

GROUP = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True)
class Printed:
    """A line. `at`: milliseconds since 1970; `stream`: the stream's name without the job's."""

    at: int
    stream: str
    text: str


class Log:
    """What a group's streams `<prefix>/…` (all, without a prefix) hold beyond what was read.

    `logs` is a boto3 client.
    """

    def __init__(self, logs: Any, group: str, prefix: str = "") -> None:
        self._logs = logs
        self._group = group
        self._prefix = f"{prefix}/" if prefix else ""
        self._tokens: dict[str, str] = {}

    def new(self) -> list[Printed]:
        """What came since the last call, by time; nothing while nothing was written yet."""
        found = [line for stream in self._streams() for line in self._rest_of(stream)]
        return sorted(found, key=lambda line: line.at)

    def _streams(self) -> Iterator[str]:
        token = ""
        while answer := self._page(token):
            yield from (stream["logStreamName"] for stream in answer["logStreams"])
            token = answer.get("nextToken", "")
            if not token:
                return

    def _page(self, token: str = "") -> dict[str, Any]:
        """A page of streams; empty where there are none."""
        wanted = {"logStreamNamePrefix": self._prefix} if self._prefix else {}
        if token:
            wanted["nextToken"] = token
        try:
            answer: dict[str, Any] = self._logs.describe_log_streams(
                logGroupName=self._group, **wanted
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return {}
        return answer if answer["logStreams"] else {}

    def _rest_of(self, stream: str) -> Iterator[Printed]:
        short = stream.removeprefix(self._prefix)
        while True:
            token = self._tokens.get(stream)
            page = self._logs.get_log_events(
                logGroupName=self._group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            self._tokens[stream] = page["nextForwardToken"]
            for event in page["events"]:
                yield Printed(event.get("timestamp", 0), short, event["message"].rstrip())
            if page["nextForwardToken"] == token:  # how CloudWatch says that there is no more
                return


class TrainingLog:
    """What the streams `<job>/algo-…` of a training job hold beyond what was read."""

    def __init__(self, logs: Any, job: str) -> None:
        self._log = Log(logs, GROUP, job)

    def new_lines(self) -> Iterator[str]:
        """Lines that came since the last call; nothing while the job has not written yet."""
        return (line.text for line in self._log.new())
