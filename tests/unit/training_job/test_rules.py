"""Rules about machines, classes and batches, on profiles of machines that are not here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pigeonhole_training.watching.instances import INSTANCES, Need, smallest
from pigeonhole_training.watching.observer import Epoch, StepTimes
from pigeonhole_training.watching.profile import (
    GIB,
    Finding,
    Gpu,
    GpuUse,
    Gradients,
    Machine,
    Profile,
    Sample,
    Settings,
)
from pigeonhole_training.watching.rules import judge

A10G = Gpu("NVIDIA A10G", 24 * GIB)
ONE_GPU = Machine(4, 16 * GIB, (A10G,), "ml.g5.xlarge")
FOUR_GPUS = Machine(48, 192 * GIB, (A10G,) * 4, "ml.g5.12xlarge")


def a_profile(
    machine: Machine,
    *,
    cpu: float = 0.6,
    gpus: tuple[float, ...] = (),
    gpu_peak: int = 20,
    memory: float = 0.5,
    reading: float = 0.0,
    seconds: float = 600.0,
    batch_size: int = 32,
) -> Profile:
    """Ten minutes on a machine; shares from 0 to 1, the GPU's memory in GiB."""
    step = StepTimes(1, batch_size, reading, 0.0, 0.01)
    used = tuple(GpuUse(busy, gpu_peak * GIB) for busy in gpus)
    sample = Sample(1.0, cpu, 0.0, int(memory * machine.memory), used)
    return Profile(
        settings=Settings(
            preset="default",
            backend="tensorflow",
            devices=tuple(f"gpu:{i}" for i in range(len(gpus))) or ("cpu:0",),
            hosts=1,
            precision="float32",
            batch_size=batch_size,
            label_smoothing=0.0,
            steps_per_epoch=500,
            training_rows=16_000,
            validation_rows=1_000,
            rows_on_device=False,
            class_rows={"a": 500, "b": 500},
        ),
        machine=machine,
        steps=(step,) * 20,
        epochs=(Epoch(1, 0.3, 0.9, 0.3, 0.9, 1e-3, seconds),),
        samples=(sample,) * 100,
        peak_memory=int(memory * machine.memory),
        gpu_peak=(gpu_peak * GIB,) * len(gpus),
        seconds=seconds,
    )


def found(profile: Profile) -> dict[str, Finding]:
    return {finding.rule: finding for finding in judge(profile)}


def test_machines_that_are_used_well_are_left_alone() -> None:
    assert not found(a_profile(ONE_GPU, gpus=(0.95,)))
    assert not found(a_profile(FOUR_GPUS, gpus=(0.9,) * 4))
    assert not found(a_profile(Machine(4, 16 * GIB, (), "ml.m5.xlarge"), cpu=0.95))


def test_a_gpu_that_waits_for_full_cores() -> None:
    findings = found(a_profile(ONE_GPU, cpu=0.97, gpus=(0.3,), reading=0.02))
    assert findings.keys() == {"gpu_idle", "input_bound", "instance_too_small"}
    assert "30% of the time" in findings["gpu_idle"].seen
    assert "The CPU was full in 100% of the samples" in findings["gpu_idle"].do
    assert "Try ml.g5.2xlarge (8 vCPUs" in findings["instance_too_small"].do


def test_a_gpu_that_is_not_used_at_all() -> None:
    finding = found(a_profile(ONE_GPU, gpus=(0.0,)))["gpu_idle"]
    assert finding.severity == "bad"
    assert "was not used at all" in finding.seen


def test_a_gpu_that_stands_still_half_of_the_time() -> None:
    profile = a_profile(ONE_GPU, gpus=(1.0,))
    still = replace(profile.samples[0], gpus=(GpuUse(0.02, 20 * GIB),))
    finding = found(replace(profile, samples=(profile.samples[0], still) * 50))["gpu_idle"]
    assert "in 50% of them it stood still" in finding.seen


def test_batches_too_small_for_the_gpu() -> None:
    findings = found(a_profile(ONE_GPU, cpu=0.4, gpus=(0.4,), gpu_peak=2))
    assert '"batch_size": 64' in findings["batch_too_small"].do
    assert "2.0 GiB of its memory (8%)" in findings["batch_too_small"].seen
    # where memory is taken, a larger batch would not fit
    assert "batch_too_small" not in found(a_profile(ONE_GPU, cpu=0.4, gpus=(0.4,), gpu_peak=20))


