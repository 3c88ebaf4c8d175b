"""What the page reads of other parts of the cloud: events, and logs of before this start."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.clients import Clients
from localcloud.events import EventBus
from localcloud.tail import Line, source_of

_EVENTS = 60
_STATUS = (
    "TrainingJobStatus",
    "HyperParameterTuningJobStatus",
    "TransformJobStatus",
    "EndpointStatus",
    "ModelApprovalStatus",
    "ModelPackageStatus",
)
_STREAMS, _LINES = 10, 300  # of a source that was silent since the start


def told_events(bus: EventBus) -> list[dict[str, Any]]:
    """[{id, at, type, name, status, secondary, trouble, deliveries [{target, at, outcome}]}],
    the newest first; `name` and `target` are what their ARNs end with.
    """
    return [
        {
            "id": event.id,
            "at": event.at,
            "type": event.detail_type,
            "name": event.resources[0].partition("/")[2] if event.resources else "",
            "status": next((event.detail[s] for s in _STATUS if event.detail.get(s)), None),
            "secondary": event.detail.get("SecondaryStatus"),
            "trouble": event.trouble or None,
            "deliveries": [
                {"target": d.target.rpartition(":")[2], "at": d.at, "outcome": d.outcome}
                for d in event.deliveries
            ],
        }
        for event in bus.recent(_EVENTS)
    ]


class OlderLines:
    """The last lines of a job or an endpoint, as CloudWatch Logs has them."""

    def __init__(self, clients: Clients) -> None:
        self._logs = clients("logs")

    def __call__(self, group: str, name: str) -> list[Line]:
        """By time; nothing where there are none, or where Logs does not answer."""
        try:
            lines = [line for stream in self._streams(group, name) for line in self._of(*stream)]
        except (BotoCoreError, ClientError):
            return []
        return sorted(lines, key=lambda line: line.at)[-_LINES:]

    def _streams(self, group: str, name: str) -> list[tuple[str, str, str]]:
        own, prefix = source_of(group, name)
        only = {"logStreamNamePrefix": f"{prefix}/"} if prefix else {}
        found = self._logs.describe_log_streams(logGroupName=own, **only)["logStreams"]
        found.sort(key=lambda stream: stream.get("lastEventTimestamp", 0))
        names = [stream["logStreamName"] for stream in found[-_STREAMS:]]
        return [(group, s, s.removeprefix(f"{prefix}/") if prefix else s) for s in names]

    def _of(self, group: str, stream: str, short: str) -> list[Line]:
        answer = self._logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=_LINES, startFromHead=False
        )
        return [
            Line(0, event["timestamp"] / 1000, short, event["message"])
            for event in answer["events"]
        ]
