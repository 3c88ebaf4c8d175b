"""A training job's lines, as they arrive in CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GROUP = "/aws/sagemaker/TrainingJobs"


class TrainingLog:
    """What the streams `<job>/algo-…` hold beyond what was read; `logs` is a boto3 client."""

    def __init__(self, logs: Any, job: str) -> None:
        self._logs = logs
        self._job = job
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> Iterator[str]:
        """Lines that came since the last call; nothing while the job has not written yet."""
        for stream in self._streams():
            yield from self._rest_of(stream)

    def _streams(self) -> list[str]:
        try:
            answer = self._logs.describe_log_streams(
                logGroupName=GROUP, logStreamNamePrefix=f"{self._job}/"
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [stream["logStreamName"] for stream in answer["logStreams"]]

    def _rest_of(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            page = self._logs.get_log_events(
                logGroupName=GROUP,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            self._tokens[stream] = page["nextForwardToken"]
            for event in page["events"]:
                yield event["message"].rstrip()
            if page["nextForwardToken"] == token:  # how CloudWatch says that there is no more
                return
