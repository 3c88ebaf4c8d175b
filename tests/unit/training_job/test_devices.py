"""What is made of devices, told from their descriptions."""

from __future__ import annotations

from typing import Any

import pytest
from pigeonhole_training.fitting.devices import Device, Plan, choose_precision, make_plan, usable

GIB = 1 << 30
CPU = Device("cpu", "cpu:0")
OLD = Device("gpu", "gpu:0", 12 * GIB, (3, 7))  # K80
T4 = Device("gpu", "gpu:0", 16 * GIB, (7, 5))
A10G = Device("gpu", "gpu:0", 24 * GIB, (8, 6))


def plan(*devices: Device, **changes: Any) -> Plan:
    given = {"hosts": 1, "backend": "tensorflow", "pixel_bytes": 47_040_000, "on_disk": False}
    return make_plan(devices, **given | changes)


@pytest.mark.parametrize(
    ("devices", "auto", "on"),
    [
        ([CPU], "float32", "mixed_bfloat16"),
        ([OLD], "float32", "mixed_float16"),
        ([T4], "mixed_float16", "mixed_float16"),
        ([A10G], "mixed_bfloat16", "mixed_bfloat16"),
        ([A10G, T4], "mixed_float16", "mixed_float16"),
        ([Device("gpu", "gpu:0")], "float32", "mixed_float16"),
    ],
    ids=["cpu", "old", "t4", "a10g", "both", "unknown"],
)
def test_precision_is_what_all_devices_are_fast_with(
    devices: list[Device], auto: str, on: str
) -> None:
    assert choose_precision(devices) == auto
    assert choose_precision(devices, "on") == on
    assert choose_precision(devices, "off") == "float32"


def test_a_gpu_gets_xla_and_all_rows_when_they_fit() -> None:
    assert plan(CPU, A10G) == Plan((A10G,), 1, "mixed_bfloat16", True, True, False)


def test_rows_that_do_not_fit_are_read_ahead() -> None:
    for changes in ({"pixel_bytes": 6 * GIB + 1}, {"pixel_bytes": 7 * GIB, "on_disk": True}):
        assert not plan(A10G, **changes).rows_on_device
        assert plan(A10G, **changes).prefetched
    assert plan(A10G, pixel_bytes=6 * GIB, on_disk=True).rows_on_device
    assert not plan(
        A10G, Device("gpu", "gpu:1", 8 * GIB, (8, 6)), pixel_bytes=3 * GIB
    ).rows_on_device
    assert not plan(Device("gpu", "gpu:0")).rows_on_device


def test_a_cpu_reads_rows_where_they_are() -> None:
    assert plan(CPU) == Plan((CPU,), 1, "float32", False, False, False)
    assert plan(CPU, on_disk=True).prefetched
    assert plan(CPU, backend="jax").compiled


def test_all_accelerators_of_a_host_are_used() -> None:
    second = Device("gpu", "gpu:1", 24 * GIB, (8, 6))
    assert usable([CPU, A10G, second]) == (A10G, second)
    assert usable([CPU]) == (CPU,)
