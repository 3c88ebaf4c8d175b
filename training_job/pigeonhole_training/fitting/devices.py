"""What a run makes of the devices that are there. Decided from descriptions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Asked = Literal["auto", "on", "off"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

# Of a device's memory, what training rows may take: the rest is for weights and activations.
SHARE_FOR_ROWS = 0.25
HALF_FROM = (7, 0)  # compute capability: tensor cores for float16 (Volta, T4)
BRAIN_FROM = (8, 0)  # … and for bfloat16 (Ampere, A10G)


@dataclass(frozen=True)
class Device:
    """`name` as Keras names it (`gpu:0`); `memory` in bytes and `capability` (CUDA's "compute
    capability") of a GPU, None where they are not known."""

    kind: Literal["cpu", "gpu", "tpu"]
    name: str
    memory: int | None = None
    capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Plan:
    """How to use the devices.

    `devices` are those of this host that compute; `precision` is Keras' dtype policy while
    training; `compiled` steps are XLA's; `rows_on_device`: training rows are copied there once;
    `prefetched`: a thread reads the next batches while a step computes.
    """

    devices: tuple[Device, ...]
    hosts: int
    precision: Precision
    compiled: bool
    rows_on_device: bool
    prefetched: bool

    @property
    def accelerator(self) -> bool:
        """Whether it is more than CPUs."""
        return any(device.kind != "cpu" for device in self.devices)


def usable(devices: Sequence[Device]) -> tuple[Device, ...]:
    """All accelerators of a host, or its CPU."""
    accelerators = tuple(device for device in devices if device.kind != "cpu")
    return accelerators or tuple(devices)


def choose_precision(devices: Sequence[Device], asked: Asked = "auto") -> Precision:
    """Sixteen bits where every device is faster with them, or where asked for.

    bfloat16 has float32's range and needs no loss scaling; it is taken where the GPUs have it, and
    on a CPU that is asked for mixed precision.
    """
    if asked == "off":
        return "float32"
    capabilities = [device.capability for device in devices if device.kind == "gpu"]
    if not capabilities:
        brain = asked == "on" or any(device.kind == "tpu" for device in devices)
        return "mixed_bfloat16" if brain else "float32"
    if all(known is not None and known >= BRAIN_FROM for known in capabilities):
        return "mixed_bfloat16"
    if asked == "on" or all(known is not None and known >= HALF_FROM for known in capabilities):
        return "mixed_float16"
    return "float32"


def make_plan(
    devices: Sequence[Device],
    *,
    hosts: int,
    backend: str,
    pixel_bytes: int,
    on_disk: bool,
    precision: Asked = "auto",
) -> Plan:
    """The plan for training rows of `pixel_bytes` bytes, which lie `on_disk` or in memory.

    Rows go to the device when it is an accelerator and they fill at most a quarter of the smallest
    one's memory (each device gets them all). A CPU's memory is where they are already.
    """
    used = usable(devices)
    accelerated = used[0].kind != "cpu"
    memories = [device.memory for device in used]
    fits = all(m is not None and pixel_bytes <= SHARE_FOR_ROWS * m for m in memories)
    on_device = accelerated and fits
    return Plan(
        devices=used,
        hosts=hosts,
        precision=choose_precision(used, precision),
        # TensorFlow's XLA was three times slower on a CPU. JAX is nothing without it.
        compiled=accelerated or backend == "jax",
        rows_on_device=on_device,
        # In memory on a CPU, a batch is gathered in microseconds, and a thread would take a core.
        prefetched=not on_device and (on_disk or accelerated),
    )
