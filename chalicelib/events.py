"""Bodies of the events queue as typed values.

A body is an S3 notification, an EventBridge event, `{"reconcile": id}` (with `"swept": true` where
the sweep asks in passing), `{"sweep": true}`, `{"retrain": id, "id": "…", "by": "…"}` (people's own
rules and schedules send it) or `s3:TestEvent`. `parse` never raises for what a body says: what
cannot be understood becomes `Rubbish`, because another try would not understand it either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

LONGEST_NAME = 100  # characters, of who asks


@dataclass(frozen=True)
class ObjectEvent:
    """An object was created or removed."""

    bucket: str
    key: str
    created: bool
    version_id: str | None


class Resource(StrEnum):
    """Whose state changed."""

    TRAINING_JOB = "TrainingJob"
    TRANSFORM_JOB = "TransformJob"
    ENDPOINT = "Endpoint"
    MODEL_PACKAGE = "ModelPackage"


@dataclass(frozen=True)
class StateChange:
    """`name`: the job, the endpoint, or a model package's group.

    `status` is in the API's spelling (InService).
    """

    resource: Resource
    name: str
    status: str


@dataclass(frozen=True)
class Wake:
    """Reconcile this id. `swept`: the sweep asks, and asks again in a while."""

    id: str
    swept: bool = False


@dataclass(frozen=True)
class Retrain:
    """Train this dataset once more. `request` tells two wishes apart; None: the message does.
    `by` says who asks."""

    id: str
    request: str | None
    by: str = "a message"


@dataclass(frozen=True)
class Sweep:
    """Reconcile everything: events get lost."""


@dataclass(frozen=True)
class TestEvent:
    """What S3 sends when notifications are configured: nothing to do."""

    __test__ = False  # not for pytest to collect


@dataclass(frozen=True)
class Rubbish:
    """Not to be understood, and why."""

    reason: str


Event = ObjectEvent | StateChange | Wake | Retrain | Sweep | TestEvent | Rubbish

_DETAILS = {
    "SageMaker Training Job State Change": (
        Resource.TRAINING_JOB,
        "TrainingJobName",
        "TrainingJobStatus",
    ),
    "SageMaker Transform Job State Change": (
        Resource.TRANSFORM_JOB,
        "TransformJobName",
        "TransformJobStatus",
    ),
    "SageMaker Endpoint State Change": (Resource.ENDPOINT, "EndpointName", "EndpointStatus"),
    "SageMaker Model Package State Change": (
        Resource.MODEL_PACKAGE,
        "ModelPackageGroupName",
        "ModelApprovalStatus",
    ),
}


def parse(body: str) -> list[Event]:  # noqa: PLR0911 - one line a kind of message
    """The events of one message (an S3 notification may hold several)."""
    try:
        message = json.loads(body)
    except ValueError:
        return [Rubbish("not JSON")]
    if not isinstance(message, dict):
        return [Rubbish("not a JSON object")]
    if message.get("Event") == "s3:TestEvent":
        return [TestEvent()]
    if isinstance(message.get("Records"), list):
        return [_object_event(record) for record in message["Records"]]
    if message.get("source") == "aws.sagemaker":
        return [_state_change(message)]
    if message.get("sweep") is True:
        return [Sweep()]
    if isinstance(message.get("reconcile"), str):
        return [Wake(message["reconcile"], message.get("swept") is True)]
    if isinstance(message.get("retrain"), str):
        request = message.get("id")
        by = " ".join(str(message.get("by") or Retrain.by).split())[:LONGEST_NAME]
        return [Retrain(message["retrain"], None if request in (None, "") else str(request), by)]
    return [Rubbish("none of the messages that this queue takes")]


def _object_event(record: Any) -> Event:
    try:
        described = record["s3"]
        name = str(record["eventName"])
        version_id = described["object"].get("versionId")
        return ObjectEvent(
            bucket=str(described["bucket"]["name"]),
            key=unquote_plus(described["object"]["key"]),  # S3 form-encodes keys in notifications
            created=name.startswith("ObjectCreated:"),
            version_id=None if version_id is None else str(version_id),
        )
    except (KeyError, TypeError, AttributeError) as error:
        return Rubbish(f"an S3 record without {error}")


def _state_change(message: dict[str, Any]) -> Event:
    known = _DETAILS.get(str(message.get("detail-type")))
    detail = message.get("detail")
    if known is None or not isinstance(detail, dict):
        return Rubbish(f"a SageMaker event that nobody asked for: {message.get('detail-type')}")
    resource, name_field, status_field = known
    name, status = detail.get(name_field), detail.get(status_field)
    if not isinstance(name, str):
        return Rubbish(f"a {resource} event without {name_field}")
    return StateChange(resource, name, api_spelling(status) if isinstance(status, str) else "")


def api_spelling(status: str) -> str:
    """`IN_SERVICE`, as endpoint events spell it, → `InService`, as the API does. Others stay."""
    if status != status.upper():
        return status
    return "".join(word.capitalize() for word in status.split("_"))
