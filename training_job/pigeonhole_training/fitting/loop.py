"""The training loop: schedule, early stopping, and one line an epoch that CloudWatch can parse."""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from pigeonhole_training.errors import TrainingDiverged
from pigeonhole_training.progress import StopFlag, say
from pigeonhole_training.watching.observer import Epoch, Run

PREDICT_BATCH = 512


class StopCallback(keras.callbacks.Callback):
    """Ends training, evaluation and prediction after the batch in which a stop was asked for."""

    def __init__(self, stop: StopFlag) -> None:
        super().__init__()
        self._stop = stop

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop.check()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop.check()

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop.check()


class EpochCallback(keras.callbacks.Callback):
    """Collects and prints each epoch; refuses to go on once the loss is not a number."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[Epoch] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # with a schedule, Keras leaves the rate out of the logs
        logs = {"learning_rate": _rate(self.model)} | (logs or {})
        done = Epoch(
            epoch=epoch + 1,
            train_loss=float(logs["loss"]),
            train_accuracy=float(logs["accuracy"]),
            validation_loss=float(logs["val_loss"]),
            validation_accuracy=float(logs["val_accuracy"]),
            learning_rate=float(logs["learning_rate"]),
            seconds=time.perf_counter() - self._start,
        )
        if not (math.isfinite(done.train_loss) and math.isfinite(done.validation_loss)):
            raise TrainingDiverged(
                f"training diverged in epoch {done.epoch}: the loss is not a number. "
                "Try a smaller learning_rate."
            )
        self.epochs.append(done)
        say(done.line())


def _rate(model: keras.Model | None) -> float:
    return math.nan if model is None else float(model.optimizer.learning_rate)


def fit(model: keras.Model, run: Run, stop: StopFlag) -> list[Epoch]:
    """Trains `model` in place; it ends with the weights of the epoch of lowest validation loss.

    The learning rate rises over the first tenth of the steps and falls along a cosine to zero.
    Raises TrainingDiverged, Stopped.
    """
    recipe, (phase,) = run.recipe, run.recipe.phases
    steps = recipe.epochs * run.steps_per_epoch
    warmup = min(steps // 10, 500)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=phase.learning_rate / 10,
        warmup_target=phase.learning_rate,
        warmup_steps=max(warmup, 1),
        decay_steps=max(steps - warmup, 1),
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # TensorFlow's XLA was three times slower on a CPU and is not deterministic on a GPU; JAX is
        # nothing without it
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    epochs = EpochCallback()
    best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=recipe.patience, restore_best_weights=True
    )
    everything = slice(None)
    model.fit(
        run.training.take(everything),
        run.training.labels,
        batch_size=recipe.batch_size,
        epochs=phase.epochs,
        validation_data=(run.validation.take(everything), run.validation.labels),
        validation_batch_size=PREDICT_BATCH,
        callbacks=[epochs, best, StopCallback(stop)],
        verbose=0,
    )
    return epochs.epochs
