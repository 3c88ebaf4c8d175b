"""What a dataset.json chooses, else the stage: the preset, and on what its training job runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.settings import Settings

DEFAULT_PRESET = "default"
_GPU = re.compile(r"ml\.(p|g|gr)\d")  # ml.g5.xlarge, ml.p4d.24xlarge


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


def choices(report: Mapping[str, Any], settings: Settings) -> Choices:
    """`report` is the preflight's, in which stands what the checked dataset.json asks for."""
    asked = report.get("instances") or {}
    spot = asked.get("spot")
    instances = Instances(
        type=str(_first_type(asked) or settings.training_instance_type),
        count=int(asked.get("count") or 1),
        spot=settings.training_spot if spot is None else bool(spot),
    )
    return Choices(str(report.get("preset") or DEFAULT_PRESET), instances)


def _first_type(asked: Mapping[str, Any]) -> str | None:
    """Reports of older releases have one `type`."""
    types = asked.get("types") or [asked.get("type")]
    return types[0]
