"""What is TensorFlow's alone: what its errors come to, what it gives XLA to compile."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import numpy as np
import pytest
from pigeonhole_training.data.version import Shape
from pigeonhole_training.errors import DeviceFull
from pigeonhole_training.fitting.devices import Precision
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402

if keras.backend.backend() != "tensorflow":
    pytest.skip("another backend is chosen", allow_module_level=True)

import tensorflow as tf  # noqa: E402
from pigeonhole_training.augment import Augment  # noqa: E402
from pigeonhole_training.fitting.engine import Forward, HostBatch, Step  # noqa: E402
from pigeonhole_training.fitting.objective import Objective  # noqa: E402
from pigeonhole_training.fitting.on_tensorflow import TensorFlowEngine  # noqa: E402
from pigeonhole_training.fitting.optimizer import make_optimizer  # noqa: E402
from pigeonhole_training.fitting.precision import precision  # noqa: E402
from pigeonhole_training.models import wide  # noqa: E402

from .fitted import recipe  # noqa: E402


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


@pytest.mark.parametrize(("policy", "kind"), [("mixed_float16", "f16"), ("mixed_bfloat16", "bf16")])
def test_all_convolutions_of_a_mixed_step_are_in_sixteen_bits(policy: Precision, kind: str) -> None:
    """As XLA gets them, forward and backward; shifts, the last layer and the loss are in 32."""
    keras.utils.set_random_seed(1)
    model = wide.build_wide(Shape(6, 6, 1), 3, depth=10, width=1)
    wanted = recipe(augment=("flip", "crop:2", "erase:0.5"))
    engine = TensorFlowEngine()
    with precision(model, policy):
        optimizer = make_optimizer(wanted, wanted.phases[0], 10, model, policy == "mixed_float16")
        objective = Objective(model, Augment(wanted.augment), wanted.label_smoothing)
        engine.compile(Step(objective, optimizer, decay=0.999), jit=True)
        engine.hold(np.zeros((40, 6, 6, 1), np.uint8), np.zeros(40, np.int32))
        batch = engine.put(HostBatch(np.arange(16, dtype=np.int32)))
        compiled = engine._step.experimental_get_compiler_ir(tf.constant(0.0), batch, engine._rows)
        steps = compiled(stage="hlo")
    convolutions = re.findall(r"= (\w+)\[[^=]* convolution\(", steps)
    forward = sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)
    assert convolutions == [kind] * (3 * forward)
    assert set(re.findall(r"= (\w+)\[[^=]* dot\(", steps)) == {"f32"}
