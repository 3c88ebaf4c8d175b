"""On what a training job runs: what dataset.json asks for, else the stage's default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.settings import Settings

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


def chosen(asked: Mapping[str, Any] | None, settings: Settings) -> Instances:
    """`asked`: the `instances` of a dataset.json that was checked; each member may be missing."""
    asked = asked or {}
    return Instances(
        type=str(asked.get("type") or settings.training_instance_type),
        count=int(asked.get("count") or 1),
        spot=bool(asked["spot"]) if asked.get("spot") is not None else settings.training_spot,
    )


def image(instances: Instances, settings: Settings) -> str:
    """The training image for them: one with CUDA for GPUs, else the smaller one without."""
    return settings.training_image_gpu if instances.gpu else settings.training_image_cpu
