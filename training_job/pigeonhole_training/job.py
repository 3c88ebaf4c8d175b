"""One training job from channels to artifact.

check the files against version.json -> read them -> split -> train -> calibrate -> evaluate ->
export to ONNX and compare it with Keras -> judge the champion on the same rows -> write everything
at the end
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pigeonhole_training.config import JobConfig
from pigeonhole_training.data.notes import split_notes
from pigeonhole_training.data.reading import read_dataset
from pigeonhole_training.data.split import Split, split_rows
from pigeonhole_training.data.version import DatasetVersion, check_files, read_version
from pigeonhole_training.errors import DataChanged
from pigeonhole_training.export import artifact
from pigeonhole_training.judging.champion import ChampionResult, judge_champion
from pigeonhole_training.judging.document import evaluation_document
from pigeonhole_training.progress import Progress, StopFlag, quiet_stderr, say
from pigeonhole_training.recipe import Situation
from pigeonhole_training.watching.observer import Run

OUTPUT_FILES = ("evaluation.json", "history.json", "model.keras")


@dataclass(frozen=True)
class Result:
    """What a job came to: evaluation.json's document, and the champion's answers."""

    evaluation: dict[str, Any]
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

        from pigeonhole_training.export.export import export  # noqa: PLC0415
        from pigeonhole_training.fitting import loop  # noqa: PLC0415
        from pigeonhole_training.judging.judge import calibrate, judge  # noqa: PLC0415
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

    heldout, stop = split.heldout, progress.stop
    with progress.step(
        "calibrating", f"Fitting a temperature on {len(split.validation):,} validation rows"
    ):
        calibrated = calibrate(model, split, stop)
    calibration = calibrated.calibration
    say(f"Temperature {calibration.temperature}: {calibration.reason}")
    with progress.step("evaluating", f"Evaluating on {len(heldout):,} held-out rows"):
        answers = judge(calibrated, split, stop)
    with progress.step("exporting", "Exporting to ONNX and comparing it with Keras"):
        exported = export(
            calibrated.model,
            folder,
            quantize=config.hyperparameters.quantize,
            training=split.training,
            heldout=heldout,
            answers=answers,
        )
    say(f"The ONNX model differs from Keras by at most {exported.difference:.1g}")
    if exported.choice.asked != "none":
        say(f"Precision {exported.choice.precision}: {exported.choice.reason}")
    right = exported.heldout.argmax(axis=1) == heldout.labels
    say(f"heldout_accuracy={right.mean():.4f};")

    champion = None
    if config.champion_dir is not None:
        with progress.step("champion", "Evaluating the champion on the same rows"):
            champion = judge_champion(config.champion_dir, heldout, right, version.classes)
        if champion.answers is not None:
            say(f"champion_accuracy={(champion.answers == heldout.labels).mean():.4f};")

    evaluation = evaluation_document(
        training_job=config.training_job,
        dataset_version=version.version,
        classes=version.classes,
        split=split,
        heldout=exported.heldout,
        calibration=calibration,
        choice=exported.choice,
        champion=champion,
    )
    golden = artifact.choose_golden(heldout.labels)
    artifact.write_golden(
        folder / "golden.jsonl", golden, heldout, exported.heldout, version.classes
    )
    artifact.write_trained_rows(folder / "trained_rows.bin", split.seen)
    artifact.write_json(folder / "model.json", _model_document(config, prepared, evaluation))
    artifact.write_json(folder / "evaluation.json", evaluation)
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
    return Result(evaluation, champion)


def _model_document(
    config: JobConfig, prepared: _Prepared, evaluation: dict[str, Any]
) -> dict[str, Any]:
    version, split = prepared.version, prepared.split
    height, width, channels = split.heldout.image_shape
    measured = evaluation["challenger"]
    return {
        "format": artifact.MODEL_FORMAT,
        "input": {
            "height": height,
            "width": width,
            "channels": channels,
            "range": [0, 255],
            "foreground": "unknown" if prepared.framed else artifact.foreground(split.training),
        },
        "classes": list(version.classes),
        "temperature": evaluation["calibration"]["temperature"],
        "precision": evaluation["export"]["precision"],
        "preset": config.hyperparameters.preset,
        "metrics": {
            "heldout_accuracy": measured["accuracy"],
            "heldout_rows": len(split.heldout),
            "heldout_ece": measured["ece"],
        },
        "dataset": version.dataset,
        "dataset_version": version.version,
        "training_job": config.training_job,
        "code_version": config.code_version,
    }
