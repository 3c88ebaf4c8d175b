"""What the NVIDIA driver says of a host's GPUs."""

from __future__ import annotations


def gpu_memories() -> list[int]:
    """Bytes of each GPU, in the driver's order; empty where there is no driver."""
    try:
        import pynvml  # noqa: PLC0415 - of no use to most hosts
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [
            int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(i)).total)
            for i in range(pynvml.nvmlDeviceGetCount())
        ]
    except pynvml.NVMLError:
        return []
