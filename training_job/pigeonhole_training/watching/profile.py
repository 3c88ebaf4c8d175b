"""What was seen of a training run: the numbers that the rules judge and the report draws.

Everything in it is bounded, however long the run was (`watch.py` says by how much).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from pigeonhole_training.watching.observer import Epoch, StepTimes

FORMAT = 1
GIB = 1 << 30

Severity = Literal["info", "warning", "bad"]


@dataclass(frozen=True)
class Finding:
    """What a rule found: `seen` is what was observed with its numbers, `do` what helps, both
    sentences for people; `section` is the rule's heading in docs/profiling.md, as its anchor."""

    rule: str
    severity: Severity
    seen: str
    do: str
    section: str


@dataclass(frozen=True)
class Gpu:
    """`memory` in bytes."""

    name: str
    memory: int


@dataclass(frozen=True)
class Machine:
    """What the job may use of its host: `cpus` cores, `memory` bytes (limits of the container
    taken into account), all its GPUs. `instance_type` is what SageMaker calls it, empty elsewhere.
    """

    cpus: float
    memory: int
    gpus: tuple[Gpu, ...] = ()
    instance_type: str = ""


@dataclass(frozen=True)
class GpuUse:
    """`busy` is the share of time in which a kernel ran, `memory` the bytes that are taken."""

    busy: float
    memory: int


@dataclass(frozen=True)
class Sample:
    """Use of the machine over the interval that ended `at` seconds after training began.

    `cpu` is this process tree's share of the cores' time, `others` everybody else's; `memory` is in
    bytes, without pages that are files and could be dropped.
    """

    at: float
    cpu: float
    others: float
    memory: int
    gpus: tuple[GpuUse, ...] = ()

    @property
    def cpu_of_free(self) -> float:
        """The share of what others left: 1 when no core stood idle."""
        return min(self.cpu / max(1 - self.others, self.cpu, 1e-6), 1.0)


@dataclass(frozen=True)
class Gradients:
    """The norm of each variable's gradient after a step, by path."""

    step: int
    norms: Mapping[str, float]

    @property
    def total(self) -> float:
        """The norm of all of them as one vector."""
        return math.hypot(*self.norms.values())


@dataclass(frozen=True)
class DeadUnits:
    """How many of a layer's ReLU units were silent on the probe rows after an epoch."""

    epoch: int
    layer: str
    units: int
    dead: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.dead / self.units


@dataclass(frozen=True)
class EpochTimes:
    """Median seconds of an epoch's measured steps; `steps` of them are what it is the median of."""

    epoch: int
    steps: int
    reading: float
    copying: float
    computing: float


@dataclass(frozen=True)
class Settings:
    """What the run was started with."""

    preset: str
    backend: str
    devices: tuple[str, ...]
    hosts: int
    precision: str
    batch_size: int
    label_smoothing: float
    steps_per_epoch: int
    training_rows: int
    validation_rows: int
    rows_on_device: bool
    class_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """One run. `sizes` are the numbers of values in each trained variable and `kernels` those of
    them with two or more dimensions; `peak_memory` in bytes is of the whole run, samples that were
    not kept included; `gpu_peak` what the framework's allocator held at most on each GPU (it
    takes more from the driver than it holds), empty where it does not say. `broken` is the first
    measured step with a gradient or a loss that is not finite. `recall` is by class on held-out
    rows, once known. `notes` say what could not be watched.
    """

    settings: Settings
    machine: Machine
    steps: tuple[StepTimes, ...] = ()
    epoch_times: tuple[EpochTimes, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    samples: tuple[Sample, ...] = ()
    peak_memory: int = 0
    gpu_peak: tuple[int, ...] = ()
    gradients: tuple[Gradients, ...] = ()
    broken: StepTimes | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()
    dead_units: tuple[DeadUnits, ...] = ()
    recall: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def steady_steps(self) -> tuple[StepTimes, ...]:
        """The measured steps without the first, which traces and compiles."""
        return self.steps[1:]

    @property
    def best(self) -> Epoch | None:
        """The epoch of lowest validation loss, whose weights are kept."""
        return min(self.epochs, key=lambda e: e.validation_loss, default=None)

    def quantile(self, share: float, values: str) -> float:
        """Of the samples' `cpu`, `cpu_of_free` or `memory`; NaN without any."""
        found = [getattr(sample, values) for sample in self.samples]
        return float(np.quantile(found, share)) if found else math.nan

    def with_findings(self, findings: tuple[Finding, ...]) -> Profile:
        """The same run, judged."""
        return replace(self, findings=findings)

    def to_json(self) -> str:
        """profile.json: JSON that any reader takes (numbers that are none are null)."""
        document = {"format": FORMAT, **asdict(self)}
        document["steps"] = [
            {k: v for k, v in asdict(step).items() if k != "gradients"} for step in self.steps
        ]
        return json.dumps(_plain(document), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value
