"""What is TensorFlow's alone: what its errors come to."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from pigeonhole_training.errors import DeviceFull
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402

if keras.backend.backend() != "tensorflow":
    pytest.skip("another backend is chosen", allow_module_level=True)

import tensorflow as tf  # noqa: E402
from pigeonhole_training.fitting.engine import Forward  # noqa: E402
from pigeonhole_training.fitting.on_tensorflow import TensorFlowEngine  # noqa: E402


def through(layer: Callable[[tf.Tensor], tf.Tensor]) -> Forward:
    """A network that is one layer."""
    image = keras.Input((6, 6, 1), name="image")
    model = keras.Model(image, keras.layers.Lambda(layer, output_shape=(6, 6, 1))(image))
    return TensorFlowEngine().forward(model, jit=False)


def test_a_device_that_is_full_says_what_to_do() -> None:
    def full(_: np.ndarray) -> np.ndarray:
        raise MemoryError

    def layer(x: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(full, [x], tf.float32), x.shape)

    with pytest.raises(DeviceFull, match="a smaller batch_size"):
        through(layer)(np.zeros((2, 6, 6, 1), np.uint8))


def test_what_ails_a_host_alone_is_no_other_host() -> None:
    closed = tf.queue.FIFOQueue(1, [tf.float32])
    closed.close()

    def layer(x: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([closed.enqueue(tf.reduce_sum(x))]):
            return tf.identity(x)

    # several hosts' collectives raise the same error when a host is lost
    with pytest.raises(tf.errors.CancelledError, match="is closed"):
        through(layer)(np.zeros((2, 6, 6, 1), np.uint8))
