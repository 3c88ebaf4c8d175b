"""Mixed precision: layers compute with sixteen bits, weights, outputs and exports do not."""

from __future__ import annotations

import os

import numpy as np
import pytest
from pigeonhole_training.recipe import Phase
from train import choose_backend

choose_backend(os.environ)

import keras  # noqa: E402
from pigeonhole_training.fitting.devices import Precision  # noqa: E402
from pigeonhole_training.fitting.precision import precision  # noqa: E402

from .fitted import loop_of, network, recipe  # noqa: E402


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_learns_with_sixteen_bits(policy: Precision) -> None:
    model = network()
    loop = loop_of(
        recipe(phases=(Phase(3, 0.05),), augment=()), model=model, plan={"precision": policy}
    )
    with precision(model, policy):
        computed = model.get_layer("base")(np.zeros((1, 6, 6, 4), np.float32))
        assert keras.backend.standardize_dtype(computed.dtype) == policy.removeprefix("mixed_")
        answer = model(np.zeros((1, 6, 6, 1), np.float32))
        assert keras.backend.standardize_dtype(answer.dtype) == "float32"
        loop.fit()
    losses = [epoch.train_loss for epoch in loop.epochs]
    assert losses[-1] < losses[0]
    assert {weight.dtype for weight in model.weights} == {"float32"}
    # Afterwards it computes in float32, in which it is exported.
    after = model.get_layer("base")(np.zeros((1, 6, 6, 4), np.float32))
    assert keras.backend.standardize_dtype(after.dtype) == "float32"
