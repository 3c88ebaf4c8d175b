"""One training job from channels to artifact.

check the files against version.json -> read the CSVs -> split -> train -> evaluate, beside the
champion -> export to ONNX and compare it with Keras -> write everything at the end
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pigeonhole_training.config import JobConfig
from pigeonhole_training.data.csv_rows import read_rows
from pigeonhole_training.data.split import Split, split_rows
from pigeonhole_training.data.version import DatasetVersion, check_files, read_version
from pigeonhole_training.errors import DataChanged
from pigeonhole_training.export import artifact
from pigeonhole_training.export.onnx_model import OnnxModel, check_export
from pigeonhole_training.judging.champion import ChampionResult, judge_champion
from pigeonhole_training.judging.evaluate import Score, majority_share, score
from pigeonhole_training.progress import Progress, StopFlag, quiet_stderr, say
from pigeonhole_training.recipe import Situation
from pigeonhole_training.watching.observer import Run

OUTPUT_FILES = ("evaluation.json", "history.json", "model.keras")


@dataclass(frozen=True)
class Result:
    """What a job came to; the same numbers are in evaluation.json."""

    score: Score
    champion: ChampionResult | None


def train_and_evaluate(config: JobConfig, stop: StopFlag | None = None) -> Result:
    """Trains, judges, exports and writes one model.

    Writes the artifact's files to `config.model_dir`, and evaluation.json, history.json and
    model.keras to `config.output_data_dir`, all at the end: a job that fails leaves both empty.
    Raises a JobError whose text says what went wrong.
    """
    progress = Progress(stop or StopFlag())
    version = read_version(config.version_dir)
    if config.dataset_version not in (None, version.version):
        raise DataChanged(
            f"version.json is of {version.version[:12]}, the job is for {config.dataset_version}"
        )
    split = _prepare(config, version, progress)
    with tempfile.TemporaryDirectory(prefix="pigeonhole-") as folder:
        result = _train(config, version, split, progress, Path(folder))
        with progress.step("writing", "Writing the model and its reports"):
            # model.json is the last: where it is, the artifact is whole
            artifact.publish(Path(folder), config.output_data_dir, OUTPUT_FILES)
            artifact.publish(Path(folder), config.model_dir, artifact.MODEL_FILES)
    progress.close()
    return result


def _prepare(config: JobConfig, version: DatasetVersion, progress: Progress) -> Split:
    files = version.files
    promised = sum(f.rows or 0 for f in files)
    with progress.step("checking", f"Checking {len(files)} files against version.json"):
        check_files(files, config.train_dir)
    with progress.step("reading", f"Reading {promised:,} rows"):
        train = read_rows(version.of_role("train"), config.train_dir, version)
        test = read_rows(version.of_role("test"), config.train_dir, version)
    count = len(train.labels) + len(test.labels)
    with progress.step("splitting", f"Choosing held-out rows among {count:,}"):
        split = split_rows(train, test)
    if split.duplicates:
        say(f"Left out {split.duplicates} training rows whose image is held out too")
    missing = [c for i, c in enumerate(version.classes) if i not in split.training.labels]
    if missing:
        say(f"No training rows for: {', '.join(missing)}")
    return split


def _train(
    config: JobConfig, version: DatasetVersion, split: Split, progress: Progress, folder: Path
) -> Result:
    with progress.step("importing", "Loading Keras"), quiet_stderr():
        # Seconds; so it comes after everything that can refuse the data.
        import keras  # noqa: PLC0415

        from pigeonhole_training.fitting import loop  # noqa: PLC0415
        from pigeonhole_training.models import preset_of  # noqa: PLC0415

    preset = preset_of(config.hyperparameters.preset)
    situation = Situation(len(split.training), version.shape, len(version.classes))
    recipe = preset.recipe(situation, config.hyperparameters.asked)
    keras.utils.set_random_seed(recipe.seed)
    model = preset.build(version.shape, len(version.classes), config.weights_dir)
    run = Run(
        model=model,
        recipe=recipe,
        training=split.training,
        validation=split.validation,
        classes=version.classes,
        steps_per_epoch=math.ceil(len(split.training) / recipe.batch_size),
        backend=keras.backend.backend(),
        devices=(),
        hosts=1,
        precision="float32",
        rows_on_device=False,
    )
    sentence = (
        f"Training {preset.name} on {len(split.training):,} rows of {version.shape}, "
        f"{len(version.classes)} classes, up to {recipe.epochs} epochs, the best chosen by "
        f"{len(split.validation):,}"
    )
    with progress.step("training", sentence):
        epochs = loop.fit(model, run, progress.stop)

    heldout = split.heldout
    with progress.step("evaluating", f"Evaluating on {len(heldout):,} held-out rows"):
        probabilities = np.asarray(
            model.predict(
                heldout.take(slice(None)),
                batch_size=loop.PREDICT_BATCH,
                callbacks=[loop.StopCallback(progress.stop)],
                verbose=0,
            )
        )
        right = probabilities.argmax(axis=1) == heldout.labels
        own = score(right, heldout.labels, version.classes)
    say(f"heldout_accuracy={own.accuracy:.4f};")

    champion = None
    if config.champion_dir is not None:
        with progress.step("champion", "Evaluating the champion on the same rows"):
            champion = judge_champion(config.champion_dir, heldout, right, version)
        if champion.score is not None:
            say(f"champion_accuracy={champion.score.accuracy:.4f};")

    with progress.step("exporting", "Exporting to ONNX and comparing it with Keras"):
        model.save(folder / "model.keras")
        model.export(folder / "model.onnx", format="onnx", verbose=False)
        exported = OnnxModel(folder / "model.onnx").predict(heldout)
        difference = check_export(probabilities, exported)
    say(f"The ONNX model differs from Keras by at most {difference:.1g}")

    golden = artifact.choose_golden(heldout.labels)
    artifact.write_golden(folder / "golden.jsonl", golden, heldout, probabilities, version.classes)
    artifact.write_trained_rows(folder / "trained_rows.bin", split.seen)
    artifact.write_json(folder / "model.json", _model_document(config, version, split, own))
    artifact.write_json(
        folder / "evaluation.json", _evaluation_document(config, version, split, own, champion)
    )
    best = min(epochs, key=lambda e: e.validation_loss)
    artifact.write_json(
        folder / "history.json",
        {
            "format": 1,
            "recipe": asdict(recipe),
            "rows": {"training": len(split.training), "validation": len(split.validation)},
            "best_epoch": best.epoch,
            "epochs": [asdict(epoch) for epoch in epochs],
            "seconds": progress.seconds,
        },
    )
    return Result(own, champion)


def _model_document(
    config: JobConfig, version: DatasetVersion, split: Split, own: Score
) -> dict[str, Any]:
    return {
        "format": 1,
        "input": {
            **asdict(version.shape),
            "range": [0, 255],
            "foreground": artifact.foreground(split.training),
        },
        "classes": list(version.classes),
        "temperature": 1.0,
        "metrics": {"heldout_accuracy": own.accuracy, "heldout_rows": len(split.heldout)},
        "dataset": version.dataset,
        "dataset_version": version.version,
        "training_job": config.training_job,
        "code_version": config.code_version,
    }


def _evaluation_document(
    config: JobConfig,
    version: DatasetVersion,
    split: Split,
    own: Score,
    champion: ChampionResult | None,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": 1,
        "dataset_version": version.version,
        "training_job": config.training_job,
        "heldout": {
            "rows": len(split.heldout),
            "source": split.source,
            "majority_share": majority_share(split.heldout.labels),
            "excluded_duplicates_of_training_rows": split.duplicates,
        },
        "challenger": asdict(own),
        "champion": None,
        "paired": None,
    }
    if champion is not None:
        document["champion"] = {
            "training_job": champion.training_job,
            "dataset_version": champion.dataset_version,
            "same_classes": champion.same_classes,
            "same_shape": champion.same_shape,
            "accuracy": champion.score.accuracy if champion.score else None,
            "recall": champion.score.recall if champion.score else {},
        }
        document["paired"] = asdict(champion.paired) if champion.paired else None
    return document
