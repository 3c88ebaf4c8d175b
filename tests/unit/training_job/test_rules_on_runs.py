"""Rules on runs that are really trained: silent on one that is well, firing where it ails."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.training_job.watched import (
    Training,
    healthy_network,
    network,
    some_rows,
    train_watched,
)

import keras  # isort: skip - after the backend was chosen
from pigeonhole_training.watching.profile import GIB, Gpu, GpuUse, Machine, Profile
from pigeonhole_training.watching.rules import RULES, judge, waits_for

layers = keras.layers


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def healthy() -> Profile:
    return train_watched(healthy_network(), Training())


def fired(profile: Profile) -> set[str]:
    return {finding.rule for finding in profile.findings}


def test_a_healthy_run_is_left_alone(healthy: Profile) -> None:
    assert healthy.epochs[-1].validation_accuracy > 0.9
    assert not fired(healthy)
    # … by rules that had what they need
    judged = {rule.__name__ for rule in RULES if waits_for(rule, healthy) is None}
    assert judged >= {
        "exploding_gradients",
        "vanishing_gradients",
        "loss_not_falling",
        "dead_units",
        "overfitting",
        "class_imbalance",
        "input_bound",
    }


def test_a_healthy_run_on_a_busy_gpu_is_left_alone(healthy: Profile) -> None:
    busy = replace(healthy.samples[-1], cpu=0.6, others=0.0, gpus=(GpuUse(0.95, 20 * GIB),))
    machine = Machine(4, 16 * GIB, (Gpu("NVIDIA A10G", 24 * GIB),), "ml.g5.xlarge")
    on_gpu = replace(
        healthy, machine=machine, samples=(busy,) * 60, peak_memory=5 * GIB, gpu_peak=(18 * GIB,)
    )
    assert all(waits_for(rule, on_gpu) is None for rule in RULES)
    assert judge(on_gpu) == ()


def test_what_was_seen_is_in_the_profile(healthy: Profile) -> None:
    assert [epoch.epoch for epoch in healthy.epochs] == [1, 2, 3]
    assert len(healthy.steps) == 60
    assert {unit.layer for unit in healthy.dead_units} == {"first", "second"}
    assert healthy.samples[-1].memory > 50_000_000
    assert healthy.peak_memory >= healthy.samples[-1].memory
    assert healthy.gradients[0].norms.keys() == healthy.sizes.keys()
    assert len(healthy.kernels) == 3
    document = json.loads(healthy.to_json())
    assert document["settings"]["class_rows"].keys() == {"circle", "cross", "bar"}
    assert len(healthy.to_json()) < 200_000


def test_a_slow_reader_is_input_bound_and_that_is_said_at_once_and_once() -> None:
    said: list[str] = []
    how = Training(some_rows(320), epochs=2, reading=0.05)
    profile = train_watched(network(layers.Flatten()), how, tell=said.append)
    (finding,) = (f for f in profile.findings if f.rule == "input_bound")
    assert "reading rows" in finding.seen
    assert [line for line in said if "reading rows" in line] == said[:1]


def test_a_deep_net_of_sigmoids_has_vanishing_gradients() -> None:
    deep = [layers.Dense(16, activation="sigmoid") for _ in range(11)]
    profile = train_watched(
        network(layers.Flatten(), *deep), Training(some_rows(320), epochs=1, eager=True)
    )
    (finding,) = (f for f in profile.findings if f.rule == "vanishing_gradients")
    assert deep[0].name in finding.seen


def test_large_weights_in_a_deep_net_explode() -> None:
    start = keras.initializers.RandomNormal(stddev=3.0)
    deep = [layers.Dense(64, kernel_initializer=start) for _ in range(12)]
    how = Training(some_rows(320), epochs=1, eager=True, optimizer=keras.optimizers.SGD(0.1))
    profile = train_watched(network(layers.Flatten(), *deep), how)
    (finding,) = (f for f in profile.findings if f.rule == "exploding_gradients")
    assert finding.severity == "bad"
    assert "no longer a finite number" in finding.seen


def test_units_that_never_fire_are_dead() -> None:
    low = keras.initializers.Constant(-50.0)
    wide = layers.Dense(32, activation="relu", bias_initializer=low, name="wide")
    profile = train_watched(
        network(layers.Flatten(), wide), Training(some_rows(320), epochs=1, eager=True)
    )
    (finding,) = (f for f in profile.findings if f.rule == "dead_units")
    assert "32 of the 32 units of wide" in finding.seen


def test_rows_learnt_by_heart_are_overfitting() -> None:
    how = Training(training=some_rows(60, random_labels=True), epochs=10, batch_size=20)
    profile = train_watched(network(layers.Flatten(), layers.Dense(64, activation="relu")), how)
    assert "overfitting" in fired(profile)


def test_a_learning_rate_of_next_to_nothing_learns_nothing() -> None:
    how = Training(some_rows(320), epochs=1, eager=True, optimizer=keras.optimizers.SGD(1e-9))
    profile = train_watched(network(layers.Flatten()), how)
    (finding,) = (f for f in profile.findings if f.rule == "loss_not_falling")
    assert finding.severity == "bad"
