"""Rules about where the time goes: waiting for rows, idle devices, small batches."""

from __future__ import annotations

import math
import statistics

import numpy as np

from pigeonhole_training.watching.profile import GIB, Finding, Profile, Sample

# TensorFlow's profiler calls a step highly input-bound when a fifth of it waits for input
# (kHighlyInfeedBoundThresholdInPercent). Debugger's IOBottleneck looks at I/O wait and an idle GPU
# for half of the time, which reading by threads of the same process does not show.
INPUT_SHARE = 0.2
INPUT_STEPS = 5

# Debugger's LowGPUUtilization: 95th percentile below 70 %.
GPU_BUSY_P95 = 0.7
# Debugger's CPUBottleneck and IOBottleneck: the GPU at 10 % or less for half of the time.
GPU_IDLE = 0.1
GPU_IDLE_TIME = 0.5
CPU_FULL = 0.9  # Debugger's CPUBottleneck: cpu_threshold

# Debugger's BatchSize: 95th percentiles of CPU, GPU and GPU memory all below 70 %.
BATCH_P95 = 0.7
# Twice the batch must leave an epoch with some steps.
BATCH_STEPS = 20

# Debugger waits for 1000 samples at two a second. Ours are one a second, and the job of a few
# minutes is the usual one.
PATIENCE = 30
WARM_UP = 0.1  # of the samples, in which the network is traced and compiled


def input_bound(profile: Profile) -> Finding | None:
    """The device waits for rows for over a fifth of the usual step."""
    steps = profile.steady_steps
    if len(steps) < INPUT_STEPS:
        return None
    reading = statistics.median(step.reading for step in steps)
    copying = statistics.median(step.copying for step in steps)
    computing = statistics.median(step.computing for step in steps)
    total = reading + copying + computing
    if total <= 0 or reading + copying <= INPUT_SHARE * total:
        return None
    seen = (
        f"Of the usual step's {_time(total)}, {_time(reading)} went into reading rows and "
        f"{_time(copying)} into copying them: {(reading + copying) / total:.0%} of the time the "
        "device waits."
    )
    if copying > reading:
        do = "Take larger batches, so that fewer and larger copies are made."
        if not profile.settings.rows_on_device:
            do += " A GPU with more memory holds all rows, and copies none."
    else:
        full = profile.quantile(0.5, "cpu_of_free") >= CPU_FULL
        do = (
            "All cores are busy: take an instance with more of them for the same device, or keep "
            "other work off this one."
            if full
            else "Rows come from disk or are prepared one by one: take an instance whose memory "
            "holds all of them, or larger batches."
        )
    return Finding("input_bound", "warning", seen, do, "input-bound")


def gpu_idle(profile: Profile) -> Finding | None:
    """A GPU that is hardly used, or that stands still half of the time."""
    machine, samples = profile.machine, steady(profile)
    if not machine.gpus or len(samples) < PATIENCE:
        return None
    use = _gpu_use(samples)
    p95 = np.quantile(use, 0.95, axis=0)
    idle = (use <= GPU_IDLE).mean(axis=0)
    slack = [i for i in range(use.shape[1]) if p95[i] < GPU_BUSY_P95 or idle[i] >= GPU_IDLE_TIME]
    if not slack:
        return None
    worst = min(slack, key=lambda i: (p95[i], -idle[i]))
    name = f"GPU {worst} ({machine.gpus[worst].name})"
    if p95[worst] < 0.01:
        return Finding(
            "gpu_idle",
            "bad",
            f"{name} was not used at all; the run had {', '.join(profile.settings.devices)}.",
            "If the run has no GPU device, the image's CUDA libraries or the driver do not fit: "
            "take SageMaker's own GPU image. If it uses fewer GPUs than there are, take an "
            "instance with as many as it uses.",
            "gpu-idle",
        )
    seen = (
        f"{name} was busy for {use[:, worst].mean():.0%} of the time: 95% of the samples "
        f"have at most {p95[worst]:.0%}, and in {idle[worst]:.0%} of them it stood still."
    )
    if len(slack) > 1:
        seen += f" The same goes for {len(slack) - 1} more."
    full = np.mean([sample.cpu_of_free >= CPU_FULL for sample in samples])
    if full >= GPU_IDLE_TIME:
        do = (
            f"The CPU was full in {full:.0%} of the samples: it cannot feed the GPU. Take an "
            "instance with more cores and the same GPU."
        )
    else:
        do = (
            "See which other rule fired: input-bound says that rows come too slowly, batch too "
            "small that a step has too little to do. If none did, the time goes into validation "
            "and checkpoints, and a cheaper instance does as well."
        )
    return Finding("gpu_idle", "warning", seen, do, "gpu-idle")


def batch_too_small(profile: Profile) -> Finding | None:
    """The device is neither busy nor waiting for rows, and there is memory for larger batches."""
    samples, settings = steady(profile), profile.settings
    if len(samples) < PATIENCE or len(profile.steady_steps) < INPUT_STEPS:
        return None
    if settings.steps_per_epoch < 2 * BATCH_STEPS or input_bound(profile) is not None:
        return None
    cpu = float(np.quantile([s.cpu_of_free for s in samples], 0.95))
    if cpu >= BATCH_P95:
        return None
    if not profile.machine.gpus:
        seen = (
            f"With {settings.batch_size} rows a batch, 95% of the samples show the cores at most "
            f"{cpu:.0%} busy, and the steps do not wait for rows: each has too little to do."
        )
        return Finding("batch_too_small", "info", seen, _larger(profile), "batch-too-small")
    busy = float(np.quantile(_gpu_use(samples).max(axis=1), 0.95))
    memory = _gpu_memory(profile, samples)
    if busy >= BATCH_P95 or memory >= BATCH_P95:
        return None
    used = max(profile.gpu_peak) if profile.gpu_peak else max(g.memory for g in samples[-1].gpus)
    seen = (
        f"With {settings.batch_size} rows a batch the GPU was at most {busy:.0%} busy in 95% of "
        f"the samples, {used / GIB:.1f} GiB of its memory ({memory:.0%}) were needed, and neither "
        "the CPU nor the reading of rows held it up."
    )
    return Finding("batch_too_small", "warning", seen, _larger(profile), "batch-too-small")


def _larger(profile: Profile) -> str:
    size = profile.settings.batch_size
    return (
        f'Set `"hyperparameters": {{"batch_size": {2 * size}}}` in dataset.json, and double it '
        "again as long as the epochs get shorter and the accuracy holds; the learning rate may "
        "rise with it."
    )


def steady(profile: Profile) -> tuple[Sample, ...]:
    """The samples without the warm-up."""
    return profile.samples[math.ceil(WARM_UP * len(profile.samples)) :]


def _gpu_use(samples: tuple[Sample, ...]) -> np.ndarray:
    """Share `(samples, GPUs)`."""
    return np.array([[gpu.busy for gpu in sample.gpus] for sample in samples])


def _gpu_memory(profile: Profile, samples: tuple[Sample, ...]) -> float:
    """The fullest GPU's share, as the framework's allocator tells it, else the driver."""
    total = [gpu.memory for gpu in profile.machine.gpus]
    if profile.gpu_peak:
        return max(peak / size for peak, size in zip(profile.gpu_peak, total, strict=False))
    used = np.array([[gpu.memory for gpu in sample.gpus] for sample in samples])
    return float(np.quantile(used / np.array(total), 0.95, axis=0).max())


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
