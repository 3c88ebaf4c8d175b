"""One training job from channels to artifact.

check the files against version.json -> read them -> split -> train -> calibrate -> evaluate ->
export to ONNX and compare it with Keras -> judge the champion on the same rows -> draw the reports
-> write everything at the end
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pigeonhole_training.config import JobConfig
from pigeonhole_training.data.notes import split_notes
from pigeonhole_training.data.reading import read_dataset
from pigeonhole_training.data.split import Split, split_rows
from pigeonhole_training.data.version import DatasetVersion, check_files, read_version_for
from pigeonhole_training.errors import BadChampion
from pigeonhole_training.export import artifact
from pigeonhole_training.judging.champion import ChampionResult, judge_champion
from pigeonhole_training.judging.document import evaluation_document
from pigeonhole_training.progress import Progress, StopFlag, quiet_stderr, say
from pigeonhole_training.reports.findings import Findings
from pigeonhole_training.reports.write import write_reports

if TYPE_CHECKING:
    from pigeonhole_training.fitting.train import Trained
    from pigeonhole_training.watching.job import JobWatch

OUTPUT_FILES = ("evaluation.json", "history.json", "model.keras")
REPORTS = "reports"


@dataclass(frozen=True)
class Result:
    """What a job came to: evaluation.json's document, and the champion's answers."""

    evaluation: dict[str, Any]
    champion: ChampionResult | None


def train_and_evaluate(config: JobConfig, stop: StopFlag | None = None) -> Result | None:
    """Trains, judges, exports and writes one model; None on all hosts but the first.

    Writes the artifact's files to `config.model_dir`, and evaluation.json, history.json,
    model.keras and reports/ to `config.output_data_dir`, all at the end: a job that fails leaves
    both empty.
    Raises a JobError whose text says what went wrong.
    """
    progress = Progress(stop or StopFlag())
    version = read_version_for(config.version_dir, config.dataset_version)
    with (
        tempfile.TemporaryDirectory(prefix="pigeonhole-") as folder,
        tempfile.TemporaryDirectory(prefix="pigeonhole-rows-") as scratch,
        ExitStack() as over,
    ):
        prepared = _prepare(config, version, Path(scratch), progress)
        trained, watch = _train(config, prepared, progress, over)
        if not trained.first:
            say("This host is done: the first one judges the model and writes it")
            return None
        result = _judge(config, prepared, trained, progress, watch=watch, folder=Path(folder))
        with progress.step("writing", "Writing the model and its reports"):
            # model.json is the last: where it is, the artifact is whole
            artifact.publish(Path(folder), config.output_data_dir, OUTPUT_FILES)
            artifact.publish_folder(Path(folder) / REPORTS, config.output_data_dir)
            artifact.publish(Path(folder), config.model_dir, artifact.MODEL_FILES)
            trained.checkpoints.clear()
    progress.close()
    return result


@dataclass(frozen=True)
class _Prepared:
    """`version` with the shape that the images have; `framed`: some were cut or scaled to it;
    `notes` of the reading, for people."""

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
        notes = (*version.notes, *dataset.notes)
    for note in (*notes, *split_notes(split, version.classes)):
        say(note)
    return _Prepared(version.with_shape(dataset.shape), split, dataset.framed, notes)


def _train(
    config: JobConfig, prepared: _Prepared, progress: Progress, over: ExitStack
) -> tuple[Trained, JobWatch]:
    with progress.step("importing", "Loading Keras"), quiet_stderr():
        # Seconds; so it comes after everything that can refuse the data.
        from pigeonhole_training.fitting.engines import open_engine  # noqa: PLC0415
        from pigeonhole_training.fitting.train import train  # noqa: PLC0415
        from pigeonhole_training.watching.job import JobWatch  # noqa: PLC0415

        if config.hosts > 1:
            say(f"Waiting for the other hosts, as host {config.host + 1} of {config.hosts}")
        engine = open_engine(config.hosts, config.host)
    watch = JobWatch(config.tensorboard_dir, config.instance_type)
    over.callback(watch.close)
    with progress.step("training", "Building the network"):
        trained = train(
            config,
            prepared.version,
            prepared.split,
            engine,
            observers=watch.observers,
            stop=progress.stop,
        )
    return trained, watch


def _judge(
    config: JobConfig,
    prepared: _Prepared,
    trained: Trained,
    progress: Progress,
    *,
    watch: JobWatch,
    folder: Path,
) -> Result:
    from pigeonhole_training.export.export import export  # noqa: PLC0415 - as in _train
    from pigeonhole_training.judging.judge import calibrate, judge  # noqa: PLC0415

    version, split = prepared.version, prepared.split
    heldout, stop = split.heldout, progress.stop
    with progress.step(
        "calibrating", f"Fitting a temperature on {len(split.validation):,} validation rows"
    ):
        calibrated = calibrate(trained.model, split, stop)
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
    watch.judged(heldout.labels, exported.heldout.argmax(axis=1), version.classes)
    right = exported.heldout.argmax(axis=1) == heldout.labels
    say(f"heldout_accuracy={right.mean():.4f};")

    champion, notes = None, prepared.notes
    if config.champion_dir is not None:
        try:
            with progress.step("champion", "Evaluating the champion on the same rows"):
                champion = judge_champion(config.champion_dir, heldout, right, version.classes)
        except BadChampion as error:
            # What is trained and paid for is not lost over it: the gate asks a person.
            note = f"There is no comparison with the champion: {error}"
            say(note)
            notes = (*notes, note)
    if champion is not None and champion.answers is not None:
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
    with progress.step("reporting", "Drawing the reports"):
        findings = Findings(
            training_job=config.training_job,
            code_version=config.code_version,
            version=version,
            split=split,
            run=trained.run,
            epochs=trained.epochs,
            best_epoch=trained.best_epoch,
            heldout=exported.heldout,
            validation=calibrated.validation,
            evaluation=evaluation,
            champion=champion,
            profile=watch.profile(evaluation["challenger"]["recall"]),
            notes=notes,
            seconds=progress.seconds,
        )
        write_reports(folder / REPORTS, findings)
    golden = artifact.choose_golden(heldout.labels)
    artifact.write_golden(
        folder / "golden.jsonl", golden, heldout, exported.heldout, version.classes
    )
    artifact.write_trained_rows(folder / "trained_rows.bin", split.seen)
    artifact.write_json(folder / "model.json", _model_document(config, prepared, evaluation))
    artifact.write_json(folder / "evaluation.json", evaluation)
    artifact.write_json(
        folder / "history.json",
        {
            "format": 1,
            "recipe": asdict(trained.recipe),
            "rows": {"training": len(split.training), "validation": len(split.validation)},
            "best_epoch": trained.best_epoch,
            "epochs": [asdict(epoch) for epoch in trained.epochs],
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
