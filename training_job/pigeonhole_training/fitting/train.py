"""A network trained by its preset's recipe on the devices that are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pigeonhole_training.config import JobConfig
from pigeonhole_training.data.split import Split
from pigeonhole_training.data.version import DatasetVersion, Shape
from pigeonhole_training.fitting.checkpoints import Checkpoints
from pigeonhole_training.fitting.devices import make_plan
from pigeonhole_training.fitting.engine import Engine
from pigeonhole_training.fitting.loop import Loop
from pigeonhole_training.fitting.order import Order
from pigeonhole_training.fitting.precision import precision
from pigeonhole_training.models import preset_of
from pigeonhole_training.progress import StopFlag, quiet_stderr, say
from pigeonhole_training.recipe import Recipe, Situation
from pigeonhole_training.watching.observer import Epoch, Observer, Run


@dataclass(frozen=True)
class Trained:
    """What a training came to: the network with the weights of its best epoch, in float32.

    `best_epoch` counts from 1. `first`: this is the host that judges and writes; the others are
    done. `checkpoints` are to be cleared once the model is written.
    """

    model: keras.Model
    run: Run
    recipe: Recipe
    epochs: tuple[Epoch, ...]
    best_epoch: int
    first: bool
    checkpoints: Checkpoints


def train(
    config: JobConfig,
    version: DatasetVersion,
    split: Split,
    engine: Engine,
    *,
    observers: Sequence[Observer] = (),
    stop: StopFlag | None = None,
) -> Trained:
    """Trains the network of `config`'s preset; the validation rows choose the best epoch.

    Raises BadRequest, TrainingDiverged, DeviceFull, HostLost, Stopped; after the last, the
    checkpoints in `config.checkpoint_dir` let the same call go on where this one stopped.
    """
    training, hyperparameters = split.training, config.hyperparameters
    preset = preset_of(hyperparameters.preset)
    height, width, channels = training.image_shape
    shape = Shape(height, width, channels)
    plan = make_plan(
        engine.devices,
        hosts=engine.hosts,
        backend=keras.backend.backend(),
        pixel_bytes=len(training) * height * width * channels,
        on_disk=isinstance(training.pool.pixels, np.memmap),
        precision=hyperparameters.mixed_precision,
    )
    situation = Situation(len(training), shape, len(version.classes), plan.accelerator)
    recipe = preset.recipe(situation, hyperparameters.asked)
    with quiet_stderr():  # whatever the backend, Keras loads a TensorFlow that it finds
        keras.utils.set_random_seed(recipe.seed)
    model = preset.build(shape, len(version.classes), config.weights_dir)
    order = Order.of(len(training), recipe.batch_size, recipe.seed, engine.shares)
    run = Run(
        model=model,
        recipe=recipe,
        training=training,
        validation=split.validation,
        classes=version.classes,
        steps_per_epoch=order.steps,
        backend=keras.backend.backend(),
        devices=tuple(device.name for device in plan.devices),
        hosts=engine.hosts,
        precision=plan.precision,
        rows_on_device=plan.rows_on_device,
    )
    say(_sentence(run, shape))
    checkpoints = Checkpoints(config.checkpoint_dir, _fingerprint(run, version, config), say)
    with precision(model, plan.precision):
        loop = Loop(
            run, engine, plan, order, checkpoints=checkpoints, observers=observers, stop=stop
        )
        loop.fit()
    return Trained(
        model=model,
        run=run,
        recipe=recipe,
        epochs=tuple(loop.epochs),
        best_epoch=loop.best.epoch,
        first=engine.host == 0,
        checkpoints=checkpoints,
    )


def _sentence(run: Run, shape: Shape) -> str:
    several = f" of {run.hosts} hosts" if run.hosts > 1 else ""
    return (
        f"Training {run.recipe.preset} on {len(run.training):,} rows of {shape}, "
        f"{len(run.classes)} classes, up to {run.recipe.epochs} epochs, the best chosen by "
        f"{len(run.validation):,}; on {', '.join(run.devices)}{several} with {run.backend}, "
        f"{run.precision}"
    )


def _fingerprint(run: Run, version: DatasetVersion, config: JobConfig) -> dict[str, Any]:
    """What the steps of a run follow from. The devices are not in it: a run may be resumed on
    others."""
    layers = [type(layer).__name__ for layer in run.model.layers]
    network = json.dumps([layers, [list(weight.shape) for weight in run.model.weights]])
    return {
        "dataset": version.version,
        "rows": [len(run.training), len(run.validation)],
        "recipe": asdict(run.recipe),
        "network": hashlib.sha256(network.encode()).hexdigest(),
        "pretrained_weights": _digests(config.weights_dir) if config.weights_dir else [],
        "code": config.code_version,
        "backend": run.backend,
        "keras": keras.version(),
        "precision": run.precision,
    }


def _digests(folder: Path) -> list[str]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found
