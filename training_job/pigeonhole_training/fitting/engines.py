"""Opens the engine of Keras' backend."""

from __future__ import annotations

import keras

from pigeonhole_training.errors import BadRequest
from pigeonhole_training.fitting.engine import Engine


def open_engine(hosts: int = 1, host: int = 0) -> Engine:
    """The devices of this host, `host` (from 0) of `hosts`. Raises BadRequest, HostLost.

    To be called before a network is built: with several hosts TensorFlow must hear of them first.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from pigeonhole_training.fitting.on_tensorflow import TensorFlowEngine  # noqa: PLC0415

        return TensorFlowEngine(hosts, host)
    if backend == "jax":
        if hosts > 1:
            raise BadRequest("several hosts train with TensorFlow alone; KERAS_BACKEND is jax")
        from pigeonhole_training.fitting.on_jax import JaxEngine  # noqa: PLC0415

        return JaxEngine()
    raise BadRequest(f"KERAS_BACKEND must be tensorflow or jax, not {backend}")
