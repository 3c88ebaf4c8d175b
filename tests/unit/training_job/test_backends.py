"""The loop on several devices, and compiled: in processes of their own, as what devices there are
is settled at a process's start. On the backend that KERAS_BACKEND names, TensorFlow if none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SEVERAL = """
import sys
sys.path[:0] = [{code!r}, {tests!r}]
import os
from train import choose_backend
choose_backend(os.environ)
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
import numpy as np
from pigeonhole_training.recipe import Phase
from fitted import loop_of, recipe


def trained(shares):
    from pigeonhole_training.fitting.engines import open_engine
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 1), name="image")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    x = layers.Dense(8, "relu")(x)
    model = keras.Model(image, layers.Dense(3, "softmax", name="probabilities")(x))
    engine = open_engine()
    assert engine.shares == 2, engine.devices
    if shares == 1:
        one_device(engine)
    loop = loop_of(
        recipe(phases=(Phase(2, 0.1),), augment=(), label_smoothing=0.0),
        engine=engine, model=model, plan={{"rows_on_device": shares == 2}},
    )
    loop.fit()
    return model.get_weights()

def one_device(engine):
    if keras.backend.backend() == "tensorflow":
        engine._strategy = None
    else:
        import jax
        engine.devices = engine.devices[:1]
        engine._split = engine._everywhere = jax.local_devices()[0]

one, two = trained(1), trained(2)
for a, b in zip(one, two, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
print("the same")
"""
COMPILED = """
import os, sys
sys.path[:0] = [{code!r}, {tests!r}]
from train import choose_backend
choose_backend(os.environ, gpus=1)
from pigeonhole_training.data.version import Shape
from pigeonhole_training.fitting.precision import precision
from pigeonhole_training.models import default
from pigeonhole_training.recipe import Phase
from fitted import loop_of, recipe

model = default.build_network(Shape(6, 6, 1), 3)
plan = {{"compiled": True, "rows_on_device": True, "precision": "mixed_float16"}}
with precision(model, plan["precision"]):
    loop = loop_of(recipe(phases=(Phase(3, 0.05),)), model=model, plan=plan)
    loop.fit()
assert loop.epochs[-1].train_loss < loop.epochs[0].train_loss, loop.epochs
print("compiled")
"""
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


def run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": BACKEND} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_two_devices_take_the_steps_of_one() -> None:
    code = SEVERAL.format(code=str(HERE.parents[2] / "training_job"), tests=str(HERE))
    flags = "--xla_force_host_platform_device_count=2"
    assert "the same" in run(code, XLA_FLAGS=flags if BACKEND == "jax" else "")


def test_a_default_network_is_compiled_as_a_gpu_gets_it() -> None:
    """By XLA, for this host's CPU: with loss scaling, in the environment that a GPU's job has."""
    code = COMPILED.format(code=str(HERE.parents[2] / "training_job"), tests=str(HERE))
    # Deterministic operations may be on in this process.
    assert "compiled" in run(code, TF_DETERMINISTIC_OPS="0")
