"""One training job from channels to artifact.

check the files against version.json -> read them -> split -> train -> evaluate, beside the
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
from pigeonhole_training.data.notes import split_notes
from pigeonhole_training.data.reading import read_dataset
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
    with (
        tempfile.TemporaryDirectory(prefix="pigeonhole-") as folder,
        tempfile.TemporaryDirectory(prefix="pigeonhole-rows-") as scratch,
    ):
        prepared = _prepare(config, version, Path(scratch), progress)
        result = _train(config, prepared, progress, Path(folder))
        with progress.step("writing", "Writing the model and its reports"):
            # model.json is the last: where it is, the artifact is whole
            artifact.publish(Path(folder), config.output_data_dir, OUTPUT_FILES)
            artifact.publish(Path(folder), config.model_dir, artifact.MODEL_FILES)
    progress.close()
    return result


@dataclass(frozen=True)
class _Prepared:
    """`version` with the shape that the images have; `framed`: some were cut or scaled to it;
    `notes` for people."""

    version: DatasetVersion
    split: Split
    framed: bool
    notes: tuple[str, ...]


def _prepare(
    config: JobConfig, version: DatasetVersion, scratch: Path, progress: Progress
) -> _Prepared:
    def preset_side() -> int:
        # Keras takes seconds to load: only where the images leave the choice to the preset.
        with quiet_stderr():
            from pigeonhole_training.models import preset_of  # noqa: PLC0415
        return preset_of(config.hyperparameters.preset).photo_side

    files = version.files
    with progress.step("checking", f"Checking {len(files)} files against version.json"):
        check_files(files, config.train_dir)
    rows = sum(file.rows or 0 for file in files)
    what = f"{rows:,} rows" if version.kind == "rows" else f"{len(files):,} files"
    with progress.step("reading", f"Reading {what}"):
        dataset = read_dataset(
            version, config.train_dir, scratch, preset_side, check=progress.stop.check
        )
    pools = (dataset.train, dataset.test, dataset.validation)
    count = sum(len(pool.labels) for pool in pools)
    with progress.step("splitting", f"Choosing held-out rows among {count:,} of {dataset.shape}"):
        split = split_rows(*pools)
        notes = (*dataset.notes, *split_notes(split, version.classes))
    for note in notes:
        say(note)
    return _Prepared(version.with_shape(dataset.shape), split, dataset.framed, notes)


def _train(config: JobConfig, prepared: _Prepared, progress: Progress, folder: Path) -> Result:
    version, split = prepared.version, prepared.split
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
    artifact.write_json(folder / "model.json", _model_document(config, prepared, own))
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


def _model_document(config: JobConfig, prepared: _Prepared, own: Score) -> dict[str, Any]:
    version, split = prepared.version, prepared.split
    return {
        "format": 1,
        "input": {
            **asdict(version.shape),
            "range": [0, 255],
            "foreground": "unknown" if prepared.framed else artifact.foreground(split.training),
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
