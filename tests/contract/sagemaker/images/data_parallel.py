"""Trains one small Keras model on one host or several, averaging gradients over all of them.

    data_parallel.py [--steps 20] [--optimizer sgd|adam] [--rate 0.1]

Each host reads the CSV files of its own in the channel `train` (label, features …: a channel that
is ShardedByS3Key gives each host its share) and computes the gradients of its own rows, weighted by
how many of all rows they are. So a step over all hosts is the step that one host makes with all
rows, whatever the shards' sizes.

TF_CONFIG (the toolkit sets it for `sagemaker_multi_worker_mirrored_strategy_enabled`) says who the
hosts are; without it there is one. Keras 3's `fit` cannot take the PerReplica values of
MultiWorkerMirroredStrategy; `strategy.run` around a step of one's own can, and Keras's optimizers
sum the gradients over the replicas by themselves.

The first host alone saves the model. Every host leaves `<host>.json` in the job's output: the files
and rows that it read, the loss before each step, its weights in the end and their hash, whether it
saved the model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

SEED = 1


def main() -> None:
    """Read, train, save."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--rate", type=float, default=0.1)
    flags, _ = parser.parse_known_args()
    several = "TF_CONFIG" in os.environ
    # Before anything else of TensorFlow: this waits for the other hosts.
    strategy = (
        tf.distribute.MultiWorkerMirroredStrategy() if several else tf.distribute.get_strategy()
    )
    host = os.environ["SM_CURRENT_HOST"]
    features, labels, files = read(Path(os.environ["SM_CHANNEL_TRAIN"]))
    with strategy.scope():
        keras.utils.set_random_seed(SEED)
        model = network(features.shape[1])
        optimizer = keras.optimizers.get(flags.optimizer)
        optimizer.learning_rate = flags.rate
        optimizer.build(model.trainable_variables)
    losses = train(strategy, model, optimizer, (features, labels), flags.steps)
    chief = not several or strategy.cluster_resolver.task_id == 0
    if chief:
        model.save(Path(os.environ["SM_MODEL_DIR"]) / "model.keras")
    weights = model.get_weights()
    report = {
        "files": files,
        "rows": len(labels),
        "replicas": strategy.num_replicas_in_sync,
        "losses": losses,
        "weights": [float(value) for array in weights for value in array.ravel()],
        "hash": hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest(),
        "saved": chief,
    }
    output = Path(os.environ["SM_OUTPUT_DATA_DIR"]) / f"{host}.json"
    output.write_text(json.dumps(report), encoding="utf-8")
    # Nobody leaves while another still trains or saves.
    total(strategy, 1.0)


def read(folder: Path) -> tuple[Any, Any, list[str]]:
    """All rows of the CSV files in `folder`: features float32, labels int32; the files' names."""
    files = sorted(folder.glob("*.csv"))
    rows = np.concatenate([np.loadtxt(f, delimiter=",", dtype="float32", ndmin=2) for f in files])
    return rows[:, 1:], rows[:, 0].astype("int32"), [file.name for file in files]


def network(width: int) -> keras.Model:
    """Two layers for two classes; logits."""
    return keras.Sequential(
        [
            keras.Input((width,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(2),
        ]
    )


def train(
    strategy: Any, model: keras.Model, optimizer: Any, data: tuple[Any, Any], steps: int
) -> list[float]:
    """`steps` steps over all rows of all hosts; returns the loss before each."""
    features, labels = data
    rows = total(strategy, len(labels))
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    def replica_step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True)) / rows
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function
    def step(x: Any, y: Any) -> Any:
        return strategy.reduce("SUM", strategy.run(replica_step, args=(x, y)), axis=None)

    x, y = tf.constant(features), tf.constant(labels)
    losses = []
    for number in range(1, steps + 1):
        losses.append(float(step(x, y)))
        print(f"step={number}; loss={losses[-1]:.8f};", flush=True)
    return losses


def total(strategy: Any, value: float) -> Any:
    """The sum of a number over all hosts; each waits for the others."""

    @tf.function
    def add() -> Any:
        return strategy.reduce("SUM", strategy.run(lambda: tf.constant(float(value))), axis=None)

    return add()


if __name__ == "__main__":
    main()
