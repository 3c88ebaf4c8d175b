"""What a model is hosted on, and the endpoint configs that say so.

A config is named after its model's training job; on anything but the stage's own hosting, with four
hex digits of that besides. Configs never change: one that holds another hosting under the same name
(the stage was set otherwise then) is left alone, and the digits tell them apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.aws.endpoints import Capacity, Instances, Serverless
from chalicelib.datasets.parts import Parts
from chalicelib.datasets.settings.service_settings import Hosting
from chalicelib.errors import RequestRefused
from chalicelib.settings import Settings


@dataclass(frozen=True)
class Hosted:
    """A model and what it is to run on: its training job, its ARN in the registry."""

    job: str
    package: str
    config: str
    capacity: Capacity


def by_default(settings: Settings) -> Serverless:
    """The stage's own hosting."""
    return Serverless(settings.serverless_memory_mb, settings.serverless_max_concurrency)


def wanted(settings: Settings, asked: Hosting | None) -> Capacity:
    """What dataset.json asks for; the stage's own where it says nothing."""
    default = by_default(settings)
    if asked is None:
        return default
    if asked.instance_type is not None:
        return Instances(asked.instance_type, asked.count or 1)
    return Serverless(
        asked.memory_mb or default.memory_mb, asked.max_concurrency or default.max_concurrency
    )


def as_json(capacity: Capacity) -> dict[str, Any]:
    """As the item holds it."""
    return asdict(capacity)


def from_json(raw: Mapping[str, Any]) -> Capacity:
    """From the item."""
    return Instances(**raw) if "instance_type" in raw else Serverless(**raw)


def config_for(parts: Parts, job: str, capacity: Capacity) -> str:
    """The name of the config that hosts the job's model so, whether it is there already or not."""
    for name in _names(parts, job, capacity):
        found = parts.endpoints.capacity(name)
        if found is None or found == capacity:
            return name
    raise RequestRefused(f"{job} has endpoint configs of other hosting under all of its names")


def _names(parts: Parts, job: str, capacity: Capacity) -> Iterator[str]:
    if capacity == by_default(parts.settings):
        yield parts.names.config(job, "")
    text = json.dumps(as_json(capacity), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    for start in range(0, 16, 4):  # the same four digits of two hostings are a rare thing
        yield parts.names.config(job, digest[start : start + 4])


def ensure(parts: Parts, dataset: str, model: Hosted) -> None:
    """Make model and config where they are not there."""
    tags = parts.tags(dataset)
    role = parts.settings.endpoint_role_arn
    parts.endpoints.ensure_model(model.job, model.package, role, tags)
    parts.endpoints.ensure_config(model.config, model.job, model.capacity, tags)
