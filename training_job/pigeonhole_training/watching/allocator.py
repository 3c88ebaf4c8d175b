"""How much GPU memory the framework's allocator has held at most.

TensorFlow and JAX take nearly all of a GPU's memory from the driver when they start, so that the
driver's own number says nothing about the batch size.
"""

from __future__ import annotations

import keras


def gpu_peak() -> tuple[int, ...]:
    """Bytes on each GPU of this process; empty on other devices."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        return tuple(
            int(tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"])
            for i in range(len(tf.config.list_logical_devices("GPU")))
        )
    if backend == "jax":
        import jax  # noqa: PLC0415

        stats = [d.memory_stats() for d in jax.local_devices() if d.platform == "gpu"]
        return tuple(int(s["peak_bytes_in_use"]) for s in stats if s)
    return ()
