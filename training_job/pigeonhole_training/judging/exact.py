"""Float32 arithmetic that is float32's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def full_precision() -> Iterator[None]:
    """Keeps a GPU from rounding the factors of its products to 10 bits of mantissa (TF32).

    NVIDIA's GPUs do so since Ampere unless they are told otherwise, which moves a probability by
    1e-3 and more: too much to compare with what ONNX Runtime answers on a CPU.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        before = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(before)
    elif backend == "jax":
        import jax  # noqa: PLC0415

        with jax.default_matmul_precision("highest"):
            yield
    else:
        yield
