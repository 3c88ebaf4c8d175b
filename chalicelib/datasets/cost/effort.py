"""How long a training job takes: by this dataset's own earlier jobs, else by a table.

The table was measured on two cores of an AMD EPYC (Zen 4), in CPU seconds of training alone
(docs/training.md), and is carried over to SageMaker's instances by what is said below. It is
coarse: off by a factor of two is no surprise, and where nobody measured (the large networks, GPUs),
more. One job on the same kind of instances, and the dataset has a measure of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.datasets.cost.choices import DEFAULT_PRESET, Instances
from chalicelib.datasets.cost.memory import Timed

# Whatever the data: the image is fetched, the data read, the model judged, exported, uploaded.
FIXED_SECONDS = 180
MARGIN = 1.2  # on what earlier jobs took: no two machines are the same
TRAINED_WITHOUT_TEST = 0.8  # of the rows, where a fifth of them is held out
PIXELS = 28 * 28  # of the images that were measured
SLOWER_CPU = 2.0  # an m5's core to the one that was measured
PARALLEL = 0.6  # what further cores and machines bring, of what they are
VCPUS = {"medium": 1, "large": 2, "xlarge": 4}  # 2xlarge: 8, and so on
# A GPU, as the number of T4s that train as fast.
GPUS: Mapping[str, float] = {
    "g4dn": 1,
    "g5": 2,
    "g6": 1.8,
    "g6e": 4,
    "p3": 2.5,
    "p4d": 6,
    "p4de": 6,
    "p5": 12,
    "p5e": 12,
    "p5en": 12,
}
_TYPE = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.(?P<size>(?P<times>\d+)?(?P<unit>[a-z]+))")
SEVERAL_GPUS = {  # GPUs of an instance, where it is not one
    "g4dn.12xlarge": 4,
    "g5.12xlarge": 4,
    "g5.24xlarge": 4,
    "g5.48xlarge": 8,
    "g6.12xlarge": 4,
    "g6.24xlarge": 4,
    "g6.48xlarge": 8,
    "g6e.12xlarge": 4,
    "g6e.24xlarge": 4,
    "g6e.48xlarge": 8,
    "p3.8xlarge": 4,
    "p3.16xlarge": 8,
    "p4d.24xlarge": 8,
    "p4de.24xlarge": 8,
    "p5.48xlarge": 8,
    "p5e.48xlarge": 8,
    "p5en.48xlarge": 8,
}


@dataclass(frozen=True)
class Pass:
    """What a pass over one image of 28 x 28 takes: CPU seconds, and seconds on a T4."""

    cpu: float
    gpu: float
    side: int | None = None  # of the frame that images of any size are brought into, else 64


# default: 116 CPU seconds for 5 epochs of 54,000 rows. default-large: 129 CPU seconds for one.
# wide-28-10 and the ResNets were not measured: multiplications an image (4 billion each, three
# times as many with the gradients), at 40 billion operations a second and core, 8,000 billion on a
# T4 in mixed precision. What small networks take on a GPU is the overhead of their steps.
PASSES: Mapping[str, Pass] = {
    "default": Pass(4.3e-4, 1.0e-4),
    "default-large": Pass(2.4e-3, 2.0e-4),
    "wide-28-10": Pass(0.6, 3.0e-3),
    "resnet50": Pass(0.3 / 64, 1.5e-3 / 64, side=224),
    "resnet50-random": Pass(0.6 / 64, 3.0e-3 / 64, side=224),
    "cnn-32-64-128": Pass(8.5e-4, 2.5e-4),
    "dense-256-128-32": Pass(9.5e-5, 1.0e-4),
    "dense-128": Pass(6.2e-5, 1.0e-4),
}
OTHER_SIDE = 64  # of images of many sizes, where no shape is said


@dataclass(frozen=True)
class Effort:
    """`seconds` on instances, for `work` passes; `basis` says in a few words how it is known."""

    seconds: float
    work: float
    basis: str


def epochs(preset: str, hyperparameters: Mapping[str, Any], rows: int) -> int:
    """How many passes over the rows the preset makes, unless it is told (docs/training.md)."""
    few = min(60, max(5, round(40_000 / max(1, rows))))
    default = {
        "default-large": max(48, few),
        "wide-28-10": 100,
        "resnet50": 2,
        "resnet50-random": 30,
        "cnn-32-64-128": 15,
        "dense-256-128-32": 30,
        "dense-128": 10,
    }.get(preset, few)
    asked = int(hyperparameters.get("epochs") or default)
    if preset != "resnet50":
        return asked
    tuned = hyperparameters.get("fine_tune_epochs")
    return asked + (2 if tuned is None else int(tuned))


def work(report: Mapping[str, Any]) -> float:
    """Passes over images of 28 x 28, by the preflight's report."""
    preset = str(report.get("preset") or DEFAULT_PRESET)
    counts = report.get("rows") or {}
    rows = float(counts.get("train") or 0)
    if not counts.get("test"):
        rows *= TRAINED_WITHOUT_TEST
    shape = report.get("shape")
    if shape is None:
        side = PASSES.get(preset, PASSES[DEFAULT_PRESET]).side or OTHER_SIDE
        pixels = side * side
    else:
        pixels = int(shape["height"]) * int(shape["width"])
    passes = epochs(preset, report.get("hyperparameters") or {}, round(rows))
    return rows * passes * pixels / PIXELS


def key(preset: str, instances: Instances) -> str:
    """What jobs have in common that take as long for as much work."""
    return f"{preset} on {instances.count} x {instances.type}"


def estimate(
    report: Mapping[str, Any], preset: str, instances: Instances, timed: Mapping[str, Timed]
) -> Effort:
    """How long the job will be on its instances, the waiting for them not counted."""
    asked = work(report)
    earlier = timed.get(key(preset, instances))
    if earlier is not None and earlier.work > 0:
        fixed = min(FIXED_SECONDS, earlier.seconds / 2)
        seconds = fixed + (earlier.seconds - fixed) * asked / earlier.work
        return Effort(MARGIN * seconds, asked, "by an earlier job of this dataset")
    each = _pass_seconds(preset, instances)
    return Effort(FIXED_SECONDS + asked * each, asked, "by a coarse table")


def _pass_seconds(preset: str, instances: Instances) -> float:
    takes = PASSES.get(preset, PASSES[DEFAULT_PRESET])
    match = _TYPE.fullmatch(instances.type)
    family = match["family"] if match else ""
    machines = 1 + (instances.count - 1) * PARALLEL
    if instances.gpu:
        size = instances.type.removeprefix("ml.")
        together = 1 + (SEVERAL_GPUS.get(size, 1) - 1) * PARALLEL
        return takes.gpu / (GPUS.get(family, 1) * together * machines)
    vcpus = _vcpus(match) if match else 2
    return takes.cpu * SLOWER_CPU / (max(1.0, vcpus * PARALLEL) * machines)


def _vcpus(match: re.Match[str]) -> int:
    return VCPUS.get(match["unit"], 2) * int(match["times"] or 1)
