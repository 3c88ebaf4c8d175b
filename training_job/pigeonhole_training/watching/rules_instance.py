"""Rules about the instance: where a smaller one would do as well, and where a larger one is needed.

Debugger has none of its own; its BatchSize rule advises "a smaller instance" without naming one.
"""

from __future__ import annotations

import math

import numpy as np

from pigeonhole_training.watching.instances import (
    BIGGER_GPU,
    GPU_FAMILY,
    Need,
    family_of,
    is_smaller,
    roomier,
    smallest,
)
from pigeonhole_training.watching.profile import GIB, Finding, Profile, Severity
from pigeonhole_training.watching.rules_speed import CPU_FULL, PATIENCE, input_bound, steady

# What is used may be this share of what the next instance has.
HEADROOM = 0.8
GPU_HEADROOM = 0.95  # a GPU may well be busy all the time
MEMORY_FULL = 0.9
GPU_MEMORY_FULL = 0.95
FULL_TIME = 0.5  # of the samples
# A job on full cores that takes longer is worth a GPU.
LONG_RUN = 30 * 60.0  # seconds


def instance_too_large(profile: Profile) -> Finding | None:
    """A smaller member of the family has room for all that the run used."""
    machine, samples = profile.machine, steady(profile)
    if len(samples) < PATIENCE:
        return None
    cores = float(np.quantile([s.cpu for s in samples], 0.95)) * machine.cpus
    memory = profile.peak_memory / GIB
    gpus, gpu_memory = _gpus_needed(profile)
    need = Need(cores / HEADROOM, memory / HEADROOM, gpus, gpu_memory)
    instance = smallest(family_of(machine), need)
    if instance is None or not is_smaller(instance, machine):
        return None
    if instance.name == machine.instance_type:
        return None  # the local cloud's machine is not the one that it stands for
    seen = (
        f"Of {machine.cpus:g} cores the run used at most {cores:.1f} in 95% of the samples, of "
        f"{machine.memory / GIB:.0f} GiB at most {memory:.1f}"
    )
    if machine.gpus:
        seen += f", and its {len(machine.gpus)} GPUs as much as {gpus} would do"
    return Finding(
        "instance_too_large",
        "info",
        f"{seen}.",
        f'Try {instance}: `"instances": {{"type": "{instance.name}"}}` in dataset.json. If a rule '
        "about input or batch size fired too, follow that first.",
        "instance-too-large",
    )


def _gpus_needed(profile: Profile) -> tuple[int, float]:
    """How many GPUs would be as busy as these were together, and GiB on each."""
    machine, samples = profile.machine, steady(profile)
    if not machine.gpus:
        return 0, 0.0
    busy = np.array([[gpu.busy for gpu in s.gpus] for s in samples]).sum(axis=1)
    count = max(math.ceil(float(np.quantile(busy, 0.95)) / GPU_HEADROOM), 1)
    if profile.gpu_peak:
        memory = max(profile.gpu_peak) / GIB
    else:
        memory = max(gpu.memory for s in samples for gpu in s.gpus) / GIB
    return min(count, len(machine.gpus)), memory


def instance_too_small(profile: Profile) -> Finding | None:
    """Memory nearly full, cores that cannot feed the GPU, or long on full cores without one."""
    return _memory_full(profile) or _gpu_memory_full(profile) or _cores_full(profile)


def _memory_full(profile: Profile) -> Finding | None:
    machine, peak = profile.machine, profile.peak_memory
    if peak <= MEMORY_FULL * machine.memory:
        return None
    larger = roomier(machine, peak / GIB / HEADROOM)
    return _small(
        "bad",
        f"The run took {peak / GIB:.1f} of {machine.memory / GIB:.1f} GiB of memory; a little more "
        "and it would have been killed.",
        f"Try {larger}." if larger else "Take an instance with more memory.",
    )


def _gpu_memory_full(profile: Profile) -> Finding | None:
    for gpu, peak in zip(profile.machine.gpus, profile.gpu_peak, strict=False):
        if peak > GPU_MEMORY_FULL * gpu.memory:
            family = BIGGER_GPU.get(family_of(profile.machine))
            larger = smallest(family, Need(1, 1, 1, peak / GIB / HEADROOM)) if family else None
            return _small(
                "warning",
                f"The network and its batches took {peak / GIB:.1f} of {gpu.memory / GIB:.1f} GiB "
                f"on the GPU ({gpu.name}).",
                f"Try {larger}, or smaller batches." if larger else "Take smaller batches.",
            )
    return None


def _cores_full(profile: Profile) -> Finding | None:
    machine, samples = profile.machine, steady(profile)
    if len(samples) < PATIENCE:
        return None
    full = float(np.mean([s.cpu_of_free >= CPU_FULL for s in samples]))
    seen = f"All {machine.cpus:g} cores were full in {full:.0%} of the samples"
    if full < FULL_TIME:
        return None
    if machine.gpus and input_bound(profile) is not None:
        memory = max(gpu.memory for gpu in machine.gpus) / GIB
        need = Need(machine.cpus + 1, 0, len(machine.gpus), HEADROOM * memory)
        larger = smallest(family_of(machine), need)
        return _small(
            "warning",
            f"{seen}, and the GPU waits for the rows that they prepare.",
            f"Try {larger}." if larger else "Take an instance with more cores for each GPU.",
        )
    if not machine.gpus and profile.seconds > LONG_RUN:
        larger = smallest(GPU_FAMILY, Need(1, profile.peak_memory / GIB / HEADROOM, 1, 1))
        return _small(
            "info",
            f"{seen}, and the training took {profile.seconds / 60:.0f} minutes.",
            f"A GPU trains networks on images many times faster: try {larger}.",
        )
    return None


def _small(severity: Severity, seen: str, do: str) -> Finding:
    return Finding("instance_too_small", severity, seen, do, "instance-too-small")