def test_batches_too_small_for_the_cores() -> None:
    machine = Machine(4, 16 * GIB, (), "ml.m5.xlarge")
    profile = a_profile(machine, cpu=0.5, batch_size=2)
    assert found(profile).keys() == {"batch_too_small"}
    # cores that others took were not to be had
    others = tuple(replace(s, others=0.48) for s in profile.samples)
    assert not found(replace(profile, samples=others))


@pytest.mark.parametrize(
    ("machine", "use", "better"),
    [
        (Machine(16, 64 * GIB, (), "ml.m5.4xlarge"), {"cpu": 0.15, "memory": 0.1}, "ml.m5.xlarge"),
        (Machine(16, 64 * GIB, (), "ml.m5.4xlarge"), {"cpu": 0.15, "memory": 0.4}, "ml.m5.2xlarge"),
        (FOUR_GPUS, {"cpu": 0.05, "gpus": (0.9, 0, 0, 0), "memory": 0.05}, "ml.g5.xlarge"),
        (Machine(16, 60 * GIB), {"cpu": 0.15, "memory": 0.1}, "ml.m5.xlarge"),
    ],
)
def test_an_instance_that_is_too_large(machine: Machine, use: dict, better: str) -> None:
    finding = found(a_profile(machine, **use))["instance_too_large"]
    assert f"Try {better} (" in finding.do


def test_an_instance_with_too_little_memory() -> None:
    finding = found(a_profile(Machine(4, 8 * GIB, (), "ml.c5.xlarge"), cpu=0.95, memory=0.95))[
        "instance_too_small"
    ]
    assert finding.severity == "bad"
    assert "7.6 of 8.0 GiB" in finding.seen
    assert "Try ml.m5.xlarge (4 vCPUs, 16 GiB)" in finding.do


def test_a_gpu_with_too_little_memory() -> None:
    t4 = Machine(4, 16 * GIB, (Gpu("Tesla T4", 15 * GIB),), "ml.g4dn.xlarge")
    finding = found(a_profile(t4, gpus=(0.95,), gpu_peak=15))["instance_too_small"]
    assert "Try ml.g5.xlarge" in finding.do


def test_hours_on_full_cores_are_worth_a_gpu() -> None:
    machine = Machine(4, 16 * GIB, (), "ml.m5.xlarge")
    finding = found(a_profile(machine, cpu=0.99, seconds=7200))["instance_too_small"]
    assert "ml.g5.xlarge" in finding.do


def test_short_runs_say_nothing_of_machines() -> None:
    profile = a_profile(ONE_GPU, cpu=0.05, gpus=(0.0,), gpu_peak=1, memory=0.01)
    assert not found(replace(profile, samples=profile.samples[:20]))


def test_a_rare_class() -> None:
    profile = a_profile(ONE_GPU, gpus=(0.95,))
    rare = replace(profile.settings, class_rows={"cat": 900, "dog": 800, "lynx": 20})
    finding = found(replace(profile, settings=rare))["class_imbalance"]
    assert finding.severity == "info"
    assert "cat has 900 training rows, lynx 20" in finding.seen
    missed = replace(profile, settings=rare, recall={"cat": 0.9, "dog": 0.9, "lynx": 0.2})
    finding = found(missed)["class_imbalance"]
    assert finding.severity == "warning"
    assert "lynx (20% found)" in finding.seen


def test_a_gradient_that_jumps() -> None:
    profile = a_profile(ONE_GPU, gpus=(0.95,))
    usual = [Gradients(i, {"a/kernel": 0.5, "b/kernel": 0.1}) for i in range(20)]
    assert not found(replace(profile, gradients=tuple(usual)))
    usual[7] = Gradients(7, {"a/kernel": 0.5, "b/kernel": 9e3})
    finding = found(replace(profile, gradients=tuple(usual)))["exploding_gradients"]
    assert "at step 7, most of it in b/kernel" in finding.seen


def test_a_run_that_has_learnt_everything_has_no_vanishing_gradients() -> None:
    small = tuple(Gradients(i, {"a/kernel": 1e-9, "b/kernel": 1e-8}) for i in range(9))
    profile = replace(
        a_profile(ONE_GPU, gpus=(0.95,)),
        gradients=small,
        sizes={"a/kernel": 100, "b/kernel": 100},
        kernels=("a/kernel", "b/kernel"),
    )
    assert not found(profile)


def test_the_smallest_instance_that_fits() -> None:
    assert len({instance.name for instance in INSTANCES}) == len(INSTANCES)
    chosen = smallest("ml.g5", Need(cpus=6, memory=20, gpus=1, gpu_memory=20))
    assert chosen is not None
    assert chosen.name == "ml.g5.2xlarge"
    assert smallest("ml.g5", Need(cpus=1, memory=1, gpus=9)) is None
