"""What a dataset.json chooses, else the stage: the preset, and on what its training job runs.

There may be several types of instances. The first is taken; where it cannot be had (the account's
quota, AWS' capacity) the next one is, and in the end the stage's type without a GPU. Where spot is
asked for it is with each type of the list; the last resort is on demand, so that it runs at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.settings import Settings

DEFAULT_PRESET = "default"
_GPU = re.compile(r"ml\.(p|g|gr)\d")  # ml.g5.xlarge, ml.p4d.24xlarge
_WRITTEN = re.compile(r"(?P<count>\d+) x (?P<type>ml\.\S+?)(?P<spot>, spot)?")


@dataclass(frozen=True)
class Instances:
    """`type` as SageMaker names it; `spot`: spare capacity, for less, interrupted at times."""

    type: str
    count: int
    spot: bool

    @property
    def gpu(self) -> bool:
        """Do they have GPUs?"""
        return _GPU.match(self.type) is not None

    def __str__(self) -> str:
        """`2 x ml.g5.xlarge, spot`."""
        return f"{self.count} x {self.type}" + (", spot" if self.spot else "")

    @classmethod
    def parse(cls, text: str) -> Instances | None:
        """The reverse of `str`; None for anything else."""
        match = _WRITTEN.fullmatch(text)
        if match is None:
            return None
        return cls(match["type"], int(match["count"]), match["spot"] is not None)


@dataclass(frozen=True)
class Choices:
    """How a dataset version is trained."""

    preset: str
    instances: Instances

    def image(self, settings: Settings) -> str:
        """The training image: one with CUDA for GPUs, else the smaller one without."""
        if self.instances.gpu:
            return settings.training_image_gpu
        return settings.training_image_cpu


def choices(report: Mapping[str, Any], settings: Settings, running: str | None = None) -> Choices:
    """`report` is the preflight's, in which stands what the checked dataset.json asks for.

    `running`: the instances that were settled on (`State.instances`); else the first choice.
    """
    preset = str(report.get("preset") or DEFAULT_PRESET)
    settled = Instances.parse(running) if running else None
    return Choices(preset, settled or candidates(report, settings)[0])


def candidates(report: Mapping[str, Any], settings: Settings) -> list[Instances]:
    """All that the job may run on, the first choice first."""
    asked = report.get("instances") or {}
    count = int(asked.get("count") or 1)
    spot = settings.training_spot if asked.get("spot") is None else bool(asked["spot"])
    types = asked.get("types") or [asked.get("type")]  # reports of older releases have one
    listed = list(filter(None, types)) or settings.training_instance_types
    found = [Instances(str(kind), count, spot) for kind in listed]
    last = settings.training_cpu_instance_type
    if last:
        found.append(Instances(last, count, spot=False))
    return list(dict.fromkeys(found))


def next_choice(
    report: Mapping[str, Any], settings: Settings, refused: Collection[str]
) -> Choices | None:
    """The first of the candidates that has not been refused; None where all have been."""
    preset = str(report.get("preset") or DEFAULT_PRESET)
    for instances in candidates(report, settings):
        if str(instances) not in refused:
            return Choices(preset, instances)
    return None
