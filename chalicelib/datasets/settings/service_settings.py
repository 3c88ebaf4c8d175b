"""What dataset.json says of how the service treats a dataset, not of what is trained.

These settings are no part of the dataset's version and take effect without a training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.datasets.settings.setting_values import (
    Wrong,
    check_members,
    instance_type,
    is_number,
    is_whole,
    shown,
)

LONGEST_QUIET = 3600  # s
MOST_VERSIONS = 100
MOST_USD = 10**6
MOST_ENDPOINT_INSTANCES = 16
# Of a serverless endpoint, as SageMaker takes them.
MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
MOST_CONCURRENCY = 200
SHORTEST_RATE = 3600  # s
LONGEST_RATE = 3653 * 86400  # s; ten years
# EventBridge's rate expressions: `rate(1 hour)`, `rate(7 days)`.
_RATE = re.compile(r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Rate:
    """How often a dataset is trained once more, as written and in seconds."""

    text: str
    seconds: int

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Hosting:
    """What the live endpoint runs on: `instance_type` and `count`, or, serverless, `memory_mb` and
    `max_concurrency`. None: as the stage is set."""

    instance_type: str | None = None
    count: int | None = None
    memory_mb: int | None = None
    max_concurrency: int | None = None


@dataclass(frozen=True)
class Budget:
    """US dollars that a training job, and a month's, may cost unasked. None: as the stage is
    set."""

    job_usd: float | None = None
    month_usd: float | None = None


@dataclass(frozen=True)
class ServiceSettings:
    """What is None is as the stage is set; no `schedule` is none at all."""

    quiet_seconds: int | None = None
    schedule: Rate | None = None
    endpoint: Hosting | None = None
    budget: Budget | None = None
    keep_versions: int | None = None


def read_service(raw: Mapping[str, Any]) -> tuple[ServiceSettings, dict[str, str]]:
    """Those of dataset.json's members that can be used, and by name what is wrong with the
    others."""
    good: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, reader in READERS.items():
        if raw.get(name) is None:
            continue
        try:
            good[name] = reader(raw[name])
        except Wrong as problem:
            wrong[name] = f"{name} {problem}"
    return ServiceSettings(**good), wrong


def _quiet(value: Any) -> int:
    if not is_whole(value, 0, LONGEST_QUIET):
        raise Wrong(f"must be a whole number of seconds, 0 to {LONGEST_QUIET}, not {shown(value)}")
    return int(value)


def _schedule(value: Any) -> Rate:
    rate = parse_rate(value)
    if rate is None:
        raise Wrong(
            f"must be a rate like rate(7 days), rate(1 day) or rate(12 hours), not {shown(value)}; "
            "for times of day send the queue a message (docs/retraining.md)"
        )
    if not SHORTEST_RATE <= rate.seconds <= LONGEST_RATE:
        raise Wrong(f"is {value}: from an hour to ten years are taken")
    return rate


def parse_rate(text: Any) -> Rate | None:
    """A rate expression of EventBridge's; None for what is none."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[1] == "1") == bool(match[3]):  # rate(1 days) is none on AWS either
        return None
    return Rate(text, int(match[1]) * _SECONDS[match[2]])


def _endpoint(value: Any) -> Hosting:
    check_members(value, ("instance_type", "count", "memory_mb", "max_concurrency"))
    kind, count = value.get("instance_type"), value.get("count")
    memory, concurrency = value.get("memory_mb"), value.get("max_concurrency")
    if kind is not None:
        instance_type(kind, "instance_type")
        if memory is not None or concurrency is not None:
            raise Wrong(
                "has an instance_type, and memory_mb or max_concurrency, which are for serverless "
                "endpoints: say the one or the other"
            )
    elif count is not None:
        raise Wrong("has a count without an instance_type")
    if count is not None and not is_whole(count, 1, MOST_ENDPOINT_INSTANCES):
        raise Wrong(f"has a count of {shown(count)}: 1 to {MOST_ENDPOINT_INSTANCES} are taken")
    if memory is not None and (isinstance(memory, bool) or memory not in MEMORY_MB):
        sizes = ", ".join(str(size) for size in MEMORY_MB)
        raise Wrong(f"has a memory_mb of {shown(memory)}: SageMaker takes {sizes}")
    if concurrency is not None and not is_whole(concurrency, 1, MOST_CONCURRENCY):
        raise Wrong(
            f"has a max_concurrency of {shown(concurrency)}: 1 to {MOST_CONCURRENCY} are taken"
        )
    return Hosting(kind, count, None if memory is None else int(memory), concurrency)


def _budget(value: Any) -> Budget:
    check_members(value, ("job_usd", "month_usd"))
    for name, amount in value.items():
        if amount is not None and not is_number(amount, 0, MOST_USD):
            raise Wrong(f"has a {name} of {shown(amount)}: US dollars, 0 to {MOST_USD:,}")
    return Budget(value.get("job_usd"), value.get("month_usd"))


def _keep_versions(value: Any) -> int:
    if not is_whole(value, 1, MOST_VERSIONS):
        raise Wrong(f"must be a whole number from 1 to {MOST_VERSIONS}, not {shown(value)}")
    return int(value)


READERS: Mapping[str, Callable[[Any], Any]] = {
    "quiet_seconds": _quiet,
    "schedule": _schedule,
    "endpoint": _endpoint,
    "budget": _budget,
    "keep_versions": _keep_versions,
}
