"""A judging job: a trained model compared once more, with the champion of today. Trains nothing.

Both are asked as they are served. The rows are those held out of the challenger's own dataset
version that neither of the two was trained on, as their artifacts tell.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pigeonhole_training.config import JobConfig
from pigeonhole_training.data.reading import read_dataset
from pigeonhole_training.data.split import Split, split_rows
from pigeonhole_training.data.version import (
    DatasetVersion,
    Shape,
    check_files,
    read_version_for,
)
from pigeonhole_training.errors import BadChampion, BadData, BadRequest
from pigeonhole_training.export import artifact
from pigeonhole_training.judging.champion import judge_champion
from pigeonhole_training.judging.document import judged_document
from pigeonhole_training.judging.served_model import ServedModel, load_served
from pigeonhole_training.progress import Progress, StopFlag, say

OUTPUT_FILES = ("evaluation.json",)


def judge_again(config: JobConfig, stop: StopFlag | None = None) -> dict[str, Any]:
    """Compares the models of the channels `challenger` and `champion`; evaluation.json's document,
    which is written to `config.output_data_dir`.

    Raises a JobError whose text says why they cannot be compared.
    """
    if config.challenger_dir is None or config.champion_dir is None:
        raise BadRequest("a judging job needs the channels challenger and champion")
    progress = Progress(stop or StopFlag())
    version = read_version_for(config.version_dir, config.dataset_version)
    challenger = load_served(config.challenger_dir, "challenger")
    with (
        tempfile.TemporaryDirectory(prefix="pigeonhole-") as folder,
        tempfile.TemporaryDirectory(prefix="pigeonhole-rows-") as scratch,
    ):
        try:
            split = _heldout(config, version, challenger, Path(scratch), progress)
            document = _compared(config, version, challenger, split, progress)
        except (LookupError, TypeError) as error:
            raise BadChampion(
                f"the challenger's model.json is not as expected: {error!r}"
            ) from error
        artifact.write_json(Path(folder) / "evaluation.json", document)
        artifact.publish(Path(folder), config.output_data_dir, OUTPUT_FILES)
    progress.close()
    return document


def _heldout(
    config: JobConfig,
    version: DatasetVersion,
    challenger: ServedModel,
    scratch: Path,
    progress: Progress,
) -> Split:
    """The challenger's data, split as it was; its held-out rows less those it has seen."""
    height, width, channels = challenger.image_shape
    version = version.with_shape(Shape(height, width, channels))
    with progress.step("checking", f"Checking {len(version.files)} files against version.json"):
        check_files(version.files, config.train_dir)
    with progress.step("reading", "Reading the held-out rows"):
        data = read_dataset(
            version, config.train_dir, scratch, lambda: height, check=progress.stop.check
        )
    split = split_rows(data.train, data.test, data.validation)
    unseen = split.heldout.where(challenger.unseen(split.heldout))
    if not len(unseen):
        raise BadData("there is no held-out row that the challenger was not trained on")
    return replace(split, heldout=unseen)


def _compared(
    config: JobConfig,
    version: DatasetVersion,
    challenger: ServedModel,
    split: Split,
    progress: Progress,
) -> dict[str, Any]:
    assert config.champion_dir is not None
    heldout, classes = split.heldout, version.classes
    if set(challenger.classes) != set(classes):
        raise BadChampion("the challenger has other classes than its dataset version")
    with progress.step("challenger", f"Asking the challenger about {len(heldout):,} held-out rows"):
        ours = challenger.answer(heldout, classes)
    right = ours.answers == heldout.labels
    say(f"heldout_accuracy={right.mean():.4f};")
    with progress.step("champion", "Asking the champion about the same rows"):
        champion = judge_champion(config.champion_dir, heldout, right, classes)
    if champion.answers is not None:
        say(f"champion_accuracy={(champion.answers == heldout.labels).mean():.4f};")
    if champion.paired is not None:
        say(
            f"Difference {champion.paired.difference:+.4f} on {champion.paired.rows:,} rows that "
            f"neither was trained on, standard error {champion.paired.standard_error:.4f}"
        )
    return judged_document(
        training_job=str(challenger.document["training_job"]),
        judging_job=config.training_job,
        dataset_version=version.version,
        classes=classes,
        split=split,
        heldout=ours.probabilities,
        champion=champion,
    )
